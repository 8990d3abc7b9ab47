//! The last time that this host's clock is known to have had, by the files that were written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// When the newest of these was written: the files of the state directory and
/// this program. A clock that is before that is wrong. `None` if no file can be
/// looked at. To be asked before anything is written there.
pub(crate) fn last_known_time(state_dir: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(state_dir).into_iter().flatten();
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let program: Option<PathBuf> = std::env::current_exe().ok();
    files
        .chain(program)
        .filter_map(|file| fs::metadata(file).ok()?.modified().ok())
        .max()
}
