//! What left the configuration and serves its last connections before it is
//! removed: `on_removal: drain`. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use crate::model::{Destination, RealServerKey, ServiceFlags, ServiceKey, Weight};
use crate::plan::{ServiceState, State};

/// The real servers that are leaving.
pub(crate) type Leaving = BTreeMap<(ServiceKey, RealServerKey), Leaver>;

/// A real server that is leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaver {
    /// The names that it and its virtual service had.
    pub(crate) service: String,
    pub(crate) real_server: String,
    /// When it is removed whatever is left, on the wall clock: for people, and
    /// for the next process.
    pub(crate) deadline: SystemTime,
}

/// Adds what the table has and the configuration lacks, and drops what is
/// configured again.
pub(crate) fn note(
    leaving: &mut Leaving,
    configured: &State,
    observed: &State,
    leaver: impl Fn(&ServiceKey, &RealServerKey) -> Leaver,
) {
    let has = |service: &ServiceKey, real_server: &RealServerKey| {
        configured.weight(service, real_server).is_some()
    };
    leaving.retain(|(service, real_server), _| !has(service, real_server));
    for (service, state) in &observed.services {
        for real_server in state.destinations.keys() {
            if !has(service, real_server) {
                leaving
                    .entry((*service, *real_server))
                    .or_insert_with(|| leaver(service, real_server));
            }
        }
    }
}

/// What the kernel should hold: what is configured, and what is leaving, as it
/// was observed but with weight 0. A virtual service that is leaving stays,
/// with its VIP, as long as one of its real servers does.
///
/// `sh` and `mh` would refuse the share of clients that a weight of 0 has;
/// their fallback flag gives it to those that serve.
pub(crate) fn kept<'a>(
    leaving: &Leaving,
    configured: &'a State,
    observed: &State,
) -> Cow<'a, State> {
    let mut desired = Cow::Borrowed(configured);
    for (service, real_server) in leaving.keys() {
        let Some(state) = observed.services.get(service) else {
            continue;
        };
        let Some(held) = state.destinations.get(real_server) else {
            continue;
        };
        let desired = desired.to_mut();
        let kept = desired
            .services
            .entry(*service)
            .or_insert_with(|| ServiceState {
                service: state.service.clone(),
                destinations: BTreeMap::new(),
            });
        if kept.service.scheduler.hashes() {
            kept.service.flags = kept.service.flags.union(ServiceFlags::FALLBACK);
        }
        let quiesced = Destination {
            weight: Weight::ZERO,
            ..*held
        };
        kept.destinations.entry(*real_server).or_insert(quiesced);
    }
    if let Cow::Owned(desired) = &mut desired {
        let services = desired.services.keys();
        let vips: BTreeSet<_> = services.filter_map(ServiceKey::vip).collect();
        let placed: BTreeSet<_> = desired.addresses.iter().map(|a| a.address).collect();
        let old = observed.addresses.iter();
        let old = old.filter(|a| vips.contains(&a.address) && !placed.contains(&a.address));
        desired.addresses.extend(old.cloned());
    }
    desired
}

#[cfg(test)]
mod tests;
