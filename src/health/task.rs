use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::own_fault::OwnFault;
use super::pool::{Policy, Pool, SorryServer};
use super::ramp::SlowStart;
use super::timers::Timers;
use super::{Health, HoldReason, Standing, Transition};
use crate::clock;
use crate::config::{Config, VirtualService};
use crate::intent::{Intent, WeightChange};
use crate::liveness::{Liveness, Loop};
use crate::metrics::Metrics;
use crate::model::{RealServerId, Weight};
use crate::probe::{ProbeResult, ProbeTarget, Report};
use crate::snapshot::{ServiceRecord, Snapshot};

/// How often the loop turns when no report comes, to show that it can.
const TURN: Duration = Duration::from_secs(1);

/// The one owner of all pools: takes probes' reports and the state of the
/// director's own link, and tells reconcile which weights follow.
pub(crate) struct HealthTask {
    /// By service, as [`RealServerId`] numbers them.
    pools: Vec<Pool>,
    timers: Timers,
    own_fault: OwnFault,
    link_up: bool,
    /// By probe: the real servers that it speaks of.
    subscribers: Vec<Vec<RealServerId>>,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    intent: Arc<Intent>,
}

impl HealthTask {
    /// All real servers without a verdict, and with the weights that the
    /// snapshot has as desired.
    pub(crate) fn new(
        config: &Config,
        targets: &[ProbeTarget],
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
        let is_sorry = |id: RealServerId| {
            let service = config.virtual_services.get(id.service_index());
            service.is_some_and(|service| service.real_servers.len() == id.real_server_index())
        };
        let served = |id: RealServerId| {
            let records = snapshot.records(id);
            records.is_some_and(|(_, record)| record.live.lock().desired != Weight::ZERO)
        };
        let subscribers = targets
            .iter()
            .map(|target| target.subscribers.clone())
            .collect();
        Self {
            timers: Timers::new(pools.len()),
            pools,
            own_fault: OwnFault::new(targets, is_sorry, served),
            link_up: true,
            subscribers,
            snapshot,
            metrics,
            intent,
        }
    }

    /// Works until no probe can report any more.
    pub(crate) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut link_up: watch::Receiver<bool>,
        liveness: Arc<Liveness>,
    ) {
        loop {
            let now = clock::monotonic();
            liveness.beat(Loop::Health, now);
            self.on_time(now);
            let due = self.timers.next();
            let wait = due.map_or(TURN, |due| due.saturating_duration_since(now).min(TURN));
            tokio::select! {
                biased;
                Ok(()) = link_up.changed() => {
                    let up = *link_up.borrow_and_update();
                    self.on_link(up, clock::monotonic());
                }
                report = timeout(wait, reports.recv()) => match report {
                    Ok(Some(report)) => self.on_report(&report, clock::monotonic()),
                    Ok(None) => return,
                    Err(_) => {}
                }
            }
        }
    }

    fn on_report(&mut self, report: &Report, now: Instant) {
        let Ok(probe) = usize::try_from(report.probe.0) else {
            return;
        };
        let evidence = evidence(report.outcome.result);
        if let Some(passed) = evidence {
            self.own_fault.on_outcome(probe, passed, now);
            self.hold_or_release(now);
        }
        let Some(subscribers) = self.subscribers.get_mut(probe) else {
            return;
        };
        let subscribers = std::mem::take(subscribers);
        for id in &subscribers {
            self.on_outcome(*id, report, evidence, now);
        }
        if let Some(place) = self.subscribers.get_mut(probe) {
            *place = subscribers;
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
        let transition = match (self.pools.get_mut(index), evidence) {
            (Some(pool), Some(passed)) => pool.on_outcome(place, passed, report.started, now),
            (None, _) | (_, None) => None,
        };
        let Some(transition) = transition else {
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
        let failed = transition.first_failure.map(|first| (place, first));
        let changes = self.settle(index, failed, now);
        if let Some(pool) = self.pools.get(index) {
            let weight = pool.wanted(place).unwrap_or(Weight::ZERO);
            announce(&service.name, &record.name, transition, report, weight);
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

fn announce(
    service: &str,
    real_server: &str,
    transition: Transition,
    report: &Report,
    weight: Weight,
) {
    let Transition {
        from, to, outcomes, ..
    } = transition;
    let detail = &report.outcome.detail;
    match to {
        Health::Down => warn!(
            service, real_server, %from, %weight,
            "real server down: {outcomes} probes in a row failed, the last with: {detail}"
        ),
        Health::Up | Health::Unknown => info!(
            service, real_server, %from, %weight,
            "real server up: {outcomes} probes in a row passed"
        ),
    }
}

#[cfg(test)]
mod tests;
