//! The first configuration, and every later one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::previous_members::PreviousMembers;
use super::{Core, Subscription};
use crate::health::announcer::Announcer;
use crate::health::drains::DrainTracker;
use crate::health::effect::{Effect, RealServerChange, WeightChange};
use crate::health::freeze::Freeze;
use crate::health::input::Configuration;
use crate::health::inventory::Inventory;
use crate::health::log_line::{self, Level, LogLine};
use crate::health::machine::Machine;
use crate::health::mass_failure::{MassFailureDetector, PreviousProbe};
use crate::health::pool::{Handling, Pool};
use crate::health::probe_errors::ProbeErrorLog;
use crate::health::probe_loops::ProbeLoops;
use crate::health::symptoms::{SymptomTable, Symptoms};
use crate::health::timers::Timers;
use crate::health::unresponsive::UnresponsiveHosts;
use crate::model::{ArpConflicts, Health, MemberKey, PoolStatus, RealServerId, Weight, Weights};
use crate::notify::EventKind;
use crate::probe::{ProbeId, ProbeTarget};

impl Core {
    /// No real server has a verdict, and each keeps the weight that it was found with.
    pub(crate) fn new(configuration: Configuration, now: Instant) -> (Self, Vec<Effect>) {
        let Configuration {
            config,
            probes,
            found,
        } = configuration;
        let inventory = Inventory::new(config);
        let services = inventory.services().iter();
        let pools: Vec<_> = services.map(|service| Pool::of(service, &found)).collect();
        let mass_failure = mass_failure(&inventory, &probes, &pools, |_| false);
        let probe_loops = probe_loops(&probes, now);
        let (subscriptions, subscribers) = subscriptions(probes, &BTreeMap::new());
        let core = Self {
            timers: Timers::new(pools.len()),
            replaced: vec![false; pools.len()],
            symptoms: SymptomTable::new(&inventory),
            mass_failure,
            probe_loops,
            subscriptions,
            subscribers,
            inventory,
            pools,
            probe_errors: ProbeErrorLog::default(),
            link: None,
            freeze: Freeze::default(),
            arp_conflicts: ArpConflicts::new(),
            unresponsive: UnresponsiveHosts::default(),
            present: BTreeSet::new(),
            drains: DrainTracker::default(),
            announcer: Announcer::default(),
        };
        let mut core = core;
        let mut effects = Vec::new();
        core.show_pools(&mut effects);
        // What nothing checks gets its weight by the first tick, after operators' decisions.
        let unchecked: Vec<_> = core.unchecked().collect();
        for id in unchecked {
            core.timers.set(id.service_index(), Some(now));
        }
        (core, effects)
    }

    /// The real servers and sorry servers with `check: none`.
    fn unchecked(&self) -> impl Iterator<Item = RealServerId> {
        let ids = self.inventory.ids().map(|(_, id)| id);
        ids.filter(|id| self.inventory.is_unchecked(*id))
    }

