//! The writing of a state file in the background: a disk that hangs stops nobody else.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use super::{Content, Damage, OnDisk, StoredFile, StoredFileError};
use crate::runtime::file_work::{self, FileUse};

/// How a value becomes the text of a file, and is read back.
#[derive(Debug)]
pub(crate) struct Format<T> {
    pub(crate) text: fn(&T) -> serde_json::Result<Vec<u8>>,
    pub(crate) content: fn(&[u8]) -> Content<T>,
}

impl<T> Clone for Format<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Format<T> {}

/// What the file holds now, and what was wrong with the file before.
type Saved<T> = (OnDisk<T>, Option<Damage>);

/// Writes one file, with one write at a time.
#[derive(Debug)]
pub(crate) struct BackgroundWriter<T> {
    file: StoredFile,
    file_use: FileUse,
    format: Format<T>,
    on_disk: OnDisk<T>,
    /// The write in progress.
    saving: Option<JoinHandle<Result<Saved<T>, StoredFileError>>>,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum WriteResult {
    /// The file holds the value. A damaged file may have been set aside first.
    Written(Option<Damage>),
    Failed(StoredFileError),
    /// The write goes on.
    Pending,
}

impl<T: Clone + Default + PartialEq + Send + 'static> BackgroundWriter<T> {
    pub(crate) fn new(
        file: StoredFile,
        file_use: FileUse,
        format: Format<T>,
        on_disk: OnDisk<T>,
    ) -> Self {
        Self {
            file,
            file_use,
            format,
            on_disk,
            saving: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Writes the file unless the file holds `value`. An earlier write that is still in
    /// progress is waited for during `earlier`, the new one during `patience`. The
    /// failure of an earlier write is no result: the file is written again.
    pub(crate) async fn save(
        &mut self,
        value: &T,
        earlier: Duration,
        patience: Duration,
    ) -> WriteResult {
        let mut damage = None;
        if let Some(saving) = &mut self.saving {
            let Ok(saved) = timeout(earlier, saving).await else {
                return WriteResult::Pending;
            };
            damage = self.note(saved).unwrap_or_default();
        }
        if self.on_disk.holds(value) && !self.file.is_changed() {
            return WriteResult::Written(damage);
        }
        let saving = self.saving.insert(tokio::spawn(write(
            self.file.clone(),
            self.file_use,
            self.format,
            value.clone(),
            self.on_disk.clone(),
        )));
        let Ok(saved) = timeout(patience, saving).await else {
            return WriteResult::Pending;
        };
        match self.note(saved) {
            Ok(found) => WriteResult::Written(found.or(damage)),
            Err(error) => WriteResult::Failed(error),
        }
    }

    /// Whether a write is in progress, so that the content of the file is not known.
    pub(crate) const fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    fn note(
        &mut self,
        saved: Result<Result<Saved<T>, StoredFileError>, JoinError>,
    ) -> Result<Option<Damage>, StoredFileError> {
        self.saving = None;
        let saved = saved.unwrap_or_else(|error| {
            let path = self.path().to_owned();
            Err(StoredFileError::Write(path, io::Error::other(error)))
        });
        match saved {
            Ok((on_disk, damage)) => {
                self.on_disk = on_disk;
                Ok(damage)
            }
            Err(error) => {
                self.on_disk = self.on_disk.after_failure();
                Err(error)
            }
        }
    }
}

async fn write<T: Default + PartialEq + Send + 'static>(
    file: StoredFile,
    file_use: FileUse,
    Format { text, content }: Format<T>,
    value: T,
    before: OnDisk<T>,
) -> Result<Saved<T>, StoredFileError> {
    let path = file.path().to_owned();
    let save = move || file.save(value, &before, text, content);
    let saved = file_work::run_patiently(file_use, &path, save).await;
    saved.unwrap_or_else(|error| Err(StoredFileError::Write(path, error.into())))
}
