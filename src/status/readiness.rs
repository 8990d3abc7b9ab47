//! The last inspection of a real server's own host.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use crate::readiness::{ArpValues, ServiceReadiness};

/// What the last look at a real server's own host has seen.
#[derive(Debug, Clone)]
pub(crate) struct ReadinessRecord {
    pub(crate) at: SystemTime,
    /// The same by the clock that nobody sets.
    pub(crate) seen: Instant,
    /// What holds on each interface that is asked for addresses.
    pub(crate) arp: BTreeMap<String, ArpValues>,
    pub(crate) services: Vec<ServiceReadiness>,
    /// Why the last look saw nothing: the rest is then of the look before.
    pub(crate) error: Option<String>,
}
