//! Files of TLS that cannot be read again, for the conditions of the agent.

use std::collections::{BTreeMap, BTreeSet};

use super::config_key::TlsConfigKey;
use crate::runtime::shared::Shared;

/// Why files cannot be read again, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StaleFile {
    /// The certificates and keys that were read together.
    pub(crate) files: String,
    pub(crate) reason: String,
    pub(crate) fix: Option<String>,
}

/// The configurations of TLS whose files cannot be read again.
#[derive(Debug, Default)]
pub(crate) struct StaleFiles(Shared<BTreeMap<TlsConfigKey, StaleFile>>);

impl StaleFiles {
    /// Records that the files of one configuration can be read again, or the
    /// reason why they cannot.
    pub(super) fn note(&self, key: &TlsConfigKey, failure: Option<(String, Option<String>)>) {
        match failure {
            Some((reason, fix)) => {
                let files = key.files();
                let stale = StaleFile { files, reason, fix };
                self.0.lock().insert(key.clone(), stale)
            }
            None => self.0.lock().remove(key),
        };
    }

    /// Forgets all, for the configuration of the agent is another one: what is
    /// still read and still cannot be read is noted at the next attempt.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }

    /// The files that cannot be read again, once each.
    pub(crate) fn list(&self) -> BTreeSet<StaleFile> {
        self.0.lock().values().cloned().collect()
    }
}
