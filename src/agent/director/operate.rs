//! Operations on real servers: each is checked, passed to health, and saved.

use std::collections::BTreeSet;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::decisions::EndedDrains;
use super::{Director, notes};
use crate::agent::decisions::{LONGEST_DEADLINE, WantedDrain};
use crate::agent::reload::{OperationResult, ReloadError};
use crate::agent::targets::{self, TargetError};
use crate::control::{Operation, OperationResponse, Operator, Reason, listed};
use crate::health::{self, DrainDeadline};
use crate::kernel::{Sysctls, TableKind};
use crate::model::{AdminState, Decision, OperatorWeight, RealServerId, SetWeight, Target, Weight};
use crate::reconcile::Writing;
use crate::runtime::clock;
use crate::runtime::printable::printable;
use crate::status::{RealServerRecord, ServiceRecord, Snapshot};

/// How long an answer may wait for the end of a drain. A connection has 30 seconds for everything.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Why a dry run takes no decision.
const DRY_RUN: &str = "this agent makes a dry run and changes nothing, so it neither drains nor \
                       undrains a real server, nor sets a weight: start the agent without \
                       --dry-run, and ask again";

/// What is said of a weight of 0.
const NO_DRAIN: &str = "note: a weight of 0 stops new connections, and nothing shows when the \
                        last one has ended: for maintenance, use `lvs-agent drain`";

/// The deadline of a drain that goes on: as far away as the wall clock says,
/// but no further than the longest there is.
pub(super) fn again(deadline: SystemTime) -> DrainDeadline {
    in_from_now(deadline.duration_since(clock::wall()).unwrap_or_default())
}

fn in_from_now(deadline: Duration) -> DrainDeadline {
    let deadline = deadline.min(LONGEST_DEADLINE);
    DrainDeadline {
        until: clock::monotonic() + deadline,
        at: clock::wall() + deadline,
    }
}

/// A decision of now.
fn decision(by: Option<&Operator>, reason: Option<&Reason>) -> Decision {
    Decision {
        since: Some(clock::wall()),
        by: by.map(|by| printable(&by.to_string()).into()),
        reason: reason.map(|reason| reason.to_string().into()),
    }
}

impl Director {
    /// An operation on real servers.
    pub(super) async fn operate(
        &mut self,
        operation: Operation,
        by: Option<&Operator>,
    ) -> OperationResult {
        let answer = match operation {
            Operation::Reload => return OperationResult::Reload(self.reload().await),
            Operation::AwaitDrain { targets, millis } => {
                let longest = Duration::from_millis(millis);
                return OperationResult::Later(self.await_drain(targets, longest));
            }
            Operation::Drain {
                targets,
                deadline,
                reason,
            } => {
                let deadline = in_from_now(Duration::from_secs(deadline));
                let decision = decision(by, reason.as_ref());
                self.set_admin(&targets, AdminState::Draining, deadline, decision)
                    .await
            }
            Operation::Undrain { targets } => {
                let at_once = in_from_now(Duration::ZERO);
                self.set_admin(&targets, AdminState::Enabled, at_once, decision(by, None))
                    .await
            }
            Operation::SetWeight { targets, weight } => {
                self.set_weight(&targets, weight, decision(by, None)).await
            }
        };
        OperationResult::Other(answer.unwrap_or_else(OperationResponse::failed))
    }

