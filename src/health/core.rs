//! The decisions of health: one function of state, input and time to effects. Pure.

mod operator;
mod reload;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Transition;
use super::announcer::Announcer;
use super::drains::DrainTracker;
use super::effect::{Effect, RealServerChange, WeightChange};
use super::freeze::Freeze;
use super::input::Input;
use super::inventory::Inventory;
use super::log_line::{self, Level, LogLine};
use super::mass_failure::MassFailureDetector;
use super::pool::{Handling, Pool};
use super::probe_errors::{ProbeErrorChange, ProbeErrorLog};
use super::probe_loops::ProbeLoops;
use super::symptoms::{Circumstances, Symptoms};
use super::timers::Timers;
use super::unresponsive::UnresponsiveHosts;
use crate::diagnosis::Fix;
use crate::model::{ArpConflicts, FreezeReason, Health, PoolStatus, RealServerId, Weight};
use crate::notify::EventKind;
use crate::probe::{ProbeId, ProbeRate, Report};

/// A probe, and the real servers that it speaks of.
#[derive(Debug)]
struct Subscription {
    /// The number of the probe in [`MassFailureDetector`].
    index: usize,
    real_servers: Arc<[RealServerId]>,
    /// The rate that was last asked for.
    rate: Option<ProbeRate>,
}

/// All that health knows.
pub(crate) struct Core {
    inventory: Inventory,
    /// By service, as [`RealServerId`] numbers them.
    pools: Vec<Pool>,
    /// Of each service, whether it serves without what left it, as was last said.
    replaced: Vec<bool>,
    /// By service and real server, the sorry server last.
    symptoms: Vec<Vec<Symptoms>>,
    timers: Timers,
    subscriptions: BTreeMap<ProbeId, Subscription>,
    mass_failure: MassFailureDetector,
    probe_loops: ProbeLoops,
    probe_errors: ProbeErrorLog,
    link: Option<FreezeReason>,
    freeze: Freeze,
    arp_conflicts: ArpConflicts,
    unresponsive: UnresponsiveHosts,
    present: BTreeSet<IpAddr>,
    drains: DrainTracker,
    announcer: Announcer,
}

