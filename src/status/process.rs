//! The process that shows its state.

use std::time::SystemTime;

/// Which process shows its state, and how far that state is real.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessRecord {
    /// The name of the host.
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) started_at: SystemTime,
    /// Nothing is written: steps that are pending stay pending.
    pub(crate) dry_run: bool,
    /// The IPVS table is the kernel's, and not one inside this process.
    pub(crate) table_in_kernel: bool,
}

impl ProcessRecord {
    /// This process, which writes the kernel.
    pub(crate) fn this(started_at: SystemTime) -> Self {
        Self {
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            pid: std::process::id(),
            started_at,
            dry_run: false,
            table_in_kernel: true,
        }
    }

    /// The value of the label and the field `table`.
    pub(crate) const fn table(&self) -> &'static str {
        if self.table_in_kernel {
            "kernel"
        } else {
            "memory"
        }
    }
}
