//! The files that the agent writes to its state directory and reads back, with one
//! rule for all of them: a file of a newer version is refused, and a damaged file is
//! set aside.

mod background_writer;
mod damage;
pub(crate) mod unsaved;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::Deserialize;
use thiserror::Error;
use tracing::warn;

use super::shared::Shared;
use super::{atomic_write, regular_file};
use crate::model::Severity;

pub(crate) use background_writer::{BackgroundWriter, Format, WriteResult};
pub(crate) use damage::Damage;
use damage::{Place, what_is_no_file};

/// The largest file that is read: 64 MiB. An entry takes about 150 bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// So many damaged files are kept beside one file.
const MOST_ASIDE: u32 = 100;

/// So many characters of a cause are kept: a damaged file may have entries of any length.
const LONGEST_CAUSE: usize = 500;

/// What one of these files is for.
#[derive(Debug)]
pub(crate) struct Purpose {
    /// The newest version of the file's shape that this program reads.
    pub(crate) version: u64,
    /// Whether the agent cannot start without having read the file. Another file that
    /// cannot be read counts as damaged.
    pub(crate) is_needed: bool,
    /// How much it matters that the content is lost.
    pub(crate) severity: Severity,
    /// What the loss of the content means, as a sentence.
    pub(crate) loss: &'static str,
    /// What to do then; the name of the damaged file follows.
    pub(crate) fix: &'static str,
    /// What to do when a newer program's file is moved away.
    pub(crate) moved: &'static str,
}

/// A file in the state directory that the agent reads back. Clones are the same file.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    path: PathBuf,
    purpose: &'static Purpose,
    last: Arc<Last>,
}

/// The file as this process last read or wrote it.
#[derive(Debug, Default)]
struct Last {
    stamp: Shared<Option<Stamp>>,
    /// Whether another hand has changed or removed it since, as last seen.
    is_changed: AtomicBool,
}

/// Which file has a name, and when it was written: a file that another hand has
/// changed, replaced or removed has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    length: u64,
    written: (i64, i64),
}

/// What happens to a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfDamaged {
    /// The file gets another name: for those who write it.
    SetAside,
    /// The file stays as it is: for those who only read.
    Leave,
}

/// What a file holds; its damage does not exclude that a part is understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content<T> {
    pub(crate) value: T,
    /// What is wrong with the file, if it is damaged.
    pub(crate) cause: Option<String>,
}

/// What was read from a file.
#[derive(Debug, Default)]
pub(crate) struct Loaded<T> {
    /// Empty where there is no file, or nothing of the file is understood.
    pub(crate) value: T,
    pub(crate) damage: Option<Damage>,
    /// The file that was set aside last, if the file is well now and nobody has
    /// removed the other: what was lost may still be lost.
    earlier: Option<Damage>,
}

/// What is known of a file by those who write it.
#[derive(Debug, Clone)]
pub(crate) enum OnDisk<T> {
    /// This, unless another hand has changed it.
    Holds(T),
    /// The file was damaged, and could not be set aside.
    Damaged,
    /// Nothing that matters.
    Unknown,
}

impl<T: PartialEq> OnDisk<T> {
    /// Whether the file holds this, as far as is known.
    pub(crate) fn holds(&self, value: &T) -> bool {
        matches!(self, Self::Holds(held) if held == value)
    }

    /// The same after a write that may have failed half-way.
    pub(crate) fn after_failure(&self) -> Self {
        match self {
            Self::Damaged => Self::Damaged,
            Self::Holds(..) | Self::Unknown => Self::Unknown,
        }
    }
}

impl<T> Loaded<T> {
    /// The damage that operators have to see: of now, else of an earlier start.
    pub(crate) fn reported(&self) -> Option<&Damage> {
        self.damage.as_ref().or(self.earlier.as_ref())
    }

    pub(crate) fn on_disk(&self) -> OnDisk<T>
    where
        T: Clone,
    {
        match &self.damage {
            None => OnDisk::Holds(self.value.clone()),
            Some(damage) if damage.is_set_aside() => OnDisk::Unknown,
            Some(_) => OnDisk::Damaged,
        }
    }
}

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

