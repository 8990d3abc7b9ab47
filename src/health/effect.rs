//! The decisions of health, as data. The driver carries them out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::log_line::LogLine;
use super::pool::Handling;
use crate::model::{
    AdminState, Decision, Diagnosis, FreezeReason, Health, MemberKey, OperatorWeight, PoolStatus,
    Quiesced, RealServerId, ServiceKey, Weight, Weights,
};
use crate::notify::EventKind;
use crate::probe::{ProbeId, ProbeRate, ProbeReport};

/// One consequence of an input. Effects are carried out in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// These weights are to be written, together or not at all.
    Weights(Vec<(RealServerId, WeightChange)>),
    /// Whether what is configured of a service serves without the real servers that left it.
    Replaced { service: ServiceKey, replaced: bool },
    /// The real servers whose connections are to be counted every second.
    CountConnections(BTreeSet<RealServerId>),
    /// How urgent the next result of a probe is.
    ProbeRate(ProbeId, ProbeRate),
    /// The hosts that answer no probe, of which the link is to say whether they are present.
    UnresponsiveHosts(BTreeSet<IpAddr>),
    /// What is shown of a real server has changed.
    RealServer(RealServerId, RealServerChange),
    /// What is shown of a virtual service has changed.
    Pool(usize, PoolStatus),
    /// Why weights are frozen; empty if they are not.
    Frozen(BTreeSet<FreezeReason>),
    /// An event of a real server, for notifications.
    RealServerEvent(EventKind, RealServerId, String),
    /// An event of a virtual service, for notifications.
    ServiceEvent(EventKind, usize, &'static str),
    /// A line of the log.
    Log(Box<LogLine>),
    /// Every probe has reported within its time.
    ProbesAlive,
    /// The input [`Reload`](super::input::Input::Reload) is done.
    Reloaded {
        /// The weight of every real server and sorry server of the new configuration.
        weights: Weights,
        /// The real servers that are out of the table while they are down.
        removed: BTreeSet<MemberKey>,
    },
}

impl Effect {
    /// Boxed, as all that is large: a reload has effects for each of many thousands of real
    /// servers.
    pub(super) fn log(line: LogLine) -> Self {
        Self::Log(Box::new(line))
    }
}

/// A change of what is shown of one real server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RealServerChange {
    /// A probe has finished.
    Probe(Arc<ProbeReport>),
    /// The health has changed by a probe that began at `at`.
    Health {
        health: Health,
        at: SystemTime,
    },
    /// A real server is new in its service, and the real server `from` of the previous
    /// configuration, which shares its probe, has shown its health.
    Learned {
        from: RealServerId,
        health: Health,
        diagnosis: Option<Diagnosis>,
    },
    Diagnosis(Option<Diagnosis>),
    /// The weight by advice in place of the configured one.
    Advised(Option<Weight>),
    Quiesced(Option<Quiesced>),
    Admin {
        admin: AdminState,
        deadline: Option<SystemTime>,
        /// Of a drain; of no meaning for a real server that is enabled.
        decision: Box<Decision>,
    },
    /// The weight that an operator has set in place of the configured one.
    OperatorWeight(Option<Box<OperatorWeight>>),
}

/// The weight that a real server should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeightChange {
    pub(crate) weight: Weight,
    /// When the first failed probe of the streak that decided began.
    pub(crate) first_failure: Option<Instant>,
    /// What is to be done beside that.
    pub(crate) handling: Handling,
}
