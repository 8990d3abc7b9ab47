//! Files of TLS that cannot be read again, for all who show them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::shared::Consists;

/// Why the files of which configuration of TLS cannot be read again.
#[derive(Debug, Default)]
pub(crate) struct StaleFiles(Mutex<BTreeMap<Consists, String>>);

impl StaleFiles {
    /// Those of one configuration cannot be read again, or can.
    pub(super) fn note(&self, consists: &Consists, trouble: Option<String>) {
        match trouble {
            Some(trouble) => self.troubles().insert(consists.clone(), trouble),
            None => self.troubles().remove(consists),
        };
    }

    /// Forgets all, for the configuration of the agent is another one: what is
    /// still read and still cannot be read is noted at the next attempt.
    pub(crate) fn forget(&self) {
        self.troubles().clear();
    }

    /// What is wrong, for people. One file that several configurations have is
    /// said once.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines: BTreeSet<_> = self.troubles().values().cloned().collect();
        lines.into_iter().collect()
    }

    fn troubles(&self) -> MutexGuard<'_, BTreeMap<Consists, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
