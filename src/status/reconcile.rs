//! How the last reconcile went, and what it has still to remove.

use std::time::SystemTime;

use crate::model::{Connections, RealServerKey, ServiceKey};

/// How the last reconcile went.
#[derive(Debug, Default, Clone)]
pub(crate) struct ReconcileRecord {
    /// When the kernel was last found, or made, to be as configured.
    pub(crate) last_success: Option<SystemTime>,
    /// What stands in the way, if something does.
    pub(crate) error: Option<String>,
    /// In a dry run, how many steps would bring the kernel to what is configured.
    pub(crate) pending_steps: usize,
}

/// A real server that is no longer configured, and not removed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeavingRecord {
    /// The names that its virtual service and it had.
    pub(crate) service: String,
    pub(crate) real_server: String,
    pub(crate) service_key: ServiceKey,
    pub(crate) key: RealServerKey,
    /// As of the last second.
    pub(crate) connections: Connections,
    /// When it is removed whatever is left, unless nobody else serves.
    pub(crate) deadline: SystemTime,
    /// Whether it serves, since what replaces it does not yet.
    pub(crate) serves: bool,
}
