use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::unmade::Unmade;
use super::{Health, Machine, Transition, weight};
use crate::clock;
use crate::config::Config;
use crate::intent::{Intent, WeightChange};
use crate::liveness::{Liveness, Loop};
use crate::metrics::Metrics;
use crate::model::{RealServerId, Weight};
use crate::notify::{Event, EventKind, Events};
use crate::probe::{Outcome, ProbeResult, ProbeTarget, Report};
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
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    intent: Arc<Intent>,
    events: Arc<Events>,
    unmade: Unmade,
}

impl HealthTask {
    /// All real servers without a verdict.
    pub(crate) fn new(
        config: &Config,
        targets: &[ProbeTarget],
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
        intent: Arc<Intent>,
        events: Arc<Events>,
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
        Self {
            machines,
            subscribers,
            snapshot,
            metrics,
            intent,
            events,
            unmade: Unmade::default(),
        }
    }

    /// Works until no probe can report any more.
    pub(crate) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        liveness: Arc<Liveness>,
    ) {
        loop {
            let now = clock::monotonic();
            liveness.beat(Loop::Health, now);
            if let Some(probes) = self.unmade.over(now) {
                info!("probes can be made again; {probes} could not");
            }
            match timeout(TURN, reports.recv()).await {
                Ok(Some(report)) => {
                    liveness.beat(Loop::Probes, clock::monotonic());
                    self.on_report(&report);
                }
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
        let outcome = &report.outcome;
        if outcome.result == ProbeResult::Internal && self.unmade.note(clock::monotonic()) {
            warn!(
                "probes cannot be made on this host, and verdicts stay as they are: {}",
                outcome.detail
            );
        }
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
            let reason = reason(transition, &report.outcome);
            announce(&service.name, &record.name, transition, wanted, &reason);
            let kind = match transition.to {
                Health::Down => EventKind::RealServerDown,
                Health::Up | Health::Unknown => EventKind::RealServerUp,
            };
            self.events
                .emit(Event::of_real_server(kind, service, record, &reason));
            let first_failure = transition.first_failure;
            self.intent.set(
                *id,
                WeightChange {
                    weight: wanted,
                    first_failure,
                },
            );
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

/// Why the verdict changed.
fn reason(transition: Transition, outcome: &Outcome) -> String {
    let Transition { to, outcomes, .. } = transition;
    match to {
        Health::Down => {
            let detail = &outcome.detail;
            format!("{outcomes} probes in a row failed, the last with: {detail}")
        }
        Health::Up | Health::Unknown => format!("{outcomes} probes in a row passed"),
    }
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
mod tests;
