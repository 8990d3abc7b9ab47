//! The task around [`Core`]: it owns the channels and the clock, and carries the effects out.

#[cfg(benchmarking)]
pub(crate) mod benchmarking;
mod effects;
mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::core::Core;
use super::effect::Effect;
use super::input::{Configuration, DrainDeadline, Input, Loads};
use super::weight_updates::WeightUpdates;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::{
    AdminState, ArpConflicts, Decision, FreezeReason, MemberKey, OperatorWeight, RealServerId,
    SetWeight, Weights,
};
use crate::notify::Events;
use crate::probe::{ProbeHandle, ProbeId, ProbeReport, ProbeTarget, SharedProbeRate};
use crate::runtime::clock;
use crate::runtime::liveness::{Liveness, Loop};
use crate::status::Snapshot;

/// The longest time without a beat of the task.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How many reports are taken at once: between two batches, all other inputs go first.
const BATCH: usize = 64;

/// What is probed, and the probe of each.
pub(crate) struct Subscriptions {
    pub(crate) probes: Vec<ProbeHandle>,
    pub(crate) targets: Vec<ProbeTarget>,
}

/// What the task is asked for while it works.
pub(crate) enum HealthRequest {
    /// Another configuration.
    Reload(HealthReload),
    /// What an operator wants of real servers.
    SetAdmin {
        real_servers: Vec<RealServerId>,
        admin: AdminState,
        deadline: DrainDeadline,
        decision: Decision,
        done: Decided,
    },
    /// What an operator puts in place of the configured weight of real servers.
    SetWeight {
        real_servers: Vec<RealServerId>,
        weight: Option<SetWeight>,
        decision: Decision,
        done: Decided,
    },
}

/// Gets the indices of those services of the real servers of which no real server serves, when the
/// decision is shown and its weights are on their way.
type Decided = oneshot::Sender<BTreeSet<usize>>;

/// Another configuration.
pub(crate) struct HealthReload {
    pub(crate) config: Arc<Config>,
    pub(crate) probes: Subscriptions,
    /// The weights with which the kernel has real servers that may be new here.
    pub(crate) found: Weights,
    pub(crate) loaded_at: SystemTime,
    pub(crate) metrics: Arc<Metrics>,
    /// Where weights are put from now on.
    pub(crate) weight_updates: Arc<WeightUpdates>,
    /// Gets what follows for the new configuration's real servers.
    pub(crate) done: oneshot::Sender<ReloadResult>,
}

/// What a new configuration takes over from the one before.
pub(crate) struct ReloadResult {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Of every real server of the new configuration.
    pub(crate) weights: Weights,
    /// The real servers that are out of the table while they are down.
    pub(crate) removed: BTreeSet<MemberKey>,
}

/// What is seen on the director's own link: the latest value of each.
pub(crate) struct LinkInputs {
    /// Why weights are to be frozen, if they are.
    pub(crate) link: watch::Receiver<Option<FreezeReason>>,
    /// Which real servers answer for a VIP on the link.
    pub(crate) arp_conflicts: watch::Receiver<ArpConflicts>,
    /// Where the hosts are put that answer no probe.
    pub(crate) unresponsive: watch::Sender<BTreeSet<IpAddr>>,
    /// Which of those are present.
    pub(crate) present: watch::Receiver<BTreeSet<IpAddr>>,
}

/// Carries out what [`Core`] decides.
pub(crate) struct Driver {
    core: Core,
    rates: BTreeMap<ProbeId, Arc<SharedProbeRate>>,
    unresponsive: Option<watch::Sender<BTreeSet<IpAddr>>>,
    liveness: Option<Arc<Liveness>>,
    /// Changes with the state of any drain.
    drain_changes: watch::Sender<()>,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    weight_updates: Arc<WeightUpdates>,
    events: Arc<Events>,
}