impl StoredFile {
    pub(crate) fn new(path: PathBuf, purpose: &'static Purpose) -> Self {
        Self {
            path,
            purpose,
            last: Arc::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The state directory.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// What the file holds, as `understand` reads it; nothing if there is no file.
    ///
    /// Fails if a newer program wrote the file, or if a needed file cannot be read.
    pub(crate) fn load<T: Default>(
        &self,
        if_damaged: IfDamaged,
        understand: impl FnOnce(&[u8]) -> Content<T>,
    ) -> Result<Loaded<T>, StoredFileError> {
        *self.last.stamp.lock() = self.stamp();
        let Content { value, cause } = self.content(understand)?;
        let Some(cause) = cause else {
            return Ok(Loaded {
                value,
                damage: None,
                earlier: self.set_aside_earlier(),
            });
        };
        let place = match if_damaged {
            IfDamaged::Leave => Place::Left,
            IfDamaged::SetAside => match self.set_aside() {
                Ok(aside) => Place::Aside(aside),
                Err(error) => Place::Stuck(error.to_string()),
            },
        };
        Ok(Loaded {
            value,
            damage: Some(self.damage(&cause, place)),
            earlier: None,
        })
    }

    /// The file that was set aside last. A directory that cannot be listed has none.
    fn set_aside_earlier(&self) -> Option<Damage> {
        let prefix = format!("{}.damaged", self.path.file_name()?.to_str()?);
        let entries = fs::read_dir(self.directory()).ok()?.flatten();
        let aside = entries.filter(|entry| {
            let name = entry.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(&*prefix));
            rest.is_some_and(|rest| {
                let number = rest.strip_prefix('.');
                rest.is_empty() || number.is_some_and(|number| number.parse::<u32>().is_ok())
            })
        });
        // The change of the name is the last change of the inode.
        let last = aside.max_by_key(|entry| {
            let metadata = entry.metadata().ok();
            metadata.map(|metadata| (metadata.ctime(), metadata.ctime_nsec()))
        })?;
        Some(self.damage("found at an earlier start", Place::Aside(last.path())))
    }

    /// Fails if a newer program wrote the file.
    pub(crate) fn refuse_newer(&self) -> Result<(), StoredFileError> {
        match self.content(|_| Content::<()>::default()) {
            Err(error @ StoredFileError::Newer { .. }) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Writes the file whole or not at all: a new file, flushed, takes the old one's
    /// name. `before` is what is known of the old one: a file that holds `value` is not
    /// written again, unless another hand has changed or removed it, and one that was
    /// damaged and not understood is set aside first, which is returned.
    ///
    /// Fails if a newer program wrote the file meanwhile, or if a damaged file cannot
    /// be set aside.
    pub(crate) fn save<T: Default + PartialEq>(
        &self,
        value: T,
        before: &OnDisk<T>,
        text: impl FnOnce(&T) -> serde_json::Result<Vec<u8>>,
        understand: impl Fn(&[u8]) -> Content<T>,
    ) -> Result<(OnDisk<T>, Option<Damage>), StoredFileError> {
        let mut damage = None;
        match before {
            OnDisk::Holds(held) if *held == value => {
                if !self.look() {
                    return Ok((OnDisk::Holds(value), None));
                }
                let file = self.path.display();
                warn!(%file, "another hand has changed or removed the file: it is written again");
            }
            OnDisk::Damaged => damage = self.set_aside_damaged(&understand)?,
            OnDisk::Holds(..) | OnDisk::Unknown => {}
        }
        let directory = self.directory();
        fs::create_dir_all(directory)
            .map_err(|error| StoredFileError::Directory(directory.to_owned(), error))?;
        self.refuse_newer()?;
        // A file takes the name of anything but a directory.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_dir()) {
            damage = self.set_aside_damaged(understand)?;
        }
        let written = text(&value)
            .map_err(io::Error::from)
            .and_then(|text| atomic_write::replace(&self.path, &text));
        written.map_err(|error| StoredFileError::Write(self.path.clone(), error))?;
        *self.last.stamp.lock() = self.stamp();
        self.last.is_changed.store(false, Ordering::Relaxed);
        Ok((OnDisk::Holds(value), damage))
    }

    /// Looks whether another hand has changed or removed the file.
    pub(crate) fn look(&self) -> bool {
        let is_changed = self.stamp() != *self.last.stamp.lock();
        self.last.is_changed.store(is_changed, Ordering::Relaxed);
        is_changed
    }

    /// What [`Self::look`] last saw.
    pub(crate) fn is_changed(&self) -> bool {
        self.last.is_changed.load(Ordering::Relaxed)
    }

    fn stamp(&self) -> Option<Stamp> {
        let found = fs::symlink_metadata(&self.path).ok()?;
        Some(Stamp {
            file: (found.dev(), found.ino()),
            length: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
        })
    }

    fn set_aside_damaged<T: Default>(
        &self,
        understand: impl FnOnce(&[u8]) -> Content<T>,
    ) -> Result<Option<Damage>, StoredFileError> {
        let Some(cause) = self.content(understand)?.cause else {
            return Ok(None);
        };
        let aside = self.set_aside();
        let aside = aside.map_err(|error| StoredFileError::SetAside(self.path.clone(), error))?;
        Ok(Some(self.damage(&cause, Place::Aside(aside))))
    }

    /// Removes the file. Returns whether there was one.
    pub(crate) fn remove(&self) -> Result<bool, StoredFileError> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoredFileError::Write(self.path.clone(), error)),
        }
    }

    fn content<T: Default>(
        &self,
        understand: impl FnOnce(&[u8]) -> Content<T>,
    ) -> Result<Content<T>, StoredFileError> {
        let damaged = |cause: String| {
            let (value, cause) = (T::default(), Some(cause));
            Ok(Content { value, cause })
        };
        let text = match regular_file::read(&self.path, LARGEST) {
            Ok(text) => text,
            Err(error) => {
                return match what_is_no_file(&self.path, &error) {
                    Some(cause) => damaged(cause),
                    None if error.kind() == io::ErrorKind::NotFound => Ok(Content::default()),
                    None if self.purpose.is_needed => {
                        Err(StoredFileError::Read(self.path.clone(), error))
                    }
                    None => damaged(error.to_string()),
                };
            }
        };
        if text.is_empty() {
            return damaged("it is empty".to_owned());
        }
        if let Some(version) = version(&text).filter(|version| *version > self.purpose.version) {
            let path = self.path.clone();
            let moved = self.purpose.moved;
            return Err(StoredFileError::Newer {
                path,
                version,
                moved,
            });
        }
        Ok(understand(&text))
    }

    fn damage(&self, cause: &str, place: Place) -> Damage {
        Damage {
            path: self.path.clone(),
            purpose: self.purpose,
            cause: cause.chars().take(LONGEST_CAUSE).collect(),
            place,
        }
    }

    /// Gives the file the first free of the names `FILE.damaged`, `FILE.damaged.1`,
    /// `FILE.damaged.2`, …, and returns the name.
    fn set_aside(&self) -> io::Result<PathBuf> {
        for number in 0..MOST_ASIDE {
            let mut name = self.path.clone().into_os_string();
            name.push(".damaged");
            if number > 0 {
                name.push(format!(".{number}"));
            }
            let aside = PathBuf::from(name);
            match rename_to_free(&self.path, &aside) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                renamed => return renamed.map(|()| aside),
            }
        }
        let name = self.path.display();
        let message = format!("{MOST_ASIDE} files `{name}.damaged…` are there: remove some");
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }
}

/// The version that the text of a file states, if the text is understood so far.
fn version(text: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let found: Version = serde_json::from_slice(text).ok()?;
    Some(found.version)
}

/// Renames a file to a name that nothing has yet.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know the flag (renameat2(2)).
        Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(error) => Err(error),
        },
        renamed => Ok(renamed?),
    }
}

#[cfg(test)]
mod tests;
