//! Why a file of the state directory cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A file in the state directory cannot be used.
#[derive(Debug, Error)]
pub(crate) enum StoredFileError {
    /// The directory cannot be made.
    #[error("cannot make the directory `{}`: correct `state_dir`, or its owner and mode", .0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// The file cannot be read.
    #[error("cannot read the state file `{}`: correct `state_dir`, or its owner and mode", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file cannot be written.
    #[error("cannot write the state file `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The file is damaged, must not be overwritten, and cannot be set aside.
    #[error("cannot set the damaged state file `{}` aside", .0.display())]
    SetAside(PathBuf, #[source] io::Error),
    /// The file is of a program newer than this one.
    #[error(
        "`{}` has version {version}, which a newer lvs-agent wrote and this one cannot read: \
         run that one, for this one does not start with this file; or move the file away, and \
         {moved}", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
        /// What to do when the file is moved away.
        moved: &'static str,
    },
}
