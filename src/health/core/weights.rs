//! The weights of a pool after a change, and what is shown and logged of the pool.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Core;
use crate::health::effect::{Effect, RealServerChange, WeightChange};
use crate::health::log_line;
use crate::health::pool::{Handling, Pool};
use crate::model::{PoolStatus, RealServerId, Weight};

impl Core {
    /// Computes the weights of a pool, and logs how its status has changed.
    pub(super) fn recompute(
        &mut self,
        index: usize,
        failed: Option<(usize, Instant)>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let before = self.pools.get(index).map(Pool::status);
        self.recompute_weights(index, failed, now, effects);
        self.log_pool_status(index, before, now, effects);
    }

    /// `failed` is the real server that has just gone down, and when its first failed probe began.
    pub(super) fn recompute_weights(
        &mut self,
        index: usize,
        failed: Option<(usize, Instant)>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let (Some(pool), Some(service), Some(replaced)) = (
            self.pools.get_mut(index),
            self.inventory.services().get(index),
            self.replaced.get_mut(index),
        ) else {
            return;
        };
        let before = pool.status();
        let weights = pool.recompute_weights(now);
        self.timers.set(index, pool.next_deadline());
        if std::mem::replace(replaced, pool.replaces()) != pool.replaces() {
            effects.push(Effect::Replaced {
                service: service.key,
                replaced: *replaced,
            });
        }
        let after = pool.status();
        if before != after {
            effects.push(Effect::Pool(index, after));
        }
        let changes = weight_changes(index, weights, pool.take_handling(), failed);
        if !changes.is_empty() {
            effects.push(Effect::Weights(changes));
        }
        self.update_quiesced(index, now, effects);
    }

    pub(super) fn log_pool_status(
        &mut self,
        index: usize,
        before: Option<PoolStatus>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let (Some(before), Some(pool), Some(service)) = (
            before,
            self.pools.get(index),
            self.inventory.services().get(index),
        ) else {
            return;
        };
        let after = pool.status();
        let announcer = &mut self.announcer;
        let lines = announcer.pool_status(&service.name, before, after, now);
        effects.extend(lines.into_iter().map(Effect::log));
        let events = log_line::pool_events(before, after);
        effects.extend(events.map(|(kind, detail)| Effect::ServiceEvent(kind, index, detail)));
    }

    /// Shows and logs which real servers have weight 0 since they answer for the VIP.
    pub(super) fn update_quiesced(
        &mut self,
        index: usize,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(pool) = self.pools.get(index) else {
            return;
        };
        let symptoms = self.symptoms.of_service_mut(index).iter_mut();
        for (member, symptoms) in symptoms.enumerate() {
            let quiesced = pool.quiesced(member);
            let before = std::mem::replace(&mut symptoms.quiesced, quiesced);
            if before == quiesced {
                continue;
            }
            let Some(id) = real_server_id(index, member) else {
                continue;
            };
            effects.push(Effect::RealServer(id, RealServerChange::Quiesced(quiesced)));
            let Some(names) = self.inventory.names(id) else {
                continue;
            };
            let conflict = pool.has_arp_conflict(member);
            let announcer = &mut self.announcer;
            let line = announcer.quiesced(names, before, quiesced, conflict, now);
            effects.extend(line.map(Effect::log));
        }
    }
}

fn real_server_id(service: usize, real_server: usize) -> Option<RealServerId> {
    Some(RealServerId {
        service: u32::try_from(service).ok()?,
        real_server: u32::try_from(real_server).ok()?,
    })
}

/// The changes of weights, those that rise first, and what else is to be done with real servers
/// whose weight stays 0.
fn weight_changes(
    service: usize,
    weights: Vec<(usize, Weight)>,
    handling: Vec<(usize, Handling)>,
    failed: Option<(usize, Instant)>,
) -> Vec<(RealServerId, WeightChange)> {
    let mut handling: BTreeMap<_, _> = handling.into_iter().collect();
    let mut changes = Vec::new();
    for (member, weight) in weights {
        let handling = handling.remove(&member).unwrap_or(Handling::Weight);
        changes.push((member, weight, handling));
    }
    let others = handling.into_iter();
    changes.extend(others.map(|(member, handling)| (member, Weight::ZERO, handling)));
    let changes = changes
        .into_iter()
        .filter_map(|(member, weight, handling)| {
            let first_failure = failed.filter(|(failed, _)| *failed == member);
            let change = WeightChange {
                weight,
                first_failure: first_failure.map(|(_, first)| first),
                handling,
            };
            Some((real_server_id(service, member)?, change))
        });
    changes.collect()
}
