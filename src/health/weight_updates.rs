//! What health wants of the kernel and reconcile has not written yet: the
//! latest weight of each real server, never a queue of events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tokio::sync::Notify;

use crate::health::Handling;
use crate::model::{RealServerId, ServiceKey, Weight};
use crate::runtime::shared::Shared;

/// The weights that changed since they were last taken.
///
/// It holds at most one entry for each real server, so a slow kernel neither
/// stalls health nor piles up stale work.
#[derive(Debug, Default)]
pub(crate) struct Intent {
    dirty: Shared<BTreeMap<RealServerId, WeightChange>>,
    changed: Notify,
    /// The services whose configured real servers serve by themselves.
    replaced: Shared<BTreeSet<ServiceKey>>,
}

/// The weight that a real server should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeightChange {
    pub(crate) weight: Weight,
    /// When the first failed probe of the row that decided began.
    pub(crate) first_failure: Option<Instant>,
    /// What is to be done beside that.
    pub(crate) handling: Handling,
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
        let mut dirty = self.dirty.lock();
        for (id, mut change) in changes {
            let before = dirty
                .get(&id)
                .filter(|before| before.weight == change.weight);
            let first_failure = before.and_then(|before| before.first_failure);
            change.first_failure = change.first_failure.or(first_failure);
            dirty.insert(id, change);
        }
        drop(dirty);
        self.changed.notify_one();
    }

    /// Says whether what is configured of a service serves without what is
    /// leaving it. Until that is said, it does not.
    pub(crate) fn set_replaced(&self, service: ServiceKey, replaced: bool) {
        let mut services = self.replaced.lock();
        if replaced {
            services.insert(service);
        } else {
            services.remove(&service);
        }
    }

    /// What was last said of it.
    pub(crate) fn is_replaced(&self, service: &ServiceKey) -> bool {
        self.replaced.lock().contains(service)
    }

    /// Takes all that changed.
    pub(crate) fn take(&self) -> BTreeMap<RealServerId, WeightChange> {
        std::mem::take(&mut *self.dirty.lock())
    }

    /// How many weights nobody has taken yet.
    pub(crate) fn waiting(&self) -> usize {
        self.dirty.lock().len()
    }

    /// Waits until there may be something to take. Cancel-safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
