//! Reads secrets from where they are, and says what becomes of those that are missing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::source::{self, SecretFile};

/// What becomes of a secret that is not on this host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum IfMissing {
    /// The agent could not do its work.
    Problem,
    /// The configuration is read for other things, or for another host.
    Warning,
    /// Nothing but the text is looked at, so nothing is known to be missing.
    #[default]
    Unread,
}

/// Reads secrets from where they are, each file once for a configuration.
#[derive(Debug, Default)]
pub(super) struct SecretReader {
    pub(super) if_missing: IfMissing,
    files: BTreeMap<PathBuf, Result<SecretFile, io::Error>>,
}

impl SecretReader {
    pub(super) fn new(if_missing: IfMissing) -> Self {
        Self {
            if_missing,
            files: BTreeMap::new(),
        }
    }

    pub(super) fn file(&mut self, path: &Path) -> &Result<SecretFile, io::Error> {
        let read = || source::read_secret(path);
        self.files.entry(path.to_owned()).or_insert_with(read)
    }
}