    /// Waits until the real servers are drained, or cannot be any more, for so long at most. The
    /// drain does not depend on who waits.
    fn await_drain(
        &self,
        targets: Vec<Target>,
        longest: Duration,
    ) -> BoxFuture<'static, OperationResponse> {
        let shown = self.shown.clone();
        let mut changes = self.drain_changes.subscribe();
        let ended_drains = Arc::clone(&self.ended_drains);
        let progress = move || drain_progress(&shown.view().snapshot, &targets, &ended_drains);
        Box::pin(async move {
            let ended = async {
                loop {
                    let answer = progress();
                    if !answer.pending || changes.changed().await.is_err() {
                        return answer;
                    }
                }
            };
            let ended = timeout(longest.min(LONGEST_WAIT), ended).await;
            ended.unwrap_or_else(|_| progress())
        })
    }

    /// The real servers that an operation may change.
    fn find(&self, snapshot: &Snapshot, targets: &[Target]) -> Result<Vec<RealServerId>, String> {
        if self.writing == Writing::DryRun {
            return Err(DRY_RUN.to_owned());
        }
        let found = targets::find(snapshot, targets).map_err(|error| error.to_string())?;
        Ok(found.into_iter().collect())
    }

    /// Drains real servers, or returns them to service, and says which. A failure changes nothing.
    async fn set_admin(
        &mut self,
        targets: &[Target],
        admin: AdminState,
        deadline: DrainDeadline,
        decision: Decision,
    ) -> Result<OperationResponse, String> {
        let snapshot = self.shown.view().snapshot;
        let real_servers = self.find(&snapshot, targets)?;
        let mut store = self.decisions.lock().await;
        let mut lines = Vec::new();
        for (_, (service, record)) in records(&snapshot, &real_servers) {
            let key = (service.key, record.key);
            let name = service.name_of(record);
            self.ended_drains.lock().remove(&name);
            if admin == AdminState::Enabled {
                store.decisions.drains.remove(&key);
                lines.push(format!("{name}: enabled"));
                lines.extend(notes::undrain_notes(&snapshot, (service, record)));
                continue;
            }
            let drain = WantedDrain {
                deadline: deadline.at,
                decision: decision.clone(),
            };
            let before = store.decisions.drains.insert(key, drain);
            let active = record.live.lock().connections.active;
            lines.push(format!(
                "{name}: draining, {active} active connections when last seen"
            ));
            lines.extend(before.and_then(|before| notes::earlier_drain_note(&name, &before)));
        }
        if admin != AdminState::Enabled {
            lines.extend(self.weight_zero_notes(&real_servers));
            lines.extend(notes::still_serving_notes(&snapshot, targets));
        }
        let (done, decided) = oneshot::channel();
        let request = health::HealthRequest::SetAdmin {
            real_servers,
            admin,
            deadline,
            decision,
            done,
        };
        // Who has the answer, and asks for the end of the drain next, must find that drain.
        let without_server = self.decide(request, decided).await?;
        if admin == AdminState::Enabled {
            lines.extend(notes::freeze_notes(&snapshot));
        } else {
            lines.extend(notes::empty_pool_notes(&snapshot, without_server));
        }
        store.remember().await;
        let again = (admin == AdminState::Enabled).then(|| {
            let target = listed(targets);
            format!("; until the file is written, a restart of the agent may drain {target} again")
        });
        lines.extend(notes::saving_note(&store, &again.unwrap_or_default()));
        Ok(OperationResponse::done(lines.join("\n")))
    }

    /// Sets weights in place of the configured ones, or with `None` the configured ones again, and
    /// says which. A failure changes nothing.
    async fn set_weight(
        &mut self,
        targets: &[Target],
        set: Option<SetWeight>,
        decision: Decision,
    ) -> Result<OperationResponse, String> {
        let snapshot = self.shown.view().snapshot;
        let real_servers = self.find(&snapshot, targets)?;
        let mut store = self.decisions.lock().await;
        let weights = &mut store.decisions.weights;
        let (mut lines, mut without_weight) = (Vec::new(), Vec::new());
        for (id, (service, record)) in records(&snapshot, &real_servers) {
            let key = (service.key, record.key);
            let line = notes::weight_line(set, record.configured);
            lines.push(format!("{}: {line}", service.name_of(record)));
            lines.extend(notes::weight_notes(&snapshot, (service, record), set));
            let Some(set) = set else {
                weights.remove(&key);
                continue;
            };
            let decision = decision.clone();
            weights.insert(key, OperatorWeight { set, decision });
            if set.in_place_of(record.configured) == Weight::ZERO {
                without_weight.push(id);
            }
        }
        lines.extend(self.weight_zero_notes(&without_weight));
        let (done, decided) = oneshot::channel();
        let request = health::HealthRequest::SetWeight {
            real_servers,
            weight: set,
            decision,
            done,
        };
        let without_server = self.decide(request, decided).await?;
        lines.extend(notes::freeze_notes(&snapshot));
        if set.is_some() {
            lines.extend(notes::empty_pool_notes(&snapshot, without_server));
        }
        if !without_weight.is_empty() {
            lines.push(NO_DRAIN.to_owned());
        }
        store.remember().await;
        lines.extend(notes::saving_note(&store, ""));
        Ok(OperationResponse::done(lines.join("\n")))
    }

    /// Passes a decision to health. The answer is the services of which no real server serves.
    async fn decide(
        &self,
        request: health::HealthRequest,
        decided: oneshot::Receiver<BTreeSet<usize>>,
    ) -> Result<BTreeSet<usize>, String> {
        let ending = || ReloadError::Ending.to_string();
        let sent = self.to_health.send(request).await;
        sent.map_err(|_| ending())?;
        decided.await.map_err(|_| ending())
    }

    /// What a weight of 0 does not do in the services of the real servers.
    fn weight_zero_notes(&self, real_servers: &[RealServerId]) -> Vec<String> {
        let ids = real_servers.iter();
        let services: BTreeSet<_> = ids.map(|id| id.service_index()).collect();
        let services = services.into_iter();
        let services = services.filter_map(|service| self.config.virtual_services.get(service));
        let sysctls = (self.table == TableKind::Kernel).then(Sysctls::default);
        services
            .flat_map(|service| notes::weight_zero_notes(service, sysctls.as_ref()))
            .collect()
    }
}

