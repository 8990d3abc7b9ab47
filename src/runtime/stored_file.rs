//! The files that the agent writes to its state directory and reads back, with one
//! rule for all of them: a file of a newer version is refused, and a damaged file is
//! set aside.

mod background_writer;
mod content;
mod damage;
mod error;
mod format;
mod set_aside;
mod stamp;
pub(crate) mod unsaved;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

use super::shared::Shared;
use super::{atomic_write, regular_file};
use crate::model::Severity;

pub(crate) use background_writer::{BackgroundWriter, Format, WriteResult};
pub(crate) use content::{Content, Loaded, OnDisk};
pub(crate) use damage::Damage;
use damage::{Location, what_is_irregular, what_is_no_file};
pub(crate) use error::StoredFileError;
use format::version_of;
pub(crate) use format::{FormatError, Object, parse_object};
use set_aside::{last_set_aside, set_aside};
use stamp::Stamp;

/// The largest file that is read: 64 MiB. An entry takes about 150 bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

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
    /// How much it matters that the content cannot be read.
    pub(crate) severity: Severity,
    /// What follows if the content cannot be read, as a sentence.
    pub(crate) consequence: &'static str,
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
    /// Whether another program has changed or removed it since, as last seen.
    is_changed: AtomicBool,
}

/// What happens to a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfDamaged {
    /// The file gets another name: for those who write it.
    SetAside,
    /// The file stays as it is: for those who only read.
    Leave,
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
    /// Fails if a newer program wrote the file, or if the file may not be read; a needed file, if
    /// it cannot be read for another reason as well.
    pub(crate) fn load<T: Default>(
        &self,
        if_damaged: IfDamaged,
        understand: impl FnOnce(&[u8]) -> Content<T>,
    ) -> Result<Loaded<T>, StoredFileError> {
        *self.last.stamp.lock() = Stamp::of(&self.path);
        let Content { value, cause } = self.content(understand)?;
        let Some(cause) = cause else {
            return Ok(Loaded {
                value,
                damage: None,
                earlier: self.earlier_damage(),
            });
        };
        Ok(Loaded {
            value,
            damage: Some(self.damaged(&cause, if_damaged)),
            earlier: None,
        })
    }

    /// The damage of a file whose content does not matter: what has the name of the file and
    /// is no regular file, or a link.
    pub(crate) fn check_is_regular(&self, if_damaged: IfDamaged) -> Option<Damage> {
        let found = fs::symlink_metadata(&self.path).ok()?;
        let cause = what_is_irregular(&self.path, found.file_type())?;
        Some(self.damaged(&cause, if_damaged))
    }

    /// The damage of a file that is damaged now, and what has become of the file.
    fn damaged(&self, cause: &str, if_damaged: IfDamaged) -> Damage {
        let location = match if_damaged {
            IfDamaged::Leave => Location::Untouched,
            IfDamaged::SetAside => match set_aside(&self.path) {
                Ok(aside) => Location::SetAside(aside),
                Err(error) => Location::NotSetAside(error.to_string()),
            },
        };
        self.damage(cause, location)
    }

    /// The damage of an earlier start, of which a file is left.
    pub(crate) fn earlier_damage(&self) -> Option<Damage> {
        let aside = last_set_aside(&self.path)?;
        Some(self.damage("found at an earlier start", Location::SetAside(aside)))
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
    /// written again, unless another program has changed or removed it, and one that was
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
                if !self.check_for_changes() {
                    return Ok((OnDisk::Holds(value), None));
                }
                let file = self.path.display();
                warn!(%file, "another program has changed or removed the file: it is written again");
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
        *self.last.stamp.lock() = Stamp::of(&self.path);
        self.last.is_changed.store(false, Ordering::Relaxed);
        Ok((OnDisk::Holds(value), damage))
    }

    /// Checks whether another program has changed or removed the file.
    pub(crate) fn check_for_changes(&self) -> bool {
        let is_changed = Stamp::of(&self.path) != *self.last.stamp.lock();
        self.last.is_changed.store(is_changed, Ordering::Relaxed);
        is_changed
    }

    /// What [`Self::check_for_changes`] last saw.
    pub(crate) fn is_changed(&self) -> bool {
        self.last.is_changed.load(Ordering::Relaxed)
    }

    fn set_aside_damaged<T: Default>(
        &self,
        understand: impl FnOnce(&[u8]) -> Content<T>,
    ) -> Result<Option<Damage>, StoredFileError> {
        let Some(cause) = self.content(understand)?.cause else {
            return Ok(None);
        };
        let aside = set_aside(&self.path);
        let aside = aside.map_err(|error| StoredFileError::SetAside(self.path.clone(), error))?;
        Ok(Some(self.damage(&cause, Location::SetAside(aside))))
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
                    // The file may hold all: who may not read it must not move it out of the way.
                    None if self.purpose.is_needed
                        || error.kind() == io::ErrorKind::PermissionDenied =>
                    {
                        Err(StoredFileError::Read(self.path.clone(), error))
                    }
                    None => damaged(error.to_string()),
                };
            }
        };
        if text.is_empty() {
            return damaged("it is empty".to_owned());
        }
        if let Some(version) = version_of(&text).filter(|version| *version > self.purpose.version) {
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

    fn damage(&self, cause: &str, location: Location) -> Damage {
        Damage {
            path: self.path.clone(),
            purpose: self.purpose,
            cause: cause.chars().take(LONGEST_CAUSE).collect(),
            location,
        }
    }
}

#[cfg(test)]
mod tests;
