use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::{Health, Machine, Transition, weight};
use crate::clock;
use crate::config::Config;
use crate::intent::{Intent, WeightChange};
use crate::liveness::{Liveness, Loop};
use crate::metrics::Metrics;
use crate::model::{RealServerId, Weight};
use crate::probe::{Outcome, Pace, PaceCell, ProbeResult, ProbeTarget, Report};
use crate::snapshot::Snapshot;

/// How often the loop turns when no report comes, to show that it can.
const TURN: Duration = Duration::from_secs(1);

/// The one owner of all health machines: takes probes' reports, and tells
/// reconcile which weights the verdicts ask for.
pub(crate) struct HealthTask {
    /// By service and real server, as [`RealServerId`] numbers them.
    machines: Vec<Vec<Machine>>,
    /// By probe: the real servers that it speaks of.
    subscribers: Vec<Vec<RealServerId>>,
    /// By probe: how urgent its next outcome is.
    paces: Vec<Arc<PaceCell>>,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    intent: Arc<Intent>,
}

impl HealthTask {
    /// All real servers without a verdict.
    pub(crate) fn new(
        config: &Config,
        targets: &[ProbeTarget],
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
        intent: Arc<Intent>,
    ) -> Self {
        let services = config.virtual_services.iter();
        let machines = services
            .map(|service| {
                let machine = Machine::new(service.check.rise, service.check.fall);
                vec![machine; service.real_servers.len()]
            })
            .collect();
        let subscribers = targets
            .iter()
            .map(|target| target.subscribers.clone())
            .collect();
        let paces = targets.iter().map(|target| Arc::clone(&target.spec.pace));
        let paces = paces.collect();
        Self {
            machines,
            subscribers,
            paces,
            snapshot,
            metrics,
            intent,
        }
    }

    /// Works until no probe can report any more.
    pub(crate) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        liveness: Arc<Liveness>,
    ) {
        loop {
            liveness.beat(Loop::Health, clock::monotonic());
            match timeout(TURN, reports.recv()).await {
                Ok(Some(report)) => self.on_report(&report),
                Ok(None) => return,
                Err(_) => {}
            }
        }
    }

    fn on_report(&mut self, report: &Report) {
        let probe = usize::try_from(report.probe.0).ok();
        let Some(subscribers) = probe.and_then(|probe| self.subscribers.get(probe)) else {
            return;
        };
        let mut pace = None;
        for id in subscribers {
            let Some((service, record)) = self.snapshot.records(*id) else {
                continue;
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
            let Some(machine) = machine(&mut self.machines, *id) else {
                continue;
            };
            let transition = match evidence(report.outcome.result) {
                Some(passed) => machine.on_outcome(passed, report.started),
                None => None,
            };
            pace = Some(pace.map_or(machine.pace(), |pace: Pace| pace.and(machine.pace())));
            let Some(transition) = transition else {
                continue;
            };
            let wanted = weight(transition.to, record.configured, Weight::ZERO);
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
            announce(
                &service.name,
                &record.name,
                transition,
                &report.outcome,
                wanted,
            );
            let first_failure = transition.first_failure;
            self.intent.set(
                *id,
                WeightChange {
                    weight: wanted,
                    first_failure,
                },
            );
        }
        let cell = probe.and_then(|probe| self.paces.get(probe));
        if let Some((cell, pace)) = cell.zip(pace) {
            cell.set(pace);
        }
    }
}

fn machine(machines: &mut [Vec<Machine>], id: RealServerId) -> Option<&mut Machine> {
    let service = machines.get_mut(id.service_index())?;
    service.get_mut(id.real_server_index())
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

fn announce(
    service: &str,
    real_server: &str,
    transition: Transition,
    outcome: &Outcome,
    weight: Weight,
) {
    let Transition {
        from, to, outcomes, ..
    } = transition;
    let detail = &outcome.detail;
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