    /// Takes another configuration over. A real server whose check asks the same stays as it is,
    /// half-done streaks and all. A real server whose check asks something else keeps its verdict,
    /// and a real server that is no longer checked is up. A new real server has no verdict, and the
    /// weight that it was found with, unless the same probe has shown more in another service.
    pub(super) fn reload(
        &mut self,
        configuration: Configuration,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Configuration {
            config,
            probes,
            found,
        } = configuration;
        let inventory = Inventory::new(config);
        let previous = PreviousMembers::new(&self.inventory, &inventory);
        let symptoms = self.symptoms.carried_over(&self.inventory, &inventory);
        let shown_elsewhere = self.shown_elsewhere(&previous, &probes);
        let freed = self.no_longer_checked(&inventory);
        let without = self.no_longer_with_sorry_server(&inventory);
        let (mut pools, advised) = self.take_over_pools(&inventory, &found, &previous, now);
        drop(found);
        let learned = learn(&mut pools, shown_elsewhere);
        let is_changed = |probe: usize| {
            probes.get(probe).is_some_and(|(probe, target)| {
                let is_new = !self.subscriptions.contains_key(probe);
                is_new && target.subscribers.iter().any(|id| previous.has(*id))
            })
        };
        let before = std::mem::replace(
            &mut self.mass_failure,
            mass_failure(&inventory, &probes, &pools, is_changed),
        );
        let asked_before = self.asked_before(&before);
        self.mass_failure.take_over(&before, |probe| {
            let (probe, target) = probes.get(probe)?;
            if let Some(subscription) = self.subscriptions.get(probe) {
                return Some(PreviousProbe {
                    index: subscription.index as usize,
                    asks_same: true,
                });
            }
            let mut old = target.subscribers.iter().filter_map(|id| previous.of(*id));
            Some(PreviousProbe {
                index: old.find_map(|id| asked_before.get(&id).copied())?,
                asks_same: false,
            })
        });
        drop(previous);
        self.probe_loops = probe_loops(&probes, now);
        (self.subscriptions, self.subscribers) = subscriptions(probes, &self.subscriptions);
        let subscriptions = &self.subscriptions;
        self.probe_errors
            .retain(|probe| subscriptions.contains_key(&probe));
        self.drains.renumber(inventory.ids());
        self.timers = Timers::new(pools.len());
        self.replaced = vec![false; pools.len()];
        self.inventory = inventory;
        self.pools = pools;
        let before = std::mem::replace(&mut self.symptoms, symptoms);
        self.show_learned(&before, learned, effects);
        let unchecked: Vec<_> = self.unchecked().collect();
        for id in unchecked {
            self.diagnose(id, now, effects);
        }
        self.show_pools(effects);
        self.unresponsive.clear();
        let ids: Vec<_> = self.inventory.ids().map(|(_, id)| id).collect();
        for id in ids {
            self.note_unresponsive(id);
        }
        for (id, advised) in advised {
            let advised = RealServerChange::Advised(advised);
            effects.push(Effect::RealServer(id, advised));
        }
        self.mark_arp_conflicts();
        self.update_freeze(now, effects);
        for index in 0..self.pools.len() {
            self.recompute(index, None, now, effects);
        }
        for service in without {
            let before = PoolStatus {
                sorry_serves: true,
                ..PoolStatus::WELL
            };
            let announcer = &mut self.announcer;
            let lines = announcer.pool_status(&service, before, PoolStatus::WELL, now);
            effects.extend(lines.into_iter().map(Effect::log));
        }
        for (id, from) in freed {
            self.show_no_longer_checked(id, from, now, effects);
        }
        let probes: Vec<_> = self.subscriptions.keys().copied().collect();
        for probe in probes {
            self.update_rate(probe, effects);
        }
        // All weights are handed over at once. Connections that are to be ended are not among them.
        let resets = take_resets(effects);
        effects.push(Effect::Reloaded {
            weights: self.weights(),
            removed: self.removed(),
        });
        if !resets.is_empty() {
            effects.push(Effect::Weights(resets));
        }
    }

    fn show_pools(&mut self, effects: &mut Vec<Effect>) {
        let services = self.inventory.services().iter().zip(&self.pools);
        for (index, (service, pool)) in services.enumerate() {
            effects.push(Effect::Pool(index, pool.status()));
            if let Some(replaced) = self.replaced.get_mut(index) {
                *replaced = pool.replaces();
                if *replaced {
                    effects.push(Effect::Replaced {
                        service: service.key,
                        replaced: true,
                    });
                }
            }
        }
    }

    /// The pools of another configuration, with what is known of each real server of the same
    /// service; the pools of before are used up. Beside them, the advised weights that are others
    /// than before.
    fn take_over_pools(
        &mut self,
        inventory: &Inventory,
        found: &Weights,
        previous: &PreviousMembers,
        now: Instant,
    ) -> (Vec<Pool>, Vec<(RealServerId, Option<Weight>)>) {
        let before = std::mem::take(&mut self.pools).into_iter();
        let mut before: Vec<_> = before.map(Some).collect();
        let frozen = self.freeze.is_frozen();
        let mut advised = Vec::new();
        let services = (0..).zip(inventory.services()).zip(previous.services());
        let pools = services.map(|((service_index, service), previous)| {
            let mut pool = Pool::of(service, found);
            let old = previous.and_then(|(index, _)| before.get_mut(*index)?.take());
            let (Some((_, previous)), Some(old)) = (previous, old) else {
                pool.set_frozen(frozen, now);
                return pool;
            };
            pool.take_over(&old, previous);
            for (real_server, previous) in (0..).zip(previous) {
                let id = RealServerId {
                    service: service_index,
                    real_server,
                };
                let after = pool.advised(id.real_server_index());
                if previous.and_then(|previous| old.advised(previous.index)) != after {
                    advised.push((id, after));
                }
            }
            pool
        });
        (pools.collect(), advised)
    }

