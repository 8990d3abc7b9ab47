//! The inputs of health, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::config::Config;
use crate::model::{
    AdminState, ArpConflicts, Decision, DestinationLoad, FreezeReason, MemberKey, RealServerId,
    SetWeight, Weights,
};
use crate::probe::{ProbeId, ProbeReport, ProbeTarget};

/// One input of [`Core`](super::core::Core).
#[derive(Debug)]
pub(crate) enum Input {
    /// A probe has finished.
    ProbeReport(Arc<ProbeReport>),
    /// The state of the director's own link: a reason to freeze all weights, or none.
    Link(Option<FreezeReason>),
    /// Which real servers answer ARP for a VIP, as the ARP audit last found.
    ArpConflicts(ArpConflicts),
    /// Which of the unresponsive hosts answer ARP for their own address.
    HostsPresent(BTreeSet<IpAddr>),
    /// What the kernel has for real servers that are being drained.
    Loads(Loads),
    /// An operator drains real servers, or returns them to service.
    SetAdmin {
        real_servers: Vec<RealServerId>,
        admin: AdminState,
        deadline: DrainDeadline,
        decision: Decision,
    },
    /// An operator sets a weight in place of the configured one, or with `None` the
    /// configured one again.
    SetWeight {
        real_servers: Vec<RealServerId>,
        weight: Option<SetWeight>,
        decision: Decision,
        /// Whether this is no restart of the agent, which knows it from before.
        is_new: bool,
    },
    /// Another configuration is in force from now on.
    Reload(Configuration),
    /// Time has passed.
    Tick,
}

/// A configuration, with what health needs to know of its probes and of the kernel.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) config: Arc<Config>,
    /// Every probe of the configuration.
    pub(crate) probes: Vec<(ProbeId, ProbeTarget)>,
    /// The weights that the kernel has. A real server that is missing has weight 0.
    pub(crate) found: Weights,
}

/// When a drain should have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DrainDeadline {
    /// A drain that connections cannot end, ends at this time.
    pub(crate) until: Instant,
    /// The same on the wall clock, for people.
    pub(crate) at: SystemTime,
}

/// What reconcile has read from the kernel of the real servers whose drain is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loads {
    /// When reading began. The values prove nothing of a drain that began later.
    pub(crate) read_at: Instant,
    /// `None` for a real server that is not in the table. A real server whose service could not
    /// be read is missing.
    pub(crate) loads: BTreeMap<MemberKey, Option<DestinationLoad>>,
}
