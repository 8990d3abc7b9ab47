//! The hosts of which the newest probe had no answer at all. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::RealServerId;

/// The unresponsive real servers by address: one host may serve in many services.
#[derive(Debug, Default)]
pub(super) struct UnresponsiveHosts {
    by_address: BTreeMap<IpAddr, BTreeSet<RealServerId>>,
    changed: bool,
}

impl UnresponsiveHosts {
    pub(super) fn set(&mut self, address: IpAddr, id: RealServerId, unresponsive: bool) {
        if unresponsive {
            let ids = self.by_address.entry(address).or_default();
            self.changed |= ids.is_empty();
            ids.insert(id);
        } else if let Some(ids) = self.by_address.get_mut(&address) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_address.remove(&address);
                self.changed = true;
            }
        }
    }

    /// Forgets all, since the configuration has changed.
    pub(super) fn clear(&mut self) {
        self.by_address.clear();
        self.changed = true;
    }

    /// The hosts, if they have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Option<BTreeSet<IpAddr>> {
        let changed = std::mem::take(&mut self.changed);
        changed.then(|| self.by_address.keys().copied().collect())
    }
}
