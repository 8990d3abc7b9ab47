//! What to do about a stored file that cannot be written, by the cause. Pure.

use std::io;
use std::path::Path;

use super::StoredFileError;
use crate::runtime::shell_word::quoted;

/// What lets the agent write the file again; `unit` is the agent's systemd unit.
pub(crate) fn fix(error: &StoredFileError, unit: &str) -> String {
    let (path, cause) = match error {
        StoredFileError::Newer { path, moved, .. } => {
            let path = word(path);
            return format!("run the lvs-agent that wrote {path}; or move it away, and {moved}");
        }
        StoredFileError::Directory(path, cause)
        | StoredFileError::Read(path, cause)
        | StoredFileError::Write(path, cause)
        | StoredFileError::SetAside(path, cause) => (path, cause),
    };
    // What cannot be made or replaced is an entry of this directory.
    let parent = word(path.parent().unwrap_or(path));
    let state_dir = match error {
        StoredFileError::Directory(..) => word(path),
        StoredFileError::Read(..)
        | StoredFileError::Write(..)
        | StoredFileError::SetAside(..)
        | StoredFileError::Newer { .. } => parent.clone(),
    };
    let path = word(path);
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other kinds have no fix of their own"
    )]
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("make room: see `df -h {parent}`, `df -i {parent}` and `quota`")
        }
        io::ErrorKind::ReadOnlyFilesystem => format!(
            "see `findmnt -T {parent}`: if the file system is mounted read-only (`ro`), see \
             `dmesg` for the cause, and `mount -o remount,rw \"$(findmnt -no TARGET -T {parent})\"`; \
             if not, the unit alone has it read-only: add `ReadWritePaths={state_dir}` under \
             [Service] by `systemctl edit {unit}`, and `systemctl restart {unit}`"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "see owner and mode by `ls -ld {parent} {path}`, and let the user of the agent \
             (`ps -o user= -C lvs-agent`) write there by `chown` or `chmod`"
        ),
        io::ErrorKind::TimedOut | io::ErrorKind::StaleNetworkFileHandle => format!(
            "see why the file system does not answer: `timeout 5 stat {parent}`, `findmnt -T \
             {parent}`"
        ),
        io::ErrorKind::AlreadyExists if matches!(error, StoredFileError::SetAside(..)) => {
            format!("see `ls -l {path}.damaged*`, and remove some")
        }
        io::ErrorKind::AlreadyExists
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory => {
            format!("see by `namei -l {path}` what is in the way, and move it away")
        }
        _ => format!("see `ls -ld {parent} {path}`, `df -h {parent}` and `dmesg`"),
    }
}

fn word(path: &Path) -> String {
    quoted(&path.display().to_string())
}

#[cfg(test)]
mod tests;
