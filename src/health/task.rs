mod drains;
mod failure;
mod reload;
mod silence;
mod thefts;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{debug, error, info, warn};

use self::drains::Drain;
pub(crate) use self::drains::{DrainDeadline, ends_by_itself};
use self::failure::failure_rule;
pub(crate) use self::reload::{Change, Handover};
use self::silence::Silent;
use super::Transition;
use super::announce::{
    Verdict, announce, announce_standing, announce_summary, announce_unmade, reason,
    standing_events, standing_lines,
};
use super::line_kind::LineKind;
use super::own_fault::OwnFault;
use super::pool::{Handling, Policy, Pool, SorryServer};
use super::probe_loops::ProbeLoops;
use super::ramp::SlowStart;
use super::timers::Timers;
use super::unmade::{Told, Unmade};
use crate::config::{Config, VirtualService};
use crate::diagnosis::Fix;
use crate::health::weight_updates::{Intent, WeightChange};
use crate::metrics::Metrics;
use crate::model::{
    AdminState, ArpConflicts, Diagnosis, FreezeReason, Health, PoolStatus, RealServerId, Weight,
    short_duration,
};
use crate::notify::{Event, EventKind, Events};
use crate::probe::{Pace, PaceCell, Probe, ProbeId, ProbeTarget, Report};
use crate::runtime::bursts::Bursts;
use crate::runtime::clock;
use crate::runtime::liveness::{Liveness, Loop};
use crate::status::{RealServerRecord, ServiceRecord, Snapshot};

/// How often the loop turns when no report comes, to show that it can.
const TURN: Duration = Duration::from_secs(1);

/// What is probed, and the probe of each.
pub(crate) struct Subscriptions {
    pub(crate) probes: Vec<Probe>,
    pub(crate) targets: Vec<ProbeTarget>,
}

/// What the health task is asked for while it works.
pub(crate) enum Request {
    /// To take another configuration over.
    Change(Change),
    /// To let an operator decide on real servers.
    SetAdmin {
        real_servers: Vec<RealServerId>,
        admin: AdminState,
        deadline: DrainDeadline,
    },
}

