//! Another configuration for the health task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::oneshot;
use tracing::{debug, info};

use super::{HealthTask, Subscriptions, own_fault, pool, probe_loops, subscribers};
use crate::config::{Check, Config, VirtualService};
use crate::health::pool::{Origin, Pool};
use crate::health::timers::Timers;
use crate::health::weight_updates::Intent;
use crate::metrics::Metrics;
use crate::model::{Health, RealServerId, RealServerKey, ServiceKey, Weight, Weights};
use crate::status::Snapshot;

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
    /// Those that are out of the table while they are down.
    pub(crate) removed: BTreeSet<(ServiceKey, RealServerKey)>,
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
        self.pools = self.pools_of(&config, &probes, &snapshot, now);
        self.timers = Timers::new(self.pools.len());
        self.own_fault = own_fault(&config, &probes, &snapshot);
        self.probe_loops = probe_loops(&probes);
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
            removed: self.removed(),
            snapshot,
        };
        // Whoever asked may have gone away.
        let _ = done.send(handover);
    }

    /// The pools of another configuration, with what is known from this one:
    /// of each real server of the same service, and of one that is new there,
    /// what the same probe has shown in another service.
    fn pools_of(
        &self,
        config: &Config,
        probes: &Subscriptions,
        snapshot: &Snapshot,
        now: Instant,
    ) -> Vec<Pool> {
        let before: BTreeMap<_, _> = (self.config.virtual_services.iter())
            .zip(&self.pools)
            .map(|(service, pool)| (service.key, (service, pool)))
            .collect();
        let held = self.snapshot.all_weights_are_held();
        let mut known = BTreeSet::new();
        let services = config.virtual_services.iter().zip(&snapshot.services);
        let pools = (0..).zip(services).map(|(index, (service, record))| {
            let mut pool = pool(service, record);
            if let Some((old_service, old_pool)) = before.get(&service.key) {
                let origins = origins(old_service, service);
                pool.take_over(old_pool, &origins);
                let places = (0..).zip(&origins).filter(|(_, origin)| origin.is_some());
                known.extend(places.map(|(real_server, _)| RealServerId {
                    service: index,
                    real_server,
                }));
            } else {
                pool.set_held(held, now);
            }
            pool
        });
        let mut pools: Vec<_> = pools.collect();
        let mut taught = 0_usize;
        for (probe, target) in probes.probes.iter().zip(&probes.targets) {
            let Some(subscribers) = self.subscribers.get(&probe.id) else {
                continue;
            };
            for id in target.subscribers.iter().filter(|id| !known.contains(id)) {
                for other in &subscribers.real_servers {
                    let pool = pools.get_mut(id.service_index());
                    if pool.is_some_and(|pool| self.teach(pool, snapshot, *id, *other)) {
                        taught += 1;
                        break;
                    }
                }
            }
        }
        if taught > 0 {
            info!(
                number = taught,
                "new real servers begin with the verdict of the same probe in another service"
            );
        }
        pools
    }

    /// Lets a real server that is new begin with what is known of another one,
    /// of which the same probe speaks. Answers whether that is a verdict.
    fn teach(
        &self,
        pool: &mut Pool,
        snapshot: &Snapshot,
        id: RealServerId,
        other: RealServerId,
    ) -> bool {
        let known = self.pools.get(other.service_index());
        let known = known.and_then(|pool| pool.machine(other.real_server_index()));
        let records = (snapshot.records(id), self.snapshot.records(other));
        let (Some(known), (Some((service, record)), Some((other_service, other_record)))) =
            (known, records)
        else {
            return false;
        };
        let Some(health @ (Health::Up | Health::Down)) = pool.learn(id.real_server_index(), known)
        else {
            return false;
        };
        let other = other_record.live.lock().clone();
        let mut live = record.live.lock();
        live.health = health;
        live.seen = other.seen;
        live.diagnosis = other.diagnosis;
        live.diagnosis_told = other.diagnosis_told;
        live.last_probe = other.last_probe;
        debug!(
            service = &*service.name,
            real_server = &*record.name,
            "real server {health}: the same probe has said so for {}/{}",
            other_service.name,
            other_record.name
        );
        true
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

    fn removed(&self) -> BTreeSet<(ServiceKey, RealServerKey)> {
        let services = self.config.virtual_services.iter().zip(&self.pools);
        let removed = services.flat_map(|(service, pool)| {
            let checked = service.checked().enumerate();
            let removed = checked.filter(|(place, _)| pool.is_removed(*place));
            removed.map(|(_, (key, _))| (service.key, key))
        });
        removed.collect()
    }

    /// What every real server should have, sorry servers included.
    pub(super) fn weights(&self) -> Weights {
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
