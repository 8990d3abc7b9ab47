//! Another configuration for the health task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::oneshot;

use super::{HealthTask, Subscriptions, own_fault, pool, subscribers};
use crate::config::{Check, Config, VirtualService};
use crate::health::Weights;
use crate::health::pool::Origin;
use crate::health::timers::Timers;
use crate::intent::Intent;
use crate::metrics::Metrics;
use crate::model::Weight;
use crate::snapshot::Snapshot;

/// Another configuration.
pub(crate) struct Change {
    pub(crate) config: Arc<Config>,
    pub(crate) probes: Subscriptions,
    /// The weights with which the kernel has real servers that may be new here.
    pub(crate) found: Weights,
    pub(crate) loaded_at: SystemTime,
    pub(crate) metrics: Arc<Metrics>,
    /// Where the wanted weights are put from now on.
    pub(crate) intent: Arc<Intent>,
    /// Told what follows for the new configuration's real servers.
    pub(crate) done: oneshot::Sender<Handover>,
}

/// What a new configuration takes over from the one before.
pub(crate) struct Handover {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Of every real server of the new configuration.
    pub(crate) weights: Weights,
}

impl HealthTask {
    /// Takes another configuration over. A real server whose check is the same
    /// stays as it is, half-done rows and all; one whose check changed keeps
    /// its verdict; a new one has none, and the weight that it was found with.
    pub(super) fn change_to(&mut self, change: Change, now: Instant) {
        let Change {
            config,
            probes,
            found,
            loaded_at,
            metrics,
            intent,
            done,
        } = change;
        let snapshot = Arc::new(self.snapshot.director_again(&config, loaded_at, &found));
        let before: BTreeMap<_, _> = (self.config.virtual_services.iter())
            .zip(&self.pools)
            .map(|(service, pool)| (service.key, (service, pool)))
            .collect();
        let services = config.virtual_services.iter().zip(&snapshot.services);
        let pools = services.map(|(service, record)| {
            let mut pool = pool(service, record);
            if let Some((old_service, old_pool)) = before.get(&service.key) {
                pool.take_over(old_pool, &origins(old_service, service));
            } else {
                pool.set_held(!self.snapshot.held.lock().is_empty(), now);
            }
            pool
        });
        self.pools = pools.collect();
        self.timers = Timers::new(self.pools.len());
        self.own_fault = own_fault(&config, &probes, &snapshot);
        self.subscribers = subscribers(probes);
        self.unmade
            .retain(|probe| self.subscribers.contains_key(&probe));
        self.config = config;
        self.metrics = metrics;
        self.intent = intent;
        self.draining = self.draining_in(&snapshot);
        self.snapshot = Arc::clone(&snapshot);
        self.note_silence_of_all();
        self.show_advice();
        self.show_draining();
        self.mark_thieves();
        self.hold_or_release(now);
        for index in 0..self.pools.len() {
            self.settle(index, None, now);
        }
        for subscribers in self.subscribers.values() {
            self.set_pace(subscribers);
        }
        let handover = Handover {
            weights: self.weights(),
            snapshot,
        };
        // Whoever asked may have gone away.
        let _ = done.send(handover);
    }

    /// A weight that was advised as a share of the configured one is another
    /// by now, and one of a check that is no more has ended.
    fn show_advice(&self) {
        for (pool, service) in self.pools.iter().zip(&self.snapshot.services) {
            for (place, record) in service.real_servers.iter().enumerate() {
                record.live.lock().advised = pool.advised(place);
            }
        }
    }

    /// What every real server should have, sorry servers included.
    fn weights(&self) -> Weights {
        let mut weights = Weights::new();
        for (service, pool) in self.config.virtual_services.iter().zip(&self.pools) {
            for (place, (key, _)) in service.checked().enumerate() {
                let weight = pool.wanted(place).unwrap_or(Weight::ZERO);
                weights.insert((service.key, key), weight);
            }
        }
        weights
    }
}

/// Where each real server of `after`, and then its sorry server, was in `before`.
fn origins(before: &VirtualService, after: &VirtualService) -> Vec<Option<Origin>> {
    let places: BTreeMap<_, _> = before
        .checked()
        .zip(0..)
        .map(|((k, c), p)| (k, (c, p)))
        .collect();
    let origin = |(key, check): (_, &Arc<Check>)| {
        let (old_check, place) = places.get(&key)?;
        Some(Origin {
            place: *place,
            same_check: *old_check == check,
            same_kind: old_check.kind == check.kind,
        })
    };
    after.checked().map(origin).collect()
}
