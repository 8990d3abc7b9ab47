//! The last transitions of all real servers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::{Diagnosis, Health};
use crate::runtime::shared::Shared;

/// The transitions that are kept. The log has all of them.
const KEPT: usize = 20;

/// A change of verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransitionRecord {
    pub(crate) at: SystemTime,
    pub(crate) service: Arc<str>,
    pub(crate) real_server: Arc<str>,
    pub(crate) to: Health,
    pub(crate) reason: String,
    /// Only of a real server that went down.
    pub(crate) diagnosis: Option<Diagnosis>,
}

/// The last transitions, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Transitions(Shared<VecDeque<TransitionRecord>>);

impl Transitions {
    /// Adds the newest transition, in place of the oldest one if there are as many as are kept.
    pub(crate) fn note(&self, record: TransitionRecord) {
        let mut kept = self.0.lock();
        kept.truncate(KEPT - 1);
        kept.push_front(record);
    }

    pub(crate) fn list(&self) -> Vec<TransitionRecord> {
        self.0.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
