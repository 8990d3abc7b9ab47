//! Whether another process has changed a file since the agent read or wrote it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Which file has a name, and when it was written: a file that another program has
/// changed, replaced or removed has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    length: u64,
    written: (i64, i64),
}

impl Stamp {
    /// `None` if there is no such file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        Some(Self {
            file: (found.dev(), found.ino()),
            length: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
        })
    }
}
