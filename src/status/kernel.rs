//! What is shown of the kernel beside the virtual services: the table as a whole, its time-outs,
//! and the kernel parameters.

use std::collections::BTreeSet;

use crate::model::{ContinuousStatistics, SyncDaemon, SysctlKey, TableStatus};

/// The table as a whole, as of the last resync.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableRecord {
    pub(crate) statistics: ContinuousStatistics,
    pub(crate) sync_daemons: BTreeSet<SyncDaemon>,
}

impl TableRecord {
    pub(crate) fn observe(&mut self, status: &TableStatus) {
        self.statistics.observe(status.statistics);
        self.sync_daemons.clone_from(&status.sync_daemons);
    }
}

/// A time-out of the table, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeoutRecord {
    /// `None` if it is left as it is.
    pub(crate) want: Option<u32>,
    pub(crate) have: u32,
}

/// One kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SysctlRecord {
    pub(crate) want: String,
    /// `None` if the kernel has no such parameter.
    pub(crate) have: Option<String>,
}

impl SysctlRecord {
    /// Whether the kernel has it as it should be.
    pub(crate) fn ok(&self, key: &SysctlKey) -> bool {
        let have = self.have.as_ref();
        have.is_some_and(|have| key.is_satisfied(have, &self.want))
    }
}
