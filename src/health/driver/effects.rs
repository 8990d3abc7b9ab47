//! What the driver does for each effect.

use std::sync::Arc;

use tracing::debug;

use super::Driver;
use super::log::log;
use crate::health::effect::{Effect, RealServerChange};
use crate::model::{AdminState, Health, RealServerId};
use crate::notify::{Event, EventKind};
use crate::runtime::clock;
use crate::runtime::liveness::Loop;
use crate::status::{RealServerRecord, ServiceRecord, Snapshot, TransitionRecord};

impl Driver {
    pub(super) fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Weights(weights) => self.weight_updates.set(weights),
            Effect::Replaced { service, replaced } => {
                self.weight_updates.set_replaced(service, replaced);
            }
            Effect::CountConnections(draining) => self.weight_updates.set_draining(draining),
            Effect::ProbeRate(probe, rate) => {
                if let Some(cell) = self.rates.get(&probe) {
                    cell.set(rate);
                }
            }
            Effect::UnresponsiveHosts(hosts) => {
                if let Some(unresponsive) = &self.unresponsive {
                    unresponsive.send_replace(hosts);
                }
            }
            Effect::RealServer(id, change) => self.show(id, change),
            Effect::Pool(service, status) => {
                if let Some(record) = self.snapshot.services.get(service) {
                    record.pool.lock().status = status;
                }
            }
            Effect::Frozen(reasons) => *self.snapshot.frozen.lock() = reasons,
            Effect::RealServerEvent(kind, id, detail) => {
                if let Some((service, record)) = self.snapshot.records(id) {
                    let event = Event::of_real_server(kind, service, record, &detail);
                    self.events.emit(event);
                    self.note_transition(kind, (service, record), detail);
                }
            }
            Effect::ServiceEvent(kind, service, detail) => {
                if let Some(record) = self.snapshot.services.get(service) {
                    self.events.emit(Event::of_service(kind, record, detail));
                }
            }
            Effect::Log(line) => log(&line),
            Effect::ProbesAlive => {
                if let Some(liveness) = &self.liveness {
                    liveness.beat(Loop::Probes, clock::monotonic());
                }
            }
            // The answer to the one who asked for the reload.
            Effect::Reloaded { .. } => {}
        }
    }

    fn show(&self, id: RealServerId, change: RealServerChange) {
        let Some((service, record)) = self.snapshot.records(id) else {
            return;
        };
        let mut live = record.live.lock();
        match change {
            RealServerChange::Probe(report) => {
                live.note_probe(&report);
                drop(live);
                let outcome = &report.outcome;
                debug!(
                    service = &*service.name,
                    real_server = &*record.name,
                    result = outcome.result.as_str(),
                    reason = outcome.detail,
                    "probe"
                );
                self.metrics
                    .probe_finished(id.service_index(), outcome.duration);
            }
            RealServerChange::Health { health, at } => {
                live.health = health;
                live.since = at;
                live.counters.count_transition(health, at);
            }
            RealServerChange::Learned {
                health, diagnosis, ..
            } => (live.health, live.diagnosis) = (health, diagnosis),
            RealServerChange::Diagnosis(diagnosis) => live.diagnosis = diagnosis,
            RealServerChange::Advised(weight) => live.advised = weight,
            RealServerChange::Quiesced(quiesced) => live.quiesced = quiesced,
            RealServerChange::OperatorWeight(weight) => live.operator_weight = weight,
            RealServerChange::Admin {
                admin,
                deadline,
                decision,
            } => {
                (live.admin, live.drain_deadline) = (admin, deadline);
                let is_drained = admin != AdminState::Enabled;
                live.decision = is_drained.then_some(decision);
                drop(live);
                self.drain_changes.send_replace(());
            }
        }
    }

    /// Records the event if it is a transition. Its health and diagnosis are shown already.
    fn note_transition(
        &self,
        kind: EventKind,
        (service, record): (&ServiceRecord, &RealServerRecord),
        reason: String,
    ) {
        if !matches!(kind, EventKind::RealServerUp | EventKind::RealServerDown) {
            return;
        }
        let live = record.live.lock();
        self.snapshot.transitions.note(TransitionRecord {
            at: live.since,
            service: Arc::clone(&service.name),
            real_server: Arc::clone(&record.name),
            to: live.health,
            reason,
            diagnosis: live.diagnosis.filter(|_| live.health == Health::Down),
        });
    }

    /// Shows the last probe of a real server that another configuration has in another service.
    pub(super) fn take_over_probe(&self, before: &Snapshot, effect: &Effect) {
        if let Effect::RealServer(id, RealServerChange::Learned { from, .. }) = effect
            && let Some((_, other)) = before.records(*from)
            && let Some((_, record)) = self.snapshot.records(*id)
        {
            let (observation, last_probe) = {
                let other = other.live.lock();
                (other.observation, other.last_probe.clone())
            };
            let mut live = record.live.lock();
            (live.observation, live.last_probe) = (observation, last_probe);
        }
    }
}
