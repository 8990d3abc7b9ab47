//! Which real servers of a configuration the one before has as well. Pure.

use std::collections::BTreeMap;

use crate::config::{ServiceMember, VirtualService};
use crate::health::inventory::Inventory;
use crate::health::pool::PreviousIndex;
use crate::model::RealServerId;

/// Of a virtual service, the index that it had, and those of its real servers and of its sorry
/// server.
type PreviousService = (usize, Vec<Option<PreviousIndex>>);

/// Of each virtual service of a configuration, where the one before has it, if it does.
pub(super) struct PreviousMembers(Vec<Option<PreviousService>>);

impl PreviousMembers {
    /// Compares both configurations.
    pub(super) fn new(before: &Inventory, after: &Inventory) -> Self {
        let services = before.services().iter().enumerate();
        let before: BTreeMap<_, _> = services
            .map(|(index, service)| (service.key, (index, service)))
            .collect();
        let services = after.services().iter();
        let previous = services.map(|service| {
            let (index, old_service) = before.get(&service.key)?;
            Some((*index, previous_indices(old_service, service)))
        });
        Self(previous.collect())
    }

    /// By service.
    pub(super) fn services(&self) -> impl Iterator<Item = Option<&PreviousService>> {
        self.0.iter().map(Option::as_ref)
    }

    /// The place that the real server had in the configuration before, if it was configured in the
    /// same service.
    pub(super) fn of(&self, id: RealServerId) -> Option<RealServerId> {
        let (service, previous) = self.0.get(id.service_index())?.as_ref()?;
        let member = previous.get(id.real_server_index())?.as_ref()?;
        Some(RealServerId {
            service: u32::try_from(*service).ok()?,
            real_server: u32::try_from(member.index).ok()?,
        })
    }

    /// Whether the real server was configured in the same service.
    pub(super) fn has(&self, id: RealServerId) -> bool {
        self.of(id).is_some()
    }
}

/// The index that each real server of `after`, and then its sorry server, had in `before`.
fn previous_indices(before: &VirtualService, after: &VirtualService) -> Vec<Option<PreviousIndex>> {
    let indices: BTreeMap<_, _> = before
        .members()
        .zip(0..)
        .map(|(member, index)| (member.key, (member.check, index)))
        .collect();
    let previous = |member: ServiceMember<'_>| {
        let (old_check, index) = indices.get(&member.key)?;
        Some(PreviousIndex {
            index: *index,
            asks_same: old_check.asks_same(member.check),
            same_kind: old_check.kind == member.check.kind,
        })
    };
    after.members().map(previous).collect()
}