impl Driver {
    /// No real server has a verdict, and each keeps the weight that it was found with.
    pub(crate) fn new(
        config: Arc<Config>,
        probes: Subscriptions,
        found: Weights,
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
        weight_updates: Arc<WeightUpdates>,
    ) -> Self {
        let rates = rates(&probes);
        show_watched(&snapshot, &probes);
        let configuration = configuration(config, probes, found);
        let (core, effects) = Core::new(configuration, clock::monotonic());
        let driver = Self {
            core,
            rates,
            unresponsive: None,
            liveness: None,
            drain_changes: watch::Sender::new(()),
            snapshot,
            metrics,
            weight_updates,
            events: Events::none(),
        };
        driver.carry_out_all(effects);
        driver
    }

    /// From now on, events are notified by this.
    pub(crate) fn with_events(mut self, events: Arc<Events>) -> Self {
        self.events = events;
        self
    }

    /// Begins with what operators had decided when the last process ended: which real servers are
    /// drained, and which have another weight than the configured one.
    pub(crate) fn with_decisions(
        mut self,
        drain: impl Fn(&MemberKey) -> Option<(DrainDeadline, Decision)>,
        weight: impl Fn(&MemberKey) -> Option<OperatorWeight>,
    ) -> Self {
        let snapshot = Arc::clone(&self.snapshot);
        for (key, id) in snapshot.ids() {
            let weight = weight(&key).map(|OperatorWeight { set, decision }| Input::SetWeight {
                real_servers: vec![id],
                weight: Some(set),
                decision,
                is_new: false,
            });
            let drain = drain(&key).map(|(deadline, decision)| Input::SetAdmin {
                real_servers: vec![id],
                admin: AdminState::Draining,
                deadline,
                decision,
            });
            for input in weight.into_iter().chain(drain) {
                self.handle(input, clock::monotonic());
            }
        }
        self
    }

    /// Changes when another state of a drain is shown.
    pub(crate) fn drain_changes(&self) -> watch::Sender<()> {
        self.drain_changes.clone()
    }