    /// For each real server that is new in its service, the real servers of other services of which
    /// the same probe has shown something, each with what was shown.
    /// The number of the probe of each real server, while a mass failure is suspected.
    fn asked_before(&self, before: &MassFailureDetector) -> BTreeMap<RealServerId, usize> {
        if before.suspected().is_none() {
            return BTreeMap::new();
        }
        let subscriptions = self.subscriptions.values();
        let probes = subscriptions.flat_map(|subscription| {
            let ids = subscription.of(&self.subscribers).iter();
            ids.map(|id| (*id, subscription.index as usize))
        });
        probes.collect()
    }

    fn shown_elsewhere(
        &self,
        previous: &PreviousMembers,
        probes: &[(ProbeId, ProbeTarget)],
    ) -> Vec<(RealServerId, RealServerId, Machine)> {
        let mut shown = Vec::new();
        for (probe, target) in probes {
            let Some(subscription) = self.subscriptions.get(probe) else {
                continue;
            };
            for id in target.subscribers.iter().filter(|id| !previous.has(**id)) {
                let others = subscription.of(&self.subscribers).iter();
                shown.extend(others.filter_map(|other| {
                    let pool = self.pools.get(other.service_index())?;
                    let machine = pool.machine(other.real_server_index())?;
                    Some((*id, *other, machine.clone()))
                }));
            }
        }
        shown
    }

    fn show_learned(
        &mut self,
        before: &SymptomTable,
        learned: Vec<(RealServerId, RealServerId, Health)>,
        effects: &mut Vec<Effect>,
    ) {
        if !learned.is_empty() {
            effects.push(Effect::log(LogLine {
                number: Some(learned.len()),
                ..LogLine::new(
                    Level::Info,
                    "new real servers begin with the health that the same probe has shown in \
                     another service",
                )
            }));
        }
        for (id, from, health) in learned {
            let (Some(other), Some(symptoms)) = (before.get(from), self.symptoms.get_mut(id))
            else {
                continue;
            };
            *symptoms = Symptoms::learned(other);
            let change = RealServerChange::Learned {
                from,
                health,
                diagnosis: symptoms.diagnosis,
            };
            effects.push(Effect::RealServer(id, change));
        }
    }

    /// The real servers that were not up, and are up by `check: none` in this configuration, with
    /// their health before.
    fn no_longer_checked(&self, after: &Inventory) -> Vec<(RealServerId, Health)> {
        let ids = after.ids().filter(|(_, id)| after.is_unchecked(*id));
        let unchecked: BTreeMap<_, _> = ids.collect();
        let freed = self.inventory.ids().filter_map(|(key, old)| {
            let id = unchecked.get(&key)?;
            let pool = self.pools.get(old.service_index())?;
            let health = pool.machine(old.real_server_index())?.health();
            (health != Health::Up).then_some((*id, health))
        });
        let mut freed: Vec<_> = freed.collect();
        freed.sort_unstable_by_key(|(id, _)| *id);
        freed
    }

    /// The services whose sorry server served, and that have none in this configuration, by the
    /// names that they had: another name never had a sorry server.
    fn no_longer_with_sorry_server(&self, after: &Inventory) -> Vec<Arc<str>> {
        let services = after.services().iter();
        let without = services.filter(|service| service.pool.sorry_server.is_none());
        let without: BTreeSet<_> = without.map(|service| service.key).collect();
        let before = self.inventory.services().iter().zip(&self.pools);
        let ended = before
            .filter(|(service, pool)| pool.status().sorry_serves && without.contains(&service.key));
        ended
            .map(|(service, _)| Arc::clone(&service.name))
            .collect()
    }

    fn show_no_longer_checked(
        &mut self,
        id: RealServerId,
        from: Health,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let pool = self.pools.get(id.service_index());
        let weight = pool.and_then(|pool| pool.wanted(id.real_server_index()));
        let (Some(weight), Some(names)) = (weight, self.inventory.names(id)) else {
            return;
        };
        let reason = log_line::NO_LONGER_CHECKED;
        let line = self.announcer.came_up(names, from, weight, reason, now);
        effects.push(Effect::log(line));
        let kind = EventKind::RealServerUp;
        effects.push(Effect::RealServerEvent(kind, id, reason.to_owned()));
    }

