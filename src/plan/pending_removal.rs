//! Real servers that were removed from the configuration and are still in the table. Each keeps its
//! weight until the configured real servers serve. Then, with `on_removal: drain`, its weight is 0
//! until its last connections have ended. Pure.

mod progress;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

pub(crate) use self::progress::{RemovalFacts, RemovalProgress, RemovalStep};
use litemap::LiteMap;

use crate::config::{Config, VirtualService};
use crate::model::{Destination, MemberKey, RealServerKey, ServiceFlags, ServiceKey, Weight};
use crate::plan::{ServiceState, State};

/// The real servers that are leaving.
pub(crate) type PendingRemovals = BTreeMap<MemberKey, PendingRemoval>;

/// A real server that is leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingRemoval {
    /// The names that it and its virtual service had.
    pub(crate) service: String,
    pub(crate) real_server: String,
    /// When it is removed whatever is left, on the wall clock: for people, and
    /// for the next process.
    pub(crate) deadline: SystemTime,
    /// Whether it was last seen with a weight.
    pub(crate) has_weight: bool,
}

/// The virtual services of which what is leaving goes on serving, since what is
/// configured does not serve yet; each with its sorry server, which does not
/// serve beside it.
pub(crate) type Unreplaced = BTreeMap<ServiceKey, Option<RealServerKey>>;

/// Whether something serves in a virtual service that is leaving it.
pub(crate) fn serves(
    leaving: &PendingRemovals,
    unreplaced: &Unreplaced,
    service: &ServiceKey,
) -> bool {
    let of_service = |((of, _), removal): (&(ServiceKey, _), &PendingRemoval)| {
        of == service && removal.has_weight
    };
    unreplaced.contains_key(service) && leaving.iter().any(of_service)
}

/// The services that do not serve without what is leaving: one of their real
/// servers has no weight yet, or none has. That is what holds before there is
/// any verdict.
pub(crate) fn unreplaced(config: &Config, configured: &State) -> Unreplaced {
    let services = config.virtual_services.iter().filter(|service| {
        let expected = service.real_servers.iter();
        let expected = expected.filter(|real_server| real_server.weight != Weight::ZERO);
        expected.map(|real_server| real_server.key).any(|key| {
            let weight = configured.weight(&service.key, &key);
            weight.is_none_or(|weight| weight == Weight::ZERO)
        })
    });
    let sorry_server = |service: &VirtualService| {
        let sorry_server = service.pool.sorry_server.as_ref();
        sorry_server.map(|sorry_server| sorry_server.key)
    };
    services
        .map(|service| (service.key, sorry_server(service)))
        .collect()
}

/// Adds what the table has and the configuration lacks, and drops what is
/// configured again.
pub(crate) fn note(
    leaving: &mut PendingRemovals,
    configured: &State,
    observed: &State,
    removal: impl Fn(&ServiceKey, &RealServerKey) -> PendingRemoval,
) {
    let has = |service: &ServiceKey, real_server: &RealServerKey| {
        configured.weight(service, real_server).is_some()
    };
    leaving.retain(|(service, real_server), _| !has(service, real_server));
    note_weights(leaving, observed);
    for (service, state) in &observed.services {
        for real_server in state.destinations.keys() {
            if !has(service, real_server) {
                leaving
                    .entry((*service, *real_server))
                    .or_insert_with(|| removal(service, real_server));
            }
        }
    }
}

/// Notes which of them are seen with a weight.
pub(crate) fn note_weights(leaving: &mut PendingRemovals, observed: &State) {
    for ((service, real_server), removal) in leaving {
        let weight = observed.weight(service, real_server);
        removal.has_weight = weight.is_some_and(|weight| weight != Weight::ZERO);
    }
}

/// What the kernel should hold: what is configured, and what is leaving, as it
/// was observed, but with weight 0 where it is replaced. A virtual service that
/// is leaving stays, with its VIP, as long as one of its real servers does.
///
/// `sh` and `mh` would refuse the share of clients that a weight of 0 has;
/// their fallback flag gives it to those that serve.
pub(crate) fn kept<'a>(
    leaving: &PendingRemovals,
    unreplaced: &Unreplaced,
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
                destinations: LiteMap::new(),
            });
        if kept.service.scheduler.hashes() {
            kept.service.flags = kept.service.flags.union(ServiceFlags::FALLBACK);
        }
        let stays = match unreplaced.get(service) {
            Some(sorry_server) => {
                if let Some(sorry_server) = sorry_server
                    && held.weight != Weight::ZERO
                    && let Some(beside) = kept.destinations.get_mut(sorry_server)
                {
                    beside.weight = Weight::ZERO;
                }
                *held
            }
            None => Destination {
                weight: Weight::ZERO,
                ..*held
            },
        };
        if !kept.destinations.contains_key(real_server) {
            kept.destinations.insert(*real_server, stays);
        }
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
