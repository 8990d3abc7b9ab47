//! A locked file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tracing::warn;

use crate::runtime::atomic_write;

/// A locked file that tells the process which has the lock, and goes with it.
#[derive(Debug)]
pub(super) struct HeldFile {
    path: PathBuf,
    pub(super) file: File,
}

/// Why a file is not locked.
pub(super) enum Refused {
    /// Another process has it locked: its id, where it could be read.
    Held(Option<String>),
    Io(io::Error),
}

impl HeldFile {
    /// Creates the file where it is missing, and locks it. Fails if something else than a
    /// regular file has the name.
    pub(super) fn take(path: PathBuf) -> Result<Self, Refused> {
        let mut file = loop {
            let mut file = open(OpenOptions::new().create(true), &path).map_err(Refused::Io)?;
            let directory = path.parent().unwrap_or(Path::new("/"));
            atomic_write::give_to_owner_of(directory, &file).map_err(Refused::Io)?;
            match file.try_lock() {
                // The one who had it may have removed the file meanwhile.
                Ok(()) if is_at(&file, &path) => break file,
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    let read = file.read_to_string(&mut pid);
                    let pid = read.ok().map(|_| pid.trim().to_owned());
                    return Err(Refused::Held(pid.filter(|pid| !pid.is_empty())));
                }
                Err(TryLockError::Error(error)) => return Err(Refused::Io(error)),
            }
        };
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            // On a full disk the lock holds all the same.
            let path = path.display();
            warn!(%path, %error, "the lock file does not tell the process that has it");
        }
        Ok(Self { path, file })
    }
}

impl Drop for HeldFile {
    /// While it is held, so that nobody else's file goes.
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            // A file that stays is taken over by the next agent.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Follows no link: root, too, locks files in directories of other users. Fails if the file is
/// not a regular one: a lock on a FIFO holds, but reading the process id from it would wait.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options
        .read(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        let message = "this is no regular file";
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

/// Whether this file still has this name.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let place = |of: &fs::Metadata| (of.dev(), of.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(file), Ok(named)) => place(&file) == place(&named),
        _ => false,
    }
}
