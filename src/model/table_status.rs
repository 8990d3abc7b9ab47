//! What concerns the IPVS table of this host as a whole.

use std::collections::BTreeSet;

use super::Statistics;

/// The table as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TableStatus {
    /// Of all services, also those of other programs.
    pub(crate) statistics: Statistics,
    /// The synchronization daemons that run in the kernel: at most one of each state.
    pub(crate) sync_daemons: BTreeSet<SyncDaemon>,
}

/// A synchronization daemon, which keeps the connections of two directors alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SyncDaemon {
    pub(crate) state: SyncState,
    /// The interface on which the daemon sends or listens.
    pub(crate) interface: String,
    pub(crate) sync_id: u32,
}

/// What a synchronization daemon does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SyncState {
    /// The daemon sends the connections of this director.
    Master,
    /// The daemon takes the connections of another director.
    Backup,
}

impl SyncState {
    /// The label's value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Backup => "backup",
        }
    }
}