/// What is seen on the director's own link: the latest of each.
pub(crate) struct Outlook {
    /// Why weights are to be held for it, if they are.
    pub(crate) link: watch::Receiver<Option<FreezeReason>>,
    /// Which real servers answer for a VIP there.
    pub(crate) thefts: watch::Receiver<ArpConflicts>,
    /// To be told which real servers no probe reaches.
    pub(crate) silent: watch::Sender<BTreeSet<IpAddr>>,
    /// Which of those are there.
    pub(crate) present: watch::Receiver<BTreeSet<IpAddr>>,
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
    /// What is wrong with the link.
    link: Option<FreezeReason>,
    /// What the ARP audit last found.
    thefts: ArpConflicts,
    /// The real servers that no probe reaches, by address.
    silent: Silent,
    /// Those of them that are on the link.
    present: BTreeSet<IpAddr>,
    subscribers: BTreeMap<ProbeId, Subscribers>,
    probe_loops: ProbeLoops,
    draining: BTreeMap<RealServerId, Drain>,
    unmade: Unmade,
    /// What of the lines of the log was written one by one.
    bursts: Bursts<LineKind>,
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
            intent.set_replaced(record.key, pool.replaces());
            record.pool.lock().standing = pool.standing();
        }
        Self {
            timers: Timers::new(pools.len()),
            pools,
            own_fault: own_fault(&config, &probes, &snapshot),
            link: None,
            thefts: ArpConflicts::new(),
            silent: Silent::default(),
            present: BTreeSet::new(),
            probe_loops: probe_loops(&probes),
            subscribers: subscribers(probes),
            draining: BTreeMap::new(),
            unmade: Unmade::default(),
            bursts: Bursts::default(),
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

    fn answer(&mut self, request: Request, now: Instant) {
        match request {
            Request::Change(change) => self.change_to(change, now),
            Request::SetAdmin {
                real_servers,
                admin,
                deadline,
            } => self.set_admin(&real_servers, admin, deadline),
        }
    }

    /// Works until no probe can report any more.
    pub(crate) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut requests: mpsc::Receiver<Request>,
        outlook: Outlook,
        liveness: Arc<Liveness>,
    ) {
        let Outlook {
            mut link,
            mut thefts,
            silent,
            mut present,
        } = outlook;
        loop {
            let now = clock::monotonic();
            liveness.beat(Loop::Health, now);
            self.on_time(now);
            while let Some((probe, told)) = self.unmade.take_due(now) {
                self.tell_unmade(probe, &told, None);
            }
            for summary in self.bursts.take_due(now) {
                announce_summary(&summary);
            }
            if self.every_probe_turns(now) {
                liveness.beat(Loop::Probes, now);
            }
            self.check_drains(now);
            self.tell_silent(&silent);
            let due = self.timers.next();
            let wait = due.map_or(TURN, |due| due.saturating_duration_since(now).min(TURN));
            tokio::select! {
                biased;
                Ok(()) = link.changed() => {
                    let trouble = *link.borrow_and_update();
                    self.on_link(trouble, clock::monotonic());
                }
                Ok(()) = thefts.changed() => {
                    let found = thefts.borrow_and_update().clone();
                    self.on_thefts(found, clock::monotonic());
                }
                Ok(()) = present.changed() => {
                    let found = present.borrow_and_update().clone();
                    self.on_present(found);
                }
                Some(request) = requests.recv() => self.answer(request, clock::monotonic()),
                report = reports.recv() => match report {
                    Some(report) => {
                        self.on_report(&report, clock::monotonic());
                    }
                    None => return,
                },
                () = sleep(wait) => {}
            }
        }
    }

    /// As the look at them says that is made now and then.
    fn every_probe_turns(&mut self, now: Instant) -> bool {
        let Some(stuck) = self.probe_loops.look(now) else {
            return false;
        };
        if let Some((probe, silence)) = stuck.new
            && let Some(subscribers) = self.subscribers.get(&probe)
            && let Some(first) = subscribers.real_servers.first()
            && let Some((service, record)) = self.snapshot.records(*first)
        {
            error!(
                service = &*service.name,
                real_server = &*record.name,
                stuck = stuck.number,
                "a probe has not reported for {}: its task has ended or hangs, and no verdict of \
                 its changes; the watchdog is left to restart the agent",
                short_duration(silence)
            );
        }
        stuck.number == 0
    }

    fn on_report(&mut self, report: &Report, now: Instant) {
        self.probe_loops.reported(report.probe, now);
        let Some(subscribers) = self.subscribers.get(&report.probe) else {
            return;
        };
        if let Some(told) = self.unmade.note(report.probe, &report.outcome, now) {
            self.tell_unmade(report.probe, &told, report.outcome.fix.as_ref());
        }
        let place = subscribers.place;
        let real_servers = subscribers.real_servers.clone();
        let evidence = report.outcome.result.evidence();
        if let Some(passed) = evidence {
            self.own_fault.on_outcome(place, passed, now);
        }
        self.hold_or_release(now);
        for id in real_servers {
            self.on_outcome(id, report, evidence, now);
        }
        if let Some(subscribers) = self.subscribers.get(&report.probe) {
            self.set_pace(subscribers);
        }
    }

    /// `fix` is what the probe has found to be done; without it, what the last
    /// one that counted has.
    fn tell_unmade(&self, probe: ProbeId, told: &Told, fix: Option<&Arc<Fix>>) {
        if let Some(subscribers) = self.subscribers.get(&probe)
            && let Some(first) = subscribers.real_servers.first()
            && let Some((service, record)) = self.snapshot.records(*first)
        {
            let fix = fix.cloned().or_else(|| record.live.lock().fix.clone());
            let fix = fix.map(|fix| fix.for_real_server(record.key.0.ip()).to_string());
            announce_unmade(&service.name, &record.name, told, fix.as_deref());
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
        self.note_silence(id, record);
        self.diagnose(service, record, now);
        let (index, place) = (id.service_index(), id.real_server_index());
        let Some(pool) = self.pools.get_mut(index) else {
            return;
        };
        let worse = pool.set_loss(place, record.live.lock().seen.loss(), report.started);
        let advice = report.outcome.advice;
        let advised = advice.and_then(|advice| pool.on_advice(place, advice));
        if advice.is_some() {
            record.live.lock().advised = pool.advised(place);
        }
        if let Some(share) = advised
            && self.bursts.admit(
                LineKind::OtherWeight,
                "",
                || name(service, record),
                || None,
                now,
            )
        {
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
            if advised.is_some() || worse {
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
            live.diagnosis_told = live.diagnosis.filter(|_| transition.to == Health::Down);
        }
        let reason = reason(transition, &report.outcome);
        let failed = transition.first_failure.map(|first| (place, first));
        let before = self.pools.get(index).map(Pool::standing);
        let changes = self.settle_untold(index, failed, now);
        if let Some(pool) = self.pools.get(index) {
            let weight = pool.wanted(place).unwrap_or(Weight::ZERO);
            let damped_rise = pool.damped_rise(place, now);
            let verdict = (transition, weight, &*reason, damped_rise);
            announce_verdict(&mut self.bursts, service, record, verdict, now);
            let kind = match transition.to {
                Health::Down => EventKind::RealServerDown,
                Health::Up | Health::Unknown => EventKind::RealServerUp,
            };
            if service.refuses_clients && (transition.to, weight) == (Health::Down, Weight::ZERO) {
                warn!(
                    service = &*service.name,
                    real_server = &*record.name,
                    scheduler = %service.scheduler,
                    "the scheduler refuses the clients of this real server while it is down: \
                     `scheduler_flags: [fallback]` gives them to others"
                );
            }
            let event = Event::of_real_server(kind, service, record, &reason);
            self.events.emit(event);
        }
        self.tell_standing(index, before, now);
        self.intent.set(changes);
    }

    /// Slow starts whose next step is due.
    fn on_time(&mut self, now: Instant) {
        while let Some(pool) = self.timers.take_due(now) {
            let changes = self.settle(pool, None, now);
            self.intent.set(changes);
        }
    }

    fn on_link(&mut self, trouble: Option<FreezeReason>, now: Instant) {
        self.link = trouble;
        self.hold_or_release(now);
    }

    /// Holds all weights while there is a reason to.
    fn hold_or_release(&mut self, now: Instant) {
        let mut reasons = BTreeSet::new();
        reasons.extend(self.link);
        reasons.extend(self.own_fault.suspected().then_some(FreezeReason::Probes));
        reasons.extend(self.unmade.clock_is_wrong().then_some(FreezeReason::Clock));
        let held = reasons.iter().any(|reason| reason.holds_all());
        {
            let mut shown = self.snapshot.held.lock();
            if *shown == reasons {
                return;
            }
            for reason in reasons.difference(&shown) {
                let why = match (reason, &self.config.director.link) {
                    (FreezeReason::NoInterface, Some(interface)) => {
                        format!("there is no interface `{interface}`")
                    }
                    (reason, _) => reason.to_string(),
                };
                warn!(reason = reason.as_str(), "{}: {why}", reason.what());
            }
            let was_held = shown.iter().any(|reason| reason.holds_all());
            if shown.contains(&FreezeReason::Clock) && !reasons.contains(&FreezeReason::Clock) {
                info!("the director's clock keeps no verdict any longer");
            }
            if was_held == held {
                *shown = reasons;
                return;
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

    /// As [`settle_untold`](Self::settle_untold), and says how the pool stands then.
    fn settle(
        &mut self,
        index: usize,
        failed: Option<(usize, Instant)>,
        now: Instant,
    ) -> Vec<(RealServerId, WeightChange)> {
        let before = self.pools.get(index).map(Pool::standing);
        let changes = self.settle_untold(index, failed, now);
        self.tell_standing(index, before, now);
        changes
    }

    /// Says how the pool stands, if it stood otherwise before. What brought it
    /// about has been said by then.
    fn tell_standing(&mut self, index: usize, before: Option<PoolStatus>, now: Instant) {
        let (Some(before), Some(pool), Some(record)) = (
            before,
            self.pools.get(index),
            self.snapshot.services.get(index),
        ) else {
            return;
        };
        let after = pool.standing();
        for line in standing_lines(before, after) {
            let subject = || record.name.to_string();
            if self.bursts.admit(line, "", subject, || None, now) {
                announce_standing(&record.name, line);
            }
        }
        for (kind, detail) in standing_events(before, after) {
            self.events.emit(Event::of_service(kind, record, detail));
        }
    }

    /// The weights that follow from what the pool knows; `failed` is the
    /// place of the real server that has just gone down, and when its first
    /// failed probe began.
    fn settle_untold(
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
        self.intent.set_replaced(record.key, pool.replaces());
        thefts::show_quiesced(pool, record, &mut self.bursts, now);
        let after = pool.standing();
        if before != after {
            record.pool.lock().standing = after;
        }
        let id = |place| {
            Some(RealServerId {
                service: u32::try_from(index).ok()?,
                real_server: u32::try_from(place).ok()?,
            })
        };
        let mut handling: BTreeMap<_, _> = pool.take_handling().into_iter().collect();
        let mut all = Vec::new();
        for (place, weight) in changes {
            let handling = handling.remove(&place).unwrap_or(Handling::Weight);
            all.push((place, weight, handling));
        }
        let others = handling.into_iter();
        all.extend(others.map(|(place, handling)| (place, Weight::ZERO, handling)));
        let changes = all.into_iter().filter_map(|(place, weight, handling)| {
            let first_failure = failed.filter(|(failed, _)| *failed == place);
            let first_failure = first_failure.map(|(_, first)| first);
            Some((
                id(place)?,
                WeightChange {
                    weight,
                    first_failure,
                    handling,
                },
            ))
        });
        changes.collect()
    }
}

/// As operators call it: `web/rs1`.
fn name(service: &ServiceRecord, record: &RealServerRecord) -> String {
    format!("{}/{}", service.name, record.name)
}

/// Says what became of a real server, with what is wrong with it and what to
/// do about that, in one line or among many that are alike.
fn announce_verdict(
    bursts: &mut Bursts<LineKind>,
    service: &ServiceRecord,
    record: &RealServerRecord,
    (transition, weight, reason, damped_rise): (Transition, Weight, &str, Option<NonZeroU16>),
    now: Instant,
) {
    let (kind, diagnosis, mend) = if transition.to == Health::Down {
        let live = record.live.lock();
        let mend = live.mend(service.place(record));
        (LineKind::Down, live.diagnosis, mend)
    } else {
        (LineKind::Up, None, None)
    };
    let fix = || mend.as_ref().map(ToString::to_string);
    let common = diagnosis.map_or("", Diagnosis::as_str);
    if bursts.admit(kind, common, || name(service, record), fix, now) {
        announce(&Verdict {
            service: &service.name,
            real_server: &record.name,
            transition,
            weight,
            reason,
            diagnosis,
            fix: fix().as_deref(),
            damped_rise,
        });
    } else {
        debug!(
            service = &*service.name,
            real_server = &*record.name,
            "real server {}: {reason}",
            transition.to
        );
    }
}

fn probe_loops(probes: &Subscriptions) -> ProbeLoops {
    let checks = probes.targets.iter().map(|target| &*target.spec.check);
    let ids = probes.probes.iter().map(|probe| probe.id);
    ProbeLoops::new(ids.zip(checks), clock::monotonic())
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
        on_failure: failure_rule(service),
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

#[cfg(test)]
mod safety_tests;
#[cfg(test)]
mod tests;
