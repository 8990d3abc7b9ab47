use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::own_fault::OwnFault;
use super::pool::{Origin, Policy, Pool, SorryServer};
use super::ramp::SlowStart;
use super::timers::Timers;
use super::{Admin, Health, HoldReason, Standing, Transition, Weights};
use crate::clock;
use crate::config::{Check, Config, VirtualService};
use crate::drain::Drained;
use crate::intent::{Intent, WeightChange};
use crate::liveness::{Liveness, Loop};
use crate::metrics::Metrics;
use crate::model::{Protocol, RealServerId, ServiceKey, Weight};
use crate::notify::{Event, EventKind, Events};
use crate::probe::{Outcome, Pace, PaceCell, Probe, ProbeId, ProbeResult, ProbeTarget, Report};
use crate::snapshot::{ServiceRecord, Snapshot};

/// How often the loop turns when no report comes, to show that it can.
const TURN: Duration = Duration::from_secs(1);

/// The deadline of a drain that goes on after a restart or a reload.
const DRAIN_AGAIN: Duration = Duration::from_mins(5);

/// What is probed, and the probe of each.
pub(crate) struct Subscriptions {
    pub(crate) probes: Vec<Probe>,
    pub(crate) targets: Vec<ProbeTarget>,
}

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

/// What the health task is asked for while it works.
pub(crate) enum Request {
    /// To take another configuration over.
    Change(Change),
    /// To let an operator decide on real servers.
    SetAdmin {
        real_servers: Vec<RealServerId>,
        admin: Admin,
        /// After this long, UDP counts as drained: it has no connections that end.
        deadline: Duration,
    },
}

/// A drain under way.
#[derive(Debug, Clone, Copy)]
struct Drain {
    /// When what has no connections that could end counts as drained.
    until: Option<Instant>,
}

/// What a new configuration takes over from the one before.
pub(crate) struct Handover {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Of every real server of the new configuration.
    pub(crate) weights: Weights,
}

/// The real servers that a probe speaks of, its place among the probes, and
/// its pace.
struct Subscribers {
    place: usize,
    real_servers: Vec<RealServerId>,
    pace: Arc<PaceCell>,
}

/// The one owner of all pools: takes probes' reports and the state of the
/// director's own link, and tells reconcile which weights follow.
pub(crate) struct HealthTask {
    /// By service, as [`RealServerId`] numbers them.
    pools: Vec<Pool>,
    timers: Timers,
    own_fault: OwnFault,
    link_up: bool,
    subscribers: BTreeMap<ProbeId, Subscribers>,
    draining: BTreeMap<RealServerId, Drain>,
    /// The probes of which the newest could not be made.
    unmade: BTreeSet<ProbeId>,
    config: Arc<Config>,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    intent: Arc<Intent>,
    events: Arc<Events>,
}

impl HealthTask {
    /// All real servers without a verdict, and with the weights that the
    /// snapshot has as desired.
    pub(crate) fn new(
        config: Arc<Config>,
        probes: Subscriptions,
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
        intent: Arc<Intent>,
    ) -> Self {
        let services = config.virtual_services.iter().zip(&snapshot.services);
        let pools: Vec<_> = services
            .map(|(service, found)| pool(service, found))
            .collect();
        for (pool, record) in pools.iter().zip(&snapshot.services) {
            record.pool.lock().standing = pool.standing();
        }
        Self {
            timers: Timers::new(pools.len()),
            pools,
            own_fault: own_fault(&config, &probes, &snapshot),
            link_up: true,
            subscribers: subscribers(probes),
            draining: BTreeMap::new(),
            unmade: BTreeSet::new(),
            config,
            snapshot,
            metrics,
            intent,
            events: Events::none(),
        }
    }

    /// From now on transitions are told to these.
    pub(crate) fn telling(mut self, events: Arc<Events>) -> Self {
        self.events = events;
        self
    }

    /// Begins with these drained, as they were when the last process ended.
    pub(crate) fn with_drained(mut self, drained: &Drained, now: Instant) -> Self {
        let mut ids = Vec::new();
        for (service, configured) in (0..).zip(&self.config.virtual_services) {
            for (real_server, (key, _)) in (0..).zip(configured.checked()) {
                if drained.contains(&(configured.key, key)) {
                    ids.push(RealServerId {
                        service,
                        real_server,
                    });
                }
            }
        }
        self.set_admin(&ids, Admin::Draining, DRAIN_AGAIN, now);
        self
    }

