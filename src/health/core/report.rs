//! What the report of a probe changes.

use std::sync::Arc;
use std::time::Instant;

use super::Core;
use crate::diagnosis::Fix;
use crate::health::Transition;
use crate::health::effect::{Effect, RealServerChange};
use crate::health::log_line::{self, Level, LogLine};
use crate::health::pool::Pool;
use crate::health::probe_errors::ProbeErrorChange;
use crate::model::{Health, RealServerId, Weight};
use crate::notify::EventKind;
use crate::plan::desired;
use crate::probe::{ProbeId, ProbeRate, ProbeReport};

impl Core {
    pub(super) fn on_report(
        &mut self,
        report: &Arc<ProbeReport>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        self.probe_loops.reported(report.probe, now);
        let Some(subscription) = self.subscriptions.get(&report.probe) else {
            return;
        };
        let subscribers = Arc::clone(&self.subscribers);
        let index = subscription.index as usize;
        let real_servers = subscription.of(&subscribers);
        if let Some(change) = self.probe_errors.note(report.probe, &report.outcome, now) {
            let fix = report.outcome.fix.as_ref();
            self.log_probe_error(report.probe, change, fix, effects);
        }
        let passed = report.outcome.result.evidence();
        self.mass_failure.on_outcome(index, &report.outcome, now);
        self.update_freeze(now, effects);
        for id in real_servers {
            self.on_outcome(*id, report, passed, now, effects);
        }
        self.update_rate(report.probe, effects);
    }

    /// `fix` is what the probe has found to be done. Without it, the line has the fix of the last
    /// probe that counted.
    pub(super) fn log_probe_error(
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
            self.symptoms.get(first),
        ) else {
            return;
        };
        let fix = fix.or(symptoms.fix.as_ref());
        let fix = fix.map(|fix| fix.for_real_server(key.0.ip()).to_string());
        effects.push(Effect::log(log_line::probe_error(names, change, fix)));
    }

    /// The most urgent real server decides how soon the next result of a probe is needed.
    pub(super) fn update_rate(&mut self, probe: ProbeId, effects: &mut Vec<Effect>) {
        let Some(subscription) = self.subscriptions.get_mut(&probe) else {
            return;
        };
        let pools = &self.pools;
        let rates = subscription.of(&self.subscribers).iter().filter_map(|id| {
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
        report: &Arc<ProbeReport>,
        passed: Option<bool>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let change = RealServerChange::Probe(Arc::clone(report));
        effects.push(Effect::RealServer(id, change));
        let Some(symptoms) = self.symptoms.get_mut(id) else {
            return;
        };
        symptoms.note(&report.outcome);
        let unavailability = symptoms.observation.unavailability();
        self.note_unresponsive(id);
        self.diagnose(id, now, effects);
        let (service, member) = (id.service_index(), id.real_server_index());
        let Some(pool) = self.pools.get_mut(service) else {
            return;
        };
        let is_worse = pool.set_unavailability(member, unavailability, report.started);
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
            effects.extend(line.map(Effect::log));
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
        report: &ProbeReport,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let (service, member) = (id.service_index(), id.real_server_index());
        let health = RealServerChange::Health {
            health: transition.to,
            at: report.at,
        };
        effects.push(Effect::RealServer(id, health));
        if let Some(symptoms) = self.symptoms.get_mut(id) {
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
        let symptoms = self
            .symptoms
            .get(id)
            .filter(|_| transition.to == Health::Down);
        let diagnosis = symptoms.and_then(|symptoms| symptoms.diagnosis);
        let subject = self.inventory.subject(id);
        let fix = symptoms.and_then(|symptoms| symptoms.suggested_fix(subject?));
        let pool = self.pools.get(id.service_index());
        let damped_rise = pool.and_then(|pool| pool.damped_rise(id.real_server_index(), now));
        let cause = (diagnosis, fix.as_ref());
        let effect = (weight, reason);
        let announcer = &mut self.announcer;
        let line = announcer.transition(names, transition, cause, effect, damped_rise, now);
        effects.push(Effect::log(line));
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
        if (to, weight) == (Health::Down, Weight::ZERO) && desired::refuses_clients(service) {
            effects.push(Effect::log(LogLine {
                scheduler: Some(service.scheduler.to_string()),
                ..names.line(
                    Level::Warn,
                    "the scheduler refuses the clients of this real server while it is down: \
                     `scheduler_flags: [fallback]` gives them to others",
                )
            }));
        }
    }
}