fn records<'a>(
    snapshot: &'a Snapshot,
    ids: &'a [RealServerId],
) -> impl Iterator<Item = (RealServerId, (&'a ServiceRecord, &'a RealServerRecord))> {
    ids.iter()
        .filter_map(|id| Some((*id, snapshot.records(*id)?)))
}

/// What is left of a drain, as it is shown.
fn drain_progress(
    snapshot: &Snapshot,
    targets: &[Target],
    ended_drains: &EndedDrains,
) -> OperationResponse {
    let target = listed(targets);
    let ids = match targets::find(snapshot, targets) {
        Ok(ids) => ids,
        Err(
            TargetError::Unknown { .. } | TargetError::Leaving { .. } | TargetError::StillServes(_),
        ) => {
            let is_gone = |one: &&Target| targets::find(snapshot, from_ref(*one)).is_err();
            let gone: Vec<_> = targets.iter().filter(is_gone).cloned().collect();
            return OperationResponse::failed(format!(
                "{} is no longer in the agent's configuration",
                listed(&gone)
            ));
        }
        Err(error @ TargetError::SorryServer(_)) => {
            return OperationResponse::failed(error.to_string());
        }
    };
    let mut left = Vec::new();
    for (service, record) in ids.into_iter().filter_map(|id| snapshot.records(id)) {
        let live = record.live.lock();
        let name = service.name_of(record);
        match live.admin {
            AdminState::Enabled => {
                let by_reload = ended_drains.lock().get(&name).cloned();
                return OperationResponse::failed(
                    by_reload.unwrap_or_else(|| format!("{name} was undrained meanwhile")),
                );
            }
            AdminState::Draining => left.push(format!(
                "{name}: {} active connections left",
                live.connections.active
            )),
            AdminState::Drained => {}
        }
    }
    if left.is_empty() {
        OperationResponse::done(format!("{target}: drained"))
    } else {
        OperationResponse::pending(left.join(", "))
    }
}

#[cfg(test)]
mod tests;