    fn answer(&mut self, request: Request, now: Instant) {
        match request {
            Request::Change(change) => self.change_to(change, now),
            Request::SetAdmin {
                real_servers,
                admin,
                deadline,
            } => self.set_admin(&real_servers, admin, deadline, now),
        }
    }

    fn set_admin(&mut self, ids: &[RealServerId], admin: Admin, deadline: Duration, now: Instant) {
        let snapshot = Arc::clone(&self.snapshot);
        for id in ids {
            let Some((service, record)) = snapshot.records(*id) else {
                continue;
            };
            let Some(pool) = self.pools.get_mut(id.service_index()) else {
                continue;
            };
            pool.set_admin(id.real_server_index(), admin);
            record.live.lock().admin = admin;
            info!(
                service = &*service.name,
                real_server = &*record.name,
                "an operator wants it {}",
                admin.as_str()
            );
            let changes = self.settle(id.service_index(), None, now);
            self.intent.set(changes);
            if admin == Admin::Draining {
                let until = ends_by_itself(service.key).then_some(now + deadline);
                self.draining.insert(*id, Drain { until });
            } else {
                self.draining.remove(id);
            }
        }
        self.show_draining();
    }

    fn show_draining(&self) {
        *self.snapshot.draining.lock() = self.draining.keys().copied().collect();
    }

    /// What is drained by now. A real server without connections may get one
    /// more as long as the kernel does not have its weight of 0.
    fn check_drains(&mut self, now: Instant) {
        let snapshot = Arc::clone(&self.snapshot);
        let drained = self.draining.iter().filter(|(id, drain)| {
            let records = snapshot.records(**id);
            let quiet = records.is_some_and(|(_, record)| {
                let live = record.live.lock();
                live.kernel == Some(Weight::ZERO)
                    && live.connections_known
                    && live.connections.active == 0
            });
            match drain.until {
                Some(until) => now >= until,
                None => quiet,
            }
        });
        let drained: Vec<_> = drained.map(|(id, _)| *id).collect();
        for id in &drained {
            self.draining.remove(id);
            if let Some(pool) = self.pools.get_mut(id.service_index()) {
                pool.set_admin(id.real_server_index(), Admin::Drained);
            }
            if let Some((service, record)) = snapshot.records(*id) {
                record.live.lock().admin = Admin::Drained;
                info!(
                    service = &*service.name,
                    real_server = &*record.name,
                    "real server drained"
                );
                let detail = "no active connection is left";
                let event =
                    Event::of_real_server(EventKind::RealServerDrained, service, record, detail);
                self.events.emit(event);
            }
        }
        if !drained.is_empty() {
            self.show_draining();
        }
    }