    fn removed(&self) -> BTreeSet<MemberKey> {
        let ids = self.inventory.ids();
        let removed = ids.filter(|(_, id)| {
            let pool = self.pools.get(id.service_index());
            pool.is_some_and(|pool| pool.is_removed(id.real_server_index()))
        });
        removed.map(|(key, _)| key).collect()
    }

    /// What every real server should have, sorry servers included.
    pub(super) fn weights(&self) -> Weights {
        let ids = self.inventory.ids();
        let weights = ids.map(|(key, id)| {
            let pool = self.pools.get(id.service_index());
            let weight = pool.and_then(|pool| pool.wanted(id.real_server_index()));
            (key, weight.unwrap_or(Weight::ZERO))
        });
        weights.collect()
    }
}

/// Lets each real server that is new in its service begin with what the same probe has shown of a
/// real server in another service: the new one, the other one and the verdict.
fn learn(
    pools: &mut [Pool],
    shown: Vec<(RealServerId, RealServerId, Machine)>,
) -> Vec<(RealServerId, RealServerId, Health)> {
    let mut learned: Vec<(RealServerId, RealServerId, Health)> = Vec::new();
    for (id, other, machine) in shown {
        if learned.last().is_some_and(|(last, _, _)| *last == id) {
            continue;
        }
        let pool = pools.get_mut(id.service_index());
        let verdict = pool.and_then(|pool| pool.learn(id.real_server_index(), &machine));
        if let Some(health @ (Health::Up | Health::Down)) = verdict {
            learned.push((id, other, health));
        }
    }
    learned
}

/// Takes the weights out of the effects, and returns those of real servers whose connections are
/// to be ended.
fn take_resets(effects: &mut Vec<Effect>) -> Vec<(RealServerId, WeightChange)> {
    let weights = effects.extract_if(.., |effect| matches!(effect, Effect::Weights(_)));
    let changes = weights.flat_map(|effect| {
        if let Effect::Weights(changes) = effect {
            changes
        } else {
            Vec::new()
        }
    });
    changes
        .filter(|(_, change)| change.handling == Handling::Reset)
        .collect()
}

fn probe_loops(probes: &[(ProbeId, ProbeTarget)], now: Instant) -> ProbeLoops {
    let checks = probes.iter();
    let checks = checks.map(|(id, target)| (*id, &*target.spec.check));
    ProbeLoops::new(checks, now)
}

/// The subscription of each probe, and all subscribers. A probe that went on keeps the rate that
/// was asked for.
fn subscriptions(
    probes: Vec<(ProbeId, ProbeTarget)>,
    before: &BTreeMap<ProbeId, Subscription>,
) -> (BTreeMap<ProbeId, Subscription>, Arc<[RealServerId]>) {
    let mut subscribers = Vec::with_capacity(probes.len());
    let number_of = |ids: &Vec<RealServerId>| u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let subscriptions = (0..).zip(probes).map(|(index, (probe, target))| {
        let first = number_of(&subscribers);
        subscribers.extend(target.subscribers);
        let number = number_of(&subscribers) - first;
        let subscription = Subscription {
            index,
            first,
            number,
            rate: before.get(&probe).and_then(|before| before.rate),
        };
        (probe, subscription)
    });
    (subscriptions.collect(), subscribers.into())
}

/// A real server that serves counts as passing until its probes show something else.
fn mass_failure(
    inventory: &Inventory,
    probes: &[(ProbeId, ProbeTarget)],
    pools: &[Pool],
    is_changed: impl Fn(usize) -> bool,
) -> MassFailureDetector {
    let serves = |id: RealServerId| {
        let pool = pools.get(id.service_index());
        let weight = pool.and_then(|pool| pool.wanted(id.real_server_index()));
        weight.is_some_and(|weight| weight != Weight::ZERO)
    };
    let targets: Vec<_> = probes.iter().map(|(_, target)| target).collect();
    let is_sorry_server = |id| inventory.is_sorry_server(id);
    MassFailureDetector::new(&targets, is_sorry_server, serves, is_changed)
}
