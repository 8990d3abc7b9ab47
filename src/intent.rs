//! What health wants of the kernel and reconcile has not written yet: the
//! latest weight of each real server, never a queue of events.

use std::collections::BTreeMap;
use std::time::Instant;

use tokio::sync::Notify;

use crate::model::{RealServerId, Weight};
use crate::snapshot::Latest;

/// The weights that changed since they were last taken.
///
/// It holds at most one entry for each real server, so a slow kernel neither
/// stalls health nor piles up stale work.
#[derive(Debug, Default)]
pub(crate) struct Intent {
    dirty: Latest<BTreeMap<RealServerId, WeightChange>>,
    changed: Notify,
}

/// The weight that a real server should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeightChange {
    pub(crate) weight: Weight,
    /// When the first failed probe of the row that decided began.
    pub(crate) first_failure: Option<Instant>,
}

impl Intent {
    /// Wants these weights, whatever was wanted before.
    ///
    /// They are taken together or not at all: what replaces another real
    /// server is never seen without what it replaces.
    pub(crate) fn set(&self, changes: Vec<(RealServerId, WeightChange)>) {
        if changes.is_empty() {
            return;
        }
        self.dirty.lock().extend(changes);
        self.changed.notify_one();
    }

    /// Takes all that changed.
    pub(crate) fn take(&self) -> BTreeMap<RealServerId, WeightChange> {
        std::mem::take(&mut *self.dirty.lock())
    }

    /// Waits until there may be something to take. Cancel-safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
