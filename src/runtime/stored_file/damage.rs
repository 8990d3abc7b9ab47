//! A state file that is damaged: where the file is now, and what to do.

use std::fmt;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::io::Errno;

use super::Purpose;
use crate::model::{Condition, ConditionType, Severity};
use crate::runtime::{own_command, regular_file};

/// The cause of the damage where a directory has the name of a file.
const DIRECTORY: &str = "this is a directory";

/// A file that is damaged.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    pub(super) path: PathBuf,
    pub(super) purpose: &'static Purpose,
    pub(super) cause: String,
    pub(super) location: Location,
}

/// Where a damaged file is now.
#[derive(Debug, Clone)]
pub(super) enum Location {
    /// The file was set aside, and has this name.
    SetAside(PathBuf),
    /// The file could not be set aside, for this reason.
    NotSetAside(String),
    /// The file was only read.
    Untouched,
}

impl Damage {
    /// The condition that says so: its subject is where the damaged file is.
    pub(crate) fn condition(&self, since: SystemTime) -> Condition {
        Condition {
            kind: ConditionType::StateFileDamaged,
            subject: self.file().display().to_string(),
            severity: self.purpose.severity,
            message: self.to_string(),
            fix: self.fix(),
            since,
        }
    }

    /// What to do.
    pub(crate) fn fix(&self) -> String {
        let fix = own_command::complete(self.purpose.fix);
        let file = self.file().display();
        match self.location {
            Location::SetAside(_) | Location::NotSetAside(_) => {
                format!("{fix}; then remove `{file}`")
            }
            Location::Untouched => format!(
                "start the agent, which takes over what can be read of `{file}` and sets the file \
                 aside; then {fix}"
            ),
        }
    }

    /// The file that is damaged, by the name that it has now.
    pub(crate) fn file(&self) -> &Path {
        match &self.location {
            Location::SetAside(aside) => aside,
            Location::NotSetAside(_) | Location::Untouched => &self.path,
        }
    }

    pub(crate) const fn severity(&self) -> Severity {
        self.purpose.severity
    }

    /// The file that is damaged, by the name that it had.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the damaged file has another name now.
    pub(crate) const fn is_set_aside(&self) -> bool {
        matches!(self.location, Location::SetAside(_))
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, cause) = (self.path.display(), &self.cause);
        write!(f, "`{path}` is damaged ({cause}) and ")?;
        match &self.location {
            Location::SetAside(aside) => write!(f, "was set aside as `{}`", aside.display())?,
            Location::NotSetAside(why) => write!(f, "stays where it is ({why})")?,
            Location::Untouched => f.write_str("stays where it is (nothing is written here)")?,
        }
        write!(f, ": {}", self.purpose.consequence)
    }
}

/// What has the name of a file and is no regular file, or a link.
pub(super) fn what_is_irregular(path: &Path, found: FileType) -> Option<String> {
    if found.is_file() {
        None
    } else if found.is_dir() {
        Some(DIRECTORY.to_owned())
    } else if found.is_symlink() {
        let target = fs::read_link(path).unwrap_or_default();
        Some(format!("this is a link to `{}`", target.display()))
    } else {
        let error = regular_file::regular(found).err();
        Some(error.map_or_else(|| "this is no regular file".to_owned(), |it| it.to_string()))
    }
}

/// What has the file's name and is none that the agent can have written, so that
/// reading it again would not help.
pub(super) fn what_is_no_file(path: &Path, error: &io::Error) -> Option<String> {
    let kind = error.kind();
    // `regular_file` says `InvalidInput` of a FIFO, a socket and a device.
    if matches!(
        kind,
        io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge
    ) {
        Some(error.to_string())
    } else if kind == io::ErrorKind::IsADirectory {
        Some(DIRECTORY.to_owned())
    } else if kind == io::ErrorKind::NotFound || Errno::from_io_error(error) == Some(Errno::LOOP) {
        let target = fs::read_link(path).ok()?;
        let target = target.display();
        Some(format!(
            "this is a link to `{target}`, which cannot be followed: {error}"
        ))
    } else {
        None
    }
}