impl Core {
    /// Decides on one input. No method else changes the state.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Report(report) => self.on_report(&report, now, &mut effects),
            Input::Link(reason) => {
                self.link = reason;
                self.update_freeze(now, &mut effects);
            }
            Input::ArpConflicts(conflicts) => self.on_arp_conflicts(conflicts, now, &mut effects),
            Input::HostsPresent(present) => self.on_present(present, now, &mut effects),
            Input::Loads(loads) => {
                let pools = &self.pools;
                let is_removed = |id: RealServerId| {
                    let pool = pools.get(id.service_index());
                    pool.is_some_and(|pool| pool.is_removed(id.real_server_index()))
                };
                let ended = self.drains.take_idle(&loads, is_removed);
                self.end_drains(ended, "no active connection is left", now, &mut effects);
            }
            Input::SetAdmin {
                real_servers,
                admin,
                deadline,
                decision,
            } => {
                for id in real_servers {
                    self.set_admin(id, (admin, deadline), &decision, now, &mut effects);
                }
            }
            Input::SetWeight {
                real_servers,
                weight,
                decision,
                is_new,
            } => {
                for id in real_servers {
                    self.set_weight(id, weight, (&decision, is_new), now, &mut effects);
                }
            }
            Input::Reload(configuration) => self.reload(configuration, now, &mut effects),
            Input::Tick => self.on_tick(now, &mut effects),
        }
        let unresponsive = self.unresponsive.take_changed();
        effects.extend(unresponsive.map(Effect::UnresponsiveHosts));
        let drains = self.drains.take_changed();
        effects.extend(drains.map(Effect::CountConnections));
        effects
    }

    /// When [`Input::Tick`] has something to do, at the latest. After a tick at `now` this is
    /// later than `now`.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.timers.next(),
            self.probe_errors.next_deadline(),
            self.announcer.next_deadline(),
            self.drains.next_deadline(),
            Some(self.probe_loops.next_check()),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Whether a real server of the virtual service gets new connections.
    pub(super) fn serves(&self, service: usize) -> bool {
        self.pools.get(service).is_some_and(Pool::serves)
    }

    fn on_tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(index) = self.timers.take_due(now) {
            self.recompute(index, None, now, effects);
        }
        while let Some((probe, change)) = self.probe_errors.take_due(now) {
            self.log_probe_error(probe, change, None, effects);
        }
        effects.extend(self.announcer.take_due(now).map(Effect::Log));
        self.check_probe_loops(now, effects);
        let ended = self.drains.take_overdue(now);
        self.end_drains(ended, "its deadline has passed", now, effects);
    }

    fn check_probe_loops(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Some(stuck) = self.probe_loops.look(now) else {
            return;
        };
        if let Some((probe, silence)) = stuck.new
            && let Some(first) = self.first_subscriber(probe)
            && let Some(names) = self.inventory.names(first)
        {
            effects.push(Effect::Log(LogLine {
                number: Some(stuck.number),
                silent_for: Some(silence),
                ..names.line(
                    Level::Error,
                    "a probe has not reported: its task has ended or hangs, and the health of its \
                     real servers stays as it is; the watchdog is left to restart the agent",
                )
            }));
        }
        if stuck.number == 0 {
            effects.push(Effect::ProbesAlive);
        }
    }

    fn first_subscriber(&self, probe: ProbeId) -> Option<RealServerId> {
        let subscription = self.subscriptions.get(&probe)?;
        subscription.real_servers.first().copied()
    }

    fn on_report(&mut self, report: &Arc<Report>, now: Instant, effects: &mut Vec<Effect>) {
        self.probe_loops.reported(report.probe, now);
        let Some(subscription) = self.subscriptions.get(&report.probe) else {
            return;
        };
        let (index, real_servers) = (subscription.index, Arc::clone(&subscription.real_servers));
        if let Some(change) = self.probe_errors.note(report.probe, &report.outcome, now) {
            let fix = report.outcome.fix.as_ref();
            self.log_probe_error(report.probe, change, fix, effects);
        }
        let passed = report.outcome.result.evidence();
        if let Some(passed) = passed {
            self.mass_failure.on_outcome(index, passed, now);
        }
        self.update_freeze(now, effects);
        for id in real_servers.iter() {
            self.on_outcome(*id, report, passed, now, effects);
        }
        self.update_rate(report.probe, effects);
    }

    /// `fix` is what the probe has found to be done. Without it, the line has the fix of the last
    /// probe that counted.
    fn log_probe_error(
        &self,
        probe: ProbeId,
        change: ProbeErrorChange,
        fix: Option<&Arc<Fix>>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(first) = self.first_subscriber(probe) else {
            return;
        };
        let (Some(names), Some((_, key)), Some(symptoms)) = (
            self.inventory.names(first),
            self.inventory.key(first),
            self.symptoms(first),
        ) else {
            return;
        };
        let fix = fix.or(symptoms.fix.as_ref());
        let fix = fix.map(|fix| fix.for_real_server(key.0.ip()).to_string());
        effects.push(Effect::Log(log_line::probe_error(names, change, fix)));
    }

    /// The most urgent real server decides how soon the next result of a probe is needed.
    fn update_rate(&mut self, probe: ProbeId, effects: &mut Vec<Effect>) {
        let Some(subscription) = self.subscriptions.get_mut(&probe) else {
            return;
        };
        let pools = &self.pools;
        let rates = subscription.real_servers.iter().filter_map(|id| {
            let pool = pools.get(id.service_index())?;
            pool.rate(id.real_server_index())
        });
        let rate = rates.reduce(ProbeRate::and);
        if let Some(rate) = rate.filter(|rate| subscription.rate != Some(*rate)) {
            subscription.rate = Some(rate);
            effects.push(Effect::ProbeRate(probe, rate));
        }
    }

    fn on_outcome(
        &mut self,
        id: RealServerId,
        report: &Arc<Report>,
        passed: Option<bool>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let change = RealServerChange::Probe(Arc::clone(report));
        effects.push(Effect::RealServer(id, change));
        let Some(symptoms) = self.symptoms_mut(id) else {
            return;
        };
        symptoms.note(&report.outcome);
        let loss = symptoms.observation.loss();
        self.note_unresponsive(id);
        self.diagnose(id, now, effects);
        let (service, member) = (id.service_index(), id.real_server_index());
        let Some(pool) = self.pools.get_mut(service) else {
            return;
        };
        let is_worse = pool.set_loss(member, loss, report.started);
        let advice = report.outcome.advice;
        let share = advice.and_then(|advice| pool.on_advice(member, advice));
        if advice.is_some() {
            let advised = RealServerChange::Advised(pool.advised(member));
            effects.push(Effect::RealServer(id, advised));
        }
        let transition =
            passed.and_then(|passed| pool.on_outcome(member, passed, report.started, now));
        if let (Some(share), Some(names)) = (share, self.inventory.names(id)) {
            let detail = &report.outcome.detail;
            let line = self.announcer.advice(names, share, detail, now);
            effects.extend(line.map(Effect::Log));
        }
        if let Some(transition) = transition {
            self.on_transition(id, transition, report, now, effects);
        } else if share.is_some() || is_worse {
            self.recompute(service, None, now, effects);
        }
    }

    fn on_transition(
        &mut self,
        id: RealServerId,
        transition: Transition,
        report: &Report,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let (service, member) = (id.service_index(), id.real_server_index());
        let health = RealServerChange::Health {
            health: transition.to,
            at: report.at,
        };
        effects.push(Effect::RealServer(id, health));
        if let Some(symptoms) = self.symptoms_mut(id) {
            symptoms.transition(transition.to);
        }
        let reason = log_line::reason(transition, &report.outcome);
        let failed = transition.first_failure.map(|first| (member, first));
        let before = self.pools.get(service).map(Pool::status);
        self.recompute_weights(service, failed, now, effects);
        let Some(pool) = self.pools.get(service) else {
            return;
        };
        let weight = pool.wanted(member).unwrap_or(Weight::ZERO);
        self.log_transition(id, transition, weight, &reason, now, effects);
        self.warn_of_refused_clients(id, transition.to, weight, effects);
        let kind = match transition.to {
            Health::Down => EventKind::RealServerDown,
            Health::Up | Health::Unknown => EventKind::RealServerUp,
        };
        effects.push(Effect::RealServerEvent(kind, id, reason));
        self.log_pool_status(service, before, now, effects);
    }

    fn log_transition(
        &mut self,
        id: RealServerId,
        transition: Transition,
        weight: Weight,
        reason: &str,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(names) = self.inventory.names(id) else {
            return;
        };
        let symptoms = self.symptoms(id).filter(|_| transition.to == Health::Down);
        let diagnosis = symptoms.and_then(|symptoms| symptoms.diagnosis);
        let subject = self.inventory.subject(id);
        let fix = symptoms.and_then(|symptoms| symptoms.suggested_fix(subject?));
        let pool = self.pools.get(id.service_index());
        let damped_rise = pool.and_then(|pool| pool.damped_rise(id.real_server_index(), now));
        let cause = (diagnosis, fix.as_ref());
        let effect = (weight, reason);
        let announcer = &mut self.announcer;
        let line = announcer.transition(names, transition, cause, effect, damped_rise, now);
        effects.push(Effect::Log(line));
    }

    fn warn_of_refused_clients(
        &self,
        id: RealServerId,
        to: Health,
        weight: Weight,
        effects: &mut Vec<Effect>,
    ) {
        let (Some(service), Some(names)) = (self.inventory.service(id), self.inventory.names(id))
        else {
            return;
        };
        if (to, weight) == (Health::Down, Weight::ZERO)
            && crate::plan::desired::refuses_clients(service)
        {
            effects.push(Effect::Log(LogLine {
                scheduler: Some(service.scheduler.to_string()),
                ..names.line(
                    Level::Warn,
                    "the scheduler refuses the clients of this real server while it is down: \
                     `scheduler_flags: [fallback]` gives them to others",
                )
            }));
        }
    }

    /// Freezes all weights while there is a reason to.
    fn update_freeze(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut reasons = BTreeSet::new();
        reasons.extend(self.link);
        reasons.extend(
            self.mass_failure
                .suspected()
                .then_some(FreezeReason::Probes),
        );
        reasons.extend(
            self.probe_errors
                .clock_is_wrong()
                .then_some(FreezeReason::Clock),
        );
        let Some(change) = self.freeze.set(reasons) else {
            return;
        };
        for reason in change.began {
            let why = match (reason, &self.inventory.config().director.link) {
                (FreezeReason::NoInterface, Some(interface)) => {
                    format!("there is no interface `{interface}`")
                }
                (reason, _) => reason.to_string(),
            };
            effects.push(Effect::Log(LogLine {
                reason: Some(why),
                ..LogLine::new(Level::Warn, reason.what())
            }));
        }
        if change.clock_ended {
            let message = "the director's clock freezes no health any longer";
            effects.push(Effect::Log(LogLine::new(Level::Info, message)));
        }
        effects.push(Effect::Frozen(change.reasons));
        let Some(frozen) = change.frozen else {
            return;
        };
        if !frozen {
            let message = "weights are frozen no longer: only probes that begin from now on count";
            effects.push(Effect::Log(LogLine::new(Level::Info, message)));
        }
        for pool in &mut self.pools {
            pool.set_frozen(frozen, now);
        }
        for index in 0..self.pools.len() {
            self.recompute(index, None, now, effects);
        }
    }

    fn on_arp_conflicts(
        &mut self,
        conflicts: ArpConflicts,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        self.arp_conflicts = conflicts;
        let ids: Vec<_> = self.inventory.ids().map(|(_, id)| id).collect();
        for id in ids {
            self.diagnose(id, now, effects);
        }
        for index in self.mark_arp_conflicts() {
            self.recompute(index, None, now, effects);
        }
    }

    /// Tells the pools which real servers answer for the VIP, if the configuration quiesces them.
    /// The answer is the services for which that has changed.
    fn mark_arp_conflicts(&mut self) -> Vec<usize> {
        use crate::config::OnArpConflict;
        let quiesces = self.inventory.config().director.on_arp_conflict == OnArpConflict::Quiesce;
        let mut changed = Vec::new();
        let services = self.inventory.services().iter().zip(&mut self.pools);
        for (index, (service, pool)) in services.enumerate() {
            let Some(vip) = service.key.vip() else {
                continue;
            };
            let mut is_new = false;
            for (member, real_server) in service.real_servers.iter().enumerate() {
                let conflict =
                    quiesces && self.arp_conflicts.contains(&(vip, real_server.key.0.ip()));
                is_new |= pool.set_arp_conflict(member, conflict);
            }
            if is_new {
                changed.push(index);
            }
        }
        changed
    }

    fn on_present(&mut self, present: BTreeSet<IpAddr>, now: Instant, effects: &mut Vec<Effect>) {
        let before = std::mem::replace(&mut self.present, present);
        let changed = |ip: &IpAddr| before.contains(ip) != self.present.contains(ip);
        let ids = self.inventory.ids();
        let ids = ids.filter(|((_, key), _)| changed(&key.0.ip()));
        let ids: Vec<_> = ids.map(|(_, id)| id).collect();
        for id in ids {
            self.diagnose(id, now, effects);
        }
    }

    fn diagnose(&mut self, id: RealServerId, now: Instant, effects: &mut Vec<Effect>) {
        let (Some((service, key)), Some(pool)) =
            (self.inventory.key(id), self.pools.get(id.service_index()))
        else {
            return;
        };
        let machine = pool.machine(id.real_server_index());
        let health = machine.map_or(Health::Unknown, super::Machine::health);
        let (vip, rip) = (service.vip(), key.0.ip());
        let circumstances = Circumstances {
            arp_conflict: vip.is_some_and(|vip| self.arp_conflicts.contains(&(vip, rip))),
            present: self.present.contains(&rip),
            frozen: self.freeze.is_frozen(),
        };
        let subject = self.inventory.subject(id);
        let Some(symptoms) = self.symptoms_mut(id) else {
            return;
        };
        let before = symptoms.diagnosis;
        let to_log = symptoms.diagnose(health, circumstances);
        if symptoms.diagnosis != before {
            let change = RealServerChange::Diagnosis(symptoms.diagnosis);
            effects.push(Effect::RealServer(id, change));
        }
        let (Some(diagnosis), Some(subject)) = (to_log, subject) else {
            return;
        };
        let fix = symptoms.suggested_fix(subject);
        let Some(names) = self.inventory.names(id) else {
            return;
        };
        let announcer = &mut self.announcer;
        let line = announcer.other_diagnosis(names, diagnosis, fix.as_ref(), now);
        effects.extend(line.map(Effect::Log));
    }

    fn note_unresponsive(&mut self, id: RealServerId) {
        if let (Some((_, key)), Some(symptoms)) = (self.inventory.key(id), self.symptoms(id)) {
            let unresponsive = symptoms.is_unresponsive();
            self.unresponsive.set(key.0.ip(), id, unresponsive);
        }
    }

    /// Computes the weights of a pool, and logs how its status has changed.
    fn recompute(
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
    fn recompute_weights(
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

    fn log_pool_status(
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
        effects.extend(lines.into_iter().map(Effect::Log));
        let events = log_line::pool_events(before, after);
        effects.extend(events.map(|(kind, detail)| Effect::ServiceEvent(kind, index, detail)));
    }

    /// Shows and logs which real servers have weight 0 since they answer for the VIP.
    fn update_quiesced(&mut self, index: usize, now: Instant, effects: &mut Vec<Effect>) {
        let (Some(pool), Some(all)) = (self.pools.get(index), self.symptoms.get_mut(index)) else {
            return;
        };
        for (member, symptoms) in all.iter_mut().enumerate() {
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
            effects.extend(line.map(Effect::Log));
        }
    }

    fn symptoms(&self, id: RealServerId) -> Option<&Symptoms> {
        let service = self.symptoms.get(id.service_index())?;
        service.get(id.real_server_index())
    }

    fn symptoms_mut(&mut self, id: RealServerId) -> Option<&mut Symptoms> {
        let service = self.symptoms.get_mut(id.service_index())?;
        service.get_mut(id.real_server_index())
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

#[cfg(test)]
mod tests;
