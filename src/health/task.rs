use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::{Health, Machine, Transition, Verdicts, weight};
use crate::clock;
use crate::config::Config;
use crate::intent::{Intent, WeightChange};
use crate::liveness::{Liveness, Loop};
use crate::metrics::Metrics;
use crate::model::{RealServerId, Weight};
use crate::probe::{Outcome, ProbeId, ProbeResult, Report};
use crate::snapshot::Snapshot;

/// How often the loop turns when no report comes, to show that it can.
const TURN: Duration = Duration::from_secs(1);

/// The real servers that each probe speaks of.
pub(crate) type Subscribers = BTreeMap<ProbeId, Vec<RealServerId>>;

/// Another configuration.
pub(crate) struct Change {
    pub(crate) config: Arc<Config>,
    pub(crate) probes: Subscribers,
    pub(crate) loaded_at: SystemTime,
    pub(crate) metrics: Arc<Metrics>,
    /// Where the wanted weights are put from now on.
    pub(crate) intent: Arc<Intent>,
    /// Told what is known of the new configuration's real servers.
    pub(crate) done: oneshot::Sender<Handover>,
}

/// What is known of a new configuration's real servers when it takes over.
pub(crate) struct Handover {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) verdicts: Verdicts,
}

/// The one owner of all health machines: takes probes' reports, and tells
/// reconcile which weights the verdicts ask for.
pub(crate) struct HealthTask {
    /// By service and real server, as [`RealServerId`] numbers them.
    machines: Vec<Vec<Machine>>,
    /// The real servers that each probe speaks of.
    subscribers: Subscribers,
    config: Arc<Config>,
    /// The probes of which the newest could not be made.
    unmade: BTreeSet<ProbeId>,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    intent: Arc<Intent>,
}

impl HealthTask {
    /// All real servers without a verdict.
    pub(crate) fn new(
        config: Arc<Config>,
        probes: Subscribers,
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
        Self {
            machines,
            subscribers: probes,
            config,
            unmade: BTreeSet::new(),
            snapshot,
            metrics,
            intent,
        }
    }

    /// Works until no probe can report any more.
    pub(crate) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut changes: mpsc::Receiver<Change>,
        liveness: Arc<Liveness>,
    ) {
        loop {
            liveness.beat(Loop::Health, clock::monotonic());
            tokio::select! {
                Some(change) = changes.recv() => self.change_to(change),
                report = reports.recv() => match report {
                    Some(report) => self.on_report(&report),
                    None => return,
                },
                () = sleep(TURN) => {}
            }
        }
    }

    /// Takes another configuration over. A real server whose check is the same
    /// keeps its machine as it is; one whose check changed keeps its verdict;
    /// a new one has none.
    fn change_to(&mut self, change: Change) {
        let Change {
            config,
            probes,
            loaded_at,
            metrics,
            intent,
            done,
        } = change;
        let snapshot = Arc::new(self.snapshot.director_again(&config, loaded_at));
        let mut before = BTreeMap::new();
        for (service, machines) in self.config.virtual_services.iter().zip(&self.machines) {
            for (real_server, machine) in service.real_servers.iter().zip(machines) {
                before.insert((service.key, real_server.key), (&service.check, machine));
            }
        }
        let mut verdicts = Verdicts::new();
        let mut machines = Vec::new();
        for service in &config.virtual_services {
            let check = &service.check;
            let of_service = service.real_servers.iter().map(|real_server| {
                let key = (service.key, real_server.key);
                let machine = match before.get(&key) {
                    Some((same, machine)) if *same == check => (*machine).clone(),
                    Some((_, machine)) => machine.starting_over(check.rise, check.fall),
                    None => Machine::new(check.rise, check.fall),
                };
                if machine.health() != Health::Unknown {
                    verdicts.insert(key, machine.health());
                }
                machine
            });
            machines.push(of_service.collect());
        }
        self.machines = machines;
        self.subscribers = probes;
        self.unmade
            .retain(|probe| self.subscribers.contains_key(probe));
        self.config = config;
        self.metrics = metrics;
        self.intent = intent;
        self.snapshot = Arc::clone(&snapshot);
        // Whoever asked may have gone away.
        let _ = done.send(Handover { snapshot, verdicts });
    }

    fn on_report(&mut self, report: &Report) {
        let Some(subscribers) = self.subscribers.get(&report.probe) else {
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
    let row = match outcomes {
        1 => "1 probe".to_owned(),
        outcomes => format!("{outcomes} probes in a row"),
    };
    match to {
        Health::Down => warn!(
            service, real_server, %from, %weight,
            "real server down: {row} failed, the last with: {detail}"
        ),
        Health::Up | Health::Unknown => info!(
            service, real_server, %from, %weight,
            "real server up: {row} passed"
        ),
    }
}

#[cfg(test)]
mod tests;
