//! What health wants of reconcile, as the latest values and never as a queue of events: the
//! weights that are not written yet, each with what is done beside it; the virtual services whose
//! configured real servers serve by themselves; and the real servers whose connections are counted.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Notify;

use super::effect::WeightChange;
use crate::model::{RealServerId, ServiceKey};
use crate::runtime::shared::Shared;

/// What health wants of reconcile.
///
/// There is at most one weight for each real server, so a slow kernel neither
/// stalls health nor piles up stale work.
#[derive(Debug, Default)]
pub(crate) struct WeightUpdates {
    /// The weights that changed since they were last taken.
    dirty: Shared<BTreeMap<RealServerId, WeightChange>>,
    changed: Notify,
    /// The services whose configured real servers serve by themselves.
    replaced: Shared<BTreeSet<ServiceKey>>,
    /// The real servers whose connections health waits for.
    draining: Shared<BTreeSet<RealServerId>>,
}

impl WeightUpdates {
    /// Wants these weights, whatever was wanted before.
    ///
    /// The updates of one decision are taken together or not at all: what replaces another real
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

    /// Asks for the connections of these real servers every second.
    pub(crate) fn set_draining(&self, draining: BTreeSet<RealServerId>) {
        *self.draining.lock() = draining;
    }

    /// The real servers whose connections are asked for.
    pub(crate) fn draining(&self) -> BTreeSet<RealServerId> {
        self.draining.lock().clone()
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