    /// Takes another configuration over. A real server whose check is the same
    /// stays as it is, half-done rows and all; one whose check changed keeps
    /// its verdict; a new one has none, and the weight that it was found with.
    fn change_to(&mut self, change: Change, now: Instant) {
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
            .retain(|probe| self.subscribers.contains_key(probe));
        self.config = config;
        self.metrics = metrics;
        self.intent = intent;
        self.snapshot = Arc::clone(&snapshot);
        self.draining = self.draining_again(now);
        self.show_draining();
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

    /// What is being drained, by its places in a new configuration.
    fn draining_again(&self, now: Instant) -> BTreeMap<RealServerId, Drain> {
        let mut draining = BTreeMap::new();
        for (service, record) in (0..).zip(&self.snapshot.services) {
            for (real_server, real) in (0..).zip(&record.real_servers) {
                if real.live.lock().admin == Admin::Draining {
                    let until = ends_by_itself(record.key).then_some(now + DRAIN_AGAIN);
                    draining.insert(
                        RealServerId {
                            service,
                            real_server,
                        },
                        Drain { until },
                    );
                }
            }
        }
        draining
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

    /// Works until no probe can report any more.
    pub(crate) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut requests: mpsc::Receiver<Request>,
        mut link_up: watch::Receiver<bool>,
        liveness: Arc<Liveness>,
    ) {
        loop {
            let now = clock::monotonic();
            liveness.beat(Loop::Health, now);
            self.on_time(now);
            self.check_drains(now);
            let due = self.timers.next();
            let wait = due.map_or(TURN, |due| due.saturating_duration_since(now).min(TURN));
            tokio::select! {
                biased;
                Ok(()) = link_up.changed() => {
                    let up = *link_up.borrow_and_update();
                    self.on_link(up, clock::monotonic());
                }
                Some(request) = requests.recv() => self.answer(request, clock::monotonic()),
                report = reports.recv() => match report {
                    Some(report) => {
                        liveness.beat(Loop::Probes, clock::monotonic());
                        self.on_report(&report, clock::monotonic());
                    }
                    None => return,
                },
                () = sleep(wait) => {}
            }
        }
    }

    fn on_report(&mut self, report: &Report, now: Instant) {
        let Some(subscribers) = self.subscribers.get(&report.probe) else {
            return;
        };
        note_unmade(&mut self.unmade, report);
        let place = subscribers.place;
        let real_servers = subscribers.real_servers.clone();
        let evidence = evidence(report.outcome.result);
        if let Some(passed) = evidence {
            self.own_fault.on_outcome(place, passed, now);
            self.hold_or_release(now);
        }
        for id in real_servers {
            self.on_outcome(id, report, evidence, now);
        }
        if let Some(subscribers) = self.subscribers.get(&report.probe) {
            self.set_pace(subscribers);
        }
    }

    /// Lets a probe go on as fast as the most urgent of its real servers asks for.
    fn set_pace(&self, subscribers: &Subscribers) {
        let paces = subscribers.real_servers.iter().filter_map(|id| {
            let pool = self.pools.get(id.service_index())?;
            pool.pace(id.real_server_index())
        });
        if let Some(pace) = paces.reduce(Pace::and) {
            subscribers.pace.set(pace);
        }
    }

    fn on_outcome(
        &mut self,
        id: RealServerId,
        report: &Report,
        evidence: Option<bool>,
        now: Instant,
    ) {
        let snapshot = Arc::clone(&self.snapshot);
        let Some((service, record)) = snapshot.records(id) else {
            return;
        };
        debug!(
            service = &*service.name,
            real_server = &*record.name,
            result = report.outcome.result.as_str(),
            "probe: {}",
            report.outcome.detail
        );
        self.metrics
            .probe_finished(id.service_index(), report.outcome.duration);
        record.live.lock().note_probe(report);
        let (index, place) = (id.service_index(), id.real_server_index());
        let Some(pool) = self.pools.get_mut(index) else {
            return;
        };
        let advice = report.outcome.advice;
        let advised = advice.and_then(|advice| pool.on_advice(place, advice));
        if let Some(share) = advised {
            info!(
                service = &*service.name,
                real_server = &*record.name,
                weight = %share,
                "it asks for another weight: {}",
                report.outcome.detail
            );
        }
        let transition =
            evidence.and_then(|passed| pool.on_outcome(place, passed, report.started, now));
        let Some(transition) = transition else {
            if advised.is_some() {
                let changes = self.settle(index, None, now);
                self.intent.set(changes);
            }
            return;
        };
        {
            let mut live = record.live.lock();
            live.health = transition.to;
            live.since = report.at;
            match transition.to {
                Health::Up => live.transitions_up += 1,
                Health::Down => live.transitions_down += 1,
                Health::Unknown => {}
            }
        }
        let reason = reason(transition, &report.outcome);
        let failed = transition.first_failure.map(|first| (place, first));
        let changes = self.settle(index, failed, now);
        if let Some(pool) = self.pools.get(index) {
            let weight = pool.wanted(place).unwrap_or(Weight::ZERO);
            announce(&service.name, &record.name, transition, weight, &reason);
            let kind = match transition.to {
                Health::Down => EventKind::RealServerDown,
                Health::Up | Health::Unknown => EventKind::RealServerUp,
            };
            let event = Event::of_real_server(kind, service, record, &reason);
            self.events.emit(event);
            if let Some(rise) = pool.damped_rise(place, now)
                && transition.to == Health::Down
            {
                info!(
                    service = &*service.name,
                    real_server = &*record.name,
                    "it keeps falling: {rise} probes in a row must pass to bring it up"
                );
            }
        }
        self.intent.set(changes);
    }

    /// Slow starts whose next step is due.
    fn on_time(&mut self, now: Instant) {
        while let Some(pool) = self.timers.take_due(now) {
            let changes = self.settle(pool, None, now);
            self.intent.set(changes);
        }
    }

    fn on_link(&mut self, up: bool, now: Instant) {
        self.link_up = up;
        self.hold_or_release(now);
    }

    /// Holds all weights while there is a reason to.
    fn hold_or_release(&mut self, now: Instant) {
        let mut reasons = BTreeSet::new();
        reasons.extend((!self.link_up).then_some(HoldReason::Link));
        reasons.extend(self.own_fault.suspected().then_some(HoldReason::Probes));
        let held = !reasons.is_empty();
        {
            let mut shown = self.snapshot.held.lock();
            if *shown == reasons {
                return;
            }
            for reason in reasons.difference(&shown) {
                warn!(reason = reason.as_str(), "all weights are held: {reason}");
            }
            if !held {
                info!("weights are held no longer: verdicts begin anew from here");
            }
            *shown = reasons;
        }
        for pool in &mut self.pools {
            pool.set_held(held, now);
        }
        for pool in 0..self.pools.len() {
            let changes = self.settle(pool, None, now);
            self.intent.set(changes);
        }
    }

    /// The weights that follow from what the pool knows; `failed` is the
    /// place of the real server that has just gone down, and when its first
    /// failed probe began.
    fn settle(
        &mut self,
        index: usize,
        failed: Option<(usize, Instant)>,
        now: Instant,
    ) -> Vec<(RealServerId, WeightChange)> {
        let (Some(pool), Some(record)) =
            (self.pools.get_mut(index), self.snapshot.services.get(index))
        else {
            return Vec::new();
        };
        let before = pool.standing();
        let changes = pool.settle(now);
        self.timers.set(index, pool.next_deadline());
        let after = pool.standing();
        if before != after {
            record.pool.lock().standing = after;
            announce_standing(&record.name, before, after);
            for (kind, detail) in standing_events(before, after) {
                self.events.emit(Event::of_service(kind, record, detail));
            }
        }
        let id = |place| {
            Some(RealServerId {
                service: u32::try_from(index).ok()?,
                real_server: u32::try_from(place).ok()?,
            })
        };
        let changes = changes.into_iter().filter_map(|(place, weight)| {
            let first_failure = failed.filter(|(failed, _)| *failed == place);
            let first_failure = first_failure.map(|(_, first)| first);
            Some((
                id(place)?,
                WeightChange {
                    weight,
                    first_failure,
                },
            ))
        });
        changes.collect()
    }
}

/// Whether a drain ends with its deadline: what is not TCP or SCTP has no
/// connections that end, only entries that time out.
fn ends_by_itself(service: ServiceKey) -> bool {
    matches!(
        service,
        ServiceKey::Address {
            protocol: Protocol::Udp,
            ..
        }
    )
}

fn subscribers(probes: Subscriptions) -> BTreeMap<ProbeId, Subscribers> {
    let Subscriptions { probes, targets } = probes;
    let numbered = probes.into_iter().zip(targets).enumerate();
    let subscribers = numbered.map(|(place, (probe, target))| {
        let real_servers = target.subscribers;
        (
            probe.id,
            Subscribers {
                place,
                real_servers,
                pace: probe.pace,
            },
        )
    });
    subscribers.collect()
}

fn own_fault(config: &Config, probes: &Subscriptions, snapshot: &Snapshot) -> OwnFault {
    let is_sorry = |id: RealServerId| {
        let service = config.virtual_services.get(id.service_index());
        service.is_some_and(|service| service.real_servers.len() == id.real_server_index())
    };
    let served = |id: RealServerId| {
        let records = snapshot.records(id);
        records.is_some_and(|(_, record)| record.live.lock().desired != Weight::ZERO)
    };
    OwnFault::new(&probes.targets, is_sorry, served)
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

/// The pool of a service, with the weights that were found.
fn pool(service: &VirtualService, found: &ServiceRecord) -> Pool {
    let check = &service.check;
    let configured = &service.pool;
    let policy = Policy {
        rise: check.rise,
        slow_start: SlowStart::new(configured.slow_start, &service.scheduler),
        flap_damping: configured.flap_damping,
        quorum: configured.quorum.into(),
        hysteresis: configured.hysteresis.into(),
        fail_open_below: configured.fail_open_below,
    };
    let members = service.real_servers.iter().zip(&found.real_servers);
    let members = members.map(|(configured, found)| (configured.weight, found.live.lock().desired));
    let sorry_server = configured.sorry_server.iter().zip(&found.sorry_server);
    let sorry_server = sorry_server
        .map(|(configured, found)| SorryServer {
            rise: configured.check.rise,
            fall: configured.check.fall,
            found: found.live.lock().desired,
        })
        .next();
    Pool::new(policy, check.fall, members, sorry_server)
}

/// Whether a probe's result speaks for the real server or against it; `None`
/// if it says nothing of it.
fn evidence(result: ProbeResult) -> Option<bool> {
    match result {
        ProbeResult::Ok => Some(true),
        ProbeResult::Internal => None,
        ProbeResult::Refused
        | ProbeResult::Timeout
        | ProbeResult::Reset
        | ProbeResult::Unreachable
        | ProbeResult::Tls
        | ProbeResult::Protocol
        | ProbeResult::Status
        | ProbeResult::Body => Some(false),
    }
}

/// Says when this host stops to be able to probe, and when it is able again:
/// until then, no verdict changes, and that is not to go unseen.
fn note_unmade(unmade: &mut BTreeSet<ProbeId>, report: &Report) {
    if evidence(report.outcome.result).is_none() {
        if unmade.is_empty() {
            warn!(
                "probes cannot be made: {}; no verdict changes for that",
                report.outcome.detail
            );
        }
        unmade.insert(report.probe);
    } else if unmade.remove(&report.probe) && unmade.is_empty() {
        info!("probes can be made again");
    }
}

/// Why the verdict changed.
fn reason(transition: Transition, outcome: &Outcome) -> String {
    let row = match transition.outcomes {
        1 => "1 probe".to_owned(),
        outcomes => format!("{outcomes} probes in a row"),
    };
    match transition.to {
        Health::Down => format!("{row} failed, the last with: {}", outcome.detail),
        Health::Up | Health::Unknown => format!("{row} passed"),
    }
}

fn announce_standing(service: &str, before: Standing, after: Standing) {
    match (before.quorum_met, after.quorum_met) {
        (true, false) => warn!(service, "quorum lost"),
        (false, true) => info!(service, "quorum met again"),
        (true, true) | (false, false) => {}
    }
    match (before.sorry_serves, after.sorry_serves) {
        (false, true) => warn!(service, "the sorry server serves"),
        (true, false) => info!(service, "the sorry server serves no longer"),
        (true, true) | (false, false) => {}
    }
    match (before.fail_open, after.fail_open) {
        (false, true) => warn!(
            service,
            "failing open: too few real servers are up, so those that fail serve, too"
        ),
        (true, false) => info!(service, "failing open no longer"),
        (true, true) | (false, false) => {}
    }
}

/// What a change of a pool's standing is to those who are told of events.
fn standing_events(
    before: Standing,
    after: Standing,
) -> impl Iterator<Item = (EventKind, &'static str)> {
    let quorum = match (before.quorum_met, after.quorum_met) {
        (true, false) => Some((EventKind::QuorumLost, "too little weight is up")),
        (false, true) => Some((EventKind::QuorumGained, "enough weight is up")),
        (true, true) | (false, false) => None,
    };
    let fail_open = match (before.fail_open, after.fail_open) {
        (false, true) => Some((
            EventKind::FailOpenStarted,
            "failing real servers serve, too",
        )),
        (true, false) => Some((EventKind::FailOpenEnded, "the checks decide again")),
        (true, true) | (false, false) => None,
    };
    quorum.into_iter().chain(fail_open)
}

fn announce(
    service: &str,
    real_server: &str,
    transition: Transition,
    weight: Weight,
    reason: &str,
) {
    let Transition { from, to, .. } = transition;
    match to {
        Health::Down => {
            warn!(service, real_server, %from, %weight, "real server down: {reason}");
        }
        Health::Up | Health::Unknown => {
            info!(service, real_server, %from, %weight, "real server up: {reason}");
        }
    }
}

#[cfg(test)]
mod safety_tests;
#[cfg(test)]
mod tests;