    /// Works until no probe can report any more.
    pub(crate) async fn run(
        mut self,
        mut reports: mpsc::Receiver<ProbeReport>,
        mut requests: mpsc::Receiver<HealthRequest>,
        mut loads: watch::Receiver<Option<Loads>>,
        link: LinkInputs,
        liveness: Arc<Liveness>,
    ) {
        let LinkInputs {
            mut link,
            mut arp_conflicts,
            unresponsive,
            mut present,
        } = link;
        self.unresponsive = Some(unresponsive);
        self.liveness = Some(Arc::clone(&liveness));
        let mut batch = Vec::new();
        loop {
            let now = clock::monotonic();
            liveness.beat(Loop::Health, now);
            self.handle(Input::Tick, now);
            let due = self.core.next_deadline();
            let wait = due.map_or(LONGEST_WAIT, |due| due.saturating_duration_since(now));
            let input = tokio::select! {
                biased;
                Ok(()) = link.changed() => Input::Link(link.borrow_and_update().clone()),
                Ok(()) = arp_conflicts.changed() => {
                    Input::ArpConflicts(arp_conflicts.borrow_and_update().clone())
                }
                Ok(()) = present.changed() => {
                    Input::HostsPresent(present.borrow_and_update().clone())
                }
                Ok(()) = loads.changed() => match loads.borrow_and_update().clone() {
                    Some(loads) => Input::Loads(loads),
                    None => continue,
                },
                Some(request) = requests.recv() => {
                    self.answer(request, clock::monotonic());
                    continue;
                }
                received = reports.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        return;
                    }
                    // Reports of answers that came together are taken together: each turn of
                    // this loop costs as much as what a report changes.
                    yield_now().await;
                    while batch.len() < BATCH && let Ok(report) = reports.try_recv() {
                        batch.push(report);
                    }
                    for report in batch.drain(..) {
                        self.handle(Input::ProbeReport(Arc::new(report)), clock::monotonic());
                    }
                    continue;
                }
                () = sleep(wait.min(LONGEST_WAIT)) => continue,
            };
            self.handle(input, clock::monotonic());
        }
    }

    fn answer(&mut self, request: HealthRequest, now: Instant) {
        match request {
            HealthRequest::Reload(change) => self.change_to(change, now),
            HealthRequest::SetAdmin {
                real_servers,
                admin,
                deadline,
                decision,
                done,
            } => {
                let services = services_of(&real_servers);
                let input = Input::SetAdmin {
                    real_servers,
                    admin,
                    deadline,
                    decision,
                };
                self.decide(input, services, done, now);
            }
            HealthRequest::SetWeight {
                real_servers,
                weight,
                decision,
                done,
            } => {
                let services = services_of(&real_servers);
                let input = Input::SetWeight {
                    real_servers,
                    weight,
                    decision,
                    is_new: true,
                };
                self.decide(input, services, done, now);
            }
        }
    }

    /// Takes what an operator decides on real servers of these services.
    fn decide(&mut self, input: Input, services: BTreeSet<usize>, done: Decided, now: Instant) {
        self.handle(input, now);
        let services = services.into_iter();
        let without = services.filter(|service| !self.core.serves(*service));
        // Whoever asked may have gone away.
        let _ = done.send(without.collect());
    }

    fn handle(&mut self, input: Input, now: Instant) {
        let effects = self.core.handle(input, now);
        self.carry_out_all(effects);
    }

    fn carry_out_all(&self, effects: Vec<Effect>) {
        for effect in effects {
            self.carry_out(effect);
        }
    }

    /// What is shown, measured and written belongs to the new configuration before its first effect.
    fn change_to(&mut self, change: HealthReload, now: Instant) {
        let HealthReload {
            config,
            probes,
            found,
            loaded_at,
            metrics,
            weight_updates,
            done,
        } = change;
        let next = self.snapshot.director_again(&config, loaded_at, &found);
        let before = std::mem::replace(&mut self.snapshot, Arc::new(next));
        self.metrics = metrics;
        self.weight_updates = weight_updates;
        self.rates = rates(&probes);
        show_watched(&self.snapshot, &probes);
        let mut reloaded = None;
        let reload = Input::Reload(configuration(config, probes, found));
        for effect in self.core.handle(reload, now) {
            if let Effect::Reloaded { weights, removed } = effect {
                let result = ReloadResult {
                    snapshot: Arc::clone(&self.snapshot),
                    weights,
                    removed,
                };
                reloaded = Some(result);
            } else {
                self.take_over_probe(&before, &effect);
                self.carry_out(effect);
            }
        }
        if let Some(result) = reloaded {
            // Whoever asked may have gone away.
            let _ = done.send(result);
        }
    }
}

fn services_of(real_servers: &[RealServerId]) -> BTreeSet<usize> {
    let ids = real_servers.iter();
    ids.map(|id| id.service_index()).collect()
}

fn rates(probes: &Subscriptions) -> BTreeMap<ProbeId, Arc<SharedProbeRate>> {
    let probes = probes.probes.iter();
    probes
        .map(|probe| (probe.id, Arc::clone(&probe.rate)))
        .collect()
}

/// Gives each real server what its probe shows of the watched connection.
fn show_watched(snapshot: &Snapshot, probes: &Subscriptions) {
    for (probe, target) in probes.probes.iter().zip(&probes.targets) {
        for id in &target.subscribers {
            if let Some((_, record)) = snapshot.records(*id) {
                record.live.lock().watching.clone_from(&probe.watch);
            }
        }
    }
}

fn configuration(config: Arc<Config>, probes: Subscriptions, found: Weights) -> Configuration {
    let ids = probes.probes.iter().map(|probe| probe.id);
    Configuration {
        config,
        probes: ids.zip(probes.targets).collect(),
        found,
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod own_check_tests;
#[cfg(test)]
mod safety_tests;
#[cfg(test)]
mod tests;
