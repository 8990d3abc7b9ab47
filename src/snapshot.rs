//! The latest value of everything that is shown: written in place by health
//! and reconcile, read by `/metrics`, `/status` and the control socket.
//!
//! Each real server has a record and a lock of its own, so that neither a
//! probe's result nor a scrape costs more than what it touches.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::health::Health;
use crate::model::{
    Connections, Forwarding, RealServerKey, Scheduler, ServiceKey, Statistics, SysctlKey, Weight,
};
use crate::probe::ProbeResult;

/// A value that one task writes and others read, each for a moment.
#[derive(Debug, Default)]
pub(crate) struct Latest<T>(Mutex<T>);

impl<T> Latest<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Locks it. A holder that panicked left a whole value behind, since each
    /// field is written by one assignment, so poison is no reason to stop.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of the two roles this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It keeps the IPVS table.
    Director,
    /// It keeps the VIP on lo.
    RealServer,
}

impl Mode {
    /// The label's and the field's value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Director => "director",
            Self::RealServer => "real_server",
        }
    }
}

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) mode: Mode,
    pub(crate) config_path: PathBuf,
    pub(crate) loaded_at: SystemTime,
    /// In the configuration's order; empty on a real server.
    pub(crate) services: Vec<ServiceRecord>,
    /// The VIPs of this host, and whether each is where it should be.
    pub(crate) vips: Latest<BTreeMap<(IpAddr, String), bool>>,
    /// The kernel parameters of this host.
    pub(crate) sysctls: Latest<BTreeMap<SysctlKey, SysctlRecord>>,
    /// How the last reconcile went.
    pub(crate) reconcile: Latest<ReconcileRecord>,
}

/// How the last reconcile went.
#[derive(Debug, Default, Clone)]
pub(crate) struct ReconcileRecord {
    /// When the kernel was last found, or made, to be as configured.
    pub(crate) last_success: Option<SystemTime>,
    /// What stands in the way, if something does.
    pub(crate) error: Option<String>,
}

/// One virtual service.
#[derive(Debug)]
pub(crate) struct ServiceRecord {
    pub(crate) name: Arc<str>,
    pub(crate) key: ServiceKey,
    pub(crate) scheduler: Scheduler,
    pub(crate) forwarding: Forwarding,
    /// As of the last resync.
    pub(crate) statistics: Latest<Statistics>,
    /// In the configuration's order.
    pub(crate) real_servers: Vec<RealServerRecord>,
}

/// One real server of one virtual service.
#[derive(Debug)]
pub(crate) struct RealServerRecord {
    pub(crate) name: Arc<str>,
    pub(crate) key: RealServerKey,
    pub(crate) configured: Weight,
    pub(crate) live: Latest<RealServerLive>,
}

/// The part of a real server's record that changes.
#[derive(Debug, Clone)]
pub(crate) struct RealServerLive {
    pub(crate) health: Health,
    /// When `health` last changed.
    pub(crate) since: SystemTime,
    pub(crate) desired: Weight,
    /// What the kernel held when it was last asked or written; `None` if it has no such destination.
    pub(crate) kernel: Option<Weight>,
    /// As of the last resync.
    pub(crate) connections: Connections,
    /// As of the last resync.
    pub(crate) statistics: Statistics,
    pub(crate) last_probe: Option<LastProbe>,
    /// By [`ProbeResult::index`].
    pub(crate) probes: [u64; ProbeResult::ALL.len()],
    pub(crate) transitions_up: u64,
    pub(crate) transitions_down: u64,
}

/// The newest probe of a real server.
#[derive(Debug, Clone)]
pub(crate) struct LastProbe {
    pub(crate) at: SystemTime,
    pub(crate) result: ProbeResult,
    pub(crate) detail: String,
    pub(crate) duration: Duration,
}

/// One kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SysctlRecord {
    pub(crate) want: String,
    /// `None` if the kernel has no such parameter.
    pub(crate) have: Option<String>,
}
