use std::collections::BTreeSet;
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
use crate::notify::{Event, EventKind, Events};
use crate::probe::{Outcome, ProbeId, ProbeResult, ProbeTarget, Report};
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
    /// The probes of which the newest could not be made.
    unmade: BTreeSet<ProbeId>,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    intent: Arc<Intent>,
    events: Arc<Events>,
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
        Self {
            machines,
            subscribers,
            unmade: BTreeSet::new(),
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

    /// Works until no probe can report any more.
    pub(crate) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        liveness: Arc<Liveness>,
    ) {
        loop {
            liveness.beat(Loop::Health, clock::monotonic());
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
        note_unmade(&mut self.unmade, report);
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
