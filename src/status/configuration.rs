//! The configuration in force, and how the last reload went.

use std::time::{Duration, SystemTime};

use crate::config::Config;
use crate::model::Role;

/// A configuration that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadedRecord {
    pub(crate) at: SystemTime,
    /// Of its files; empty before one is loaded.
    pub(crate) sha256: String,
    /// How often the kernel is compared with it; `None` before one is loaded.
    pub(crate) resync_interval: Option<Duration>,
}

impl LoadedRecord {
    pub(crate) fn of(config: &Config, role: Role, at: SystemTime) -> Self {
        let resync_interval = match role {
            Role::Director => config.director.resync_interval,
            Role::RealServer => config.real_server.resync_interval,
        };
        Self {
            at,
            sha256: config.sha256.clone(),
            resync_interval: Some(resync_interval),
        }
    }
}

/// How the last reload of the configuration went; loading it at the start counts as one.
#[derive(Debug, Clone)]
pub(crate) struct ReloadRecord {
    pub(crate) last_success: SystemTime,
    /// Why the newest file was not taken, if it was not.
    pub(crate) error: Option<String>,
}
