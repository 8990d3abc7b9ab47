//! `/status`: the snapshot as JSON, in the types that clients parse as well.
//!
//! Clients are tolerant: unknown fields are ignored, and missing ones have a
//! default, so that the agent may be of another version.

mod address;
mod arp;
mod decision;
mod filter;
mod forwarding;
mod host;
mod readiness;
mod real_server;
mod service;
mod set_weight;
mod timestamp;
mod totals;
mod transition;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::ser::{Serialize, Serializer};

pub(crate) use address::shown_address;
pub(crate) use arp::ArpAuditStatus;
pub(crate) use filter::Filter;
pub(crate) use host::{
    ConditionStatus, ConfigStatus, LeavingStatus, ReconcileStatus, ReloadStatus, SysctlStatus,
    TimeoutStatus, VipStatus,
};
pub(crate) use readiness::{ReadinessStatus, ServedStatus, readiness_of};
pub(crate) use real_server::{ConnectionsStatus, ProbeStatus, RealServerStatus};
pub(crate) use service::ServiceStatus;
pub(crate) use set_weight::SetWeightStatus;
pub(crate) use timestamp::Timestamp;
pub(crate) use totals::Totals;
pub(crate) use transition::TransitionStatus;

use crate::model::{FreezeReason, Role};
use crate::runtime::clock;
use crate::status::{RealServerRecord, ServiceRecord, Snapshot, TimeoutRecord, command_line};

/// The status, with its virtual services as `S`: on the side that asks a list,
/// on the side that answers a view of the snapshot, since a list of all would
/// take as much memory again as the JSON itself.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Status<S> {
    /// The version of this form; what is added to it changes no number.
    pub(crate) schema: u32,
    /// The host on which the agent runs.
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// `None` of an agent of an earlier version.
    pub(crate) started_at: Option<Timestamp>,
    /// Nothing is written, neither to the kernel nor to the state directory.
    pub(crate) dry_run: bool,
    /// Where the IPVS table is: `kernel`, or `memory` inside the agent.
    #[serde(default = "in_kernel")]
    pub(crate) table: String,
    /// What is not as it should be, problems first.
    pub(crate) conditions: Vec<ConditionStatus>,
    /// `director` or `real_server`.
    pub(crate) mode: String,
    pub(crate) version: String,
    pub(crate) config: ConfigStatus,
    /// Only of a director; `None` of an agent of an earlier version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) totals: Option<Totals>,
    /// Only of a director.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) virtual_services: Option<S>,
    pub(crate) vips: Vec<VipStatus>,
    pub(crate) sysctls: Vec<SysctlStatus>,
    /// Only of a director.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) timeouts: Vec<TimeoutStatus>,
    /// What is no longer configured, and is removed when its connections have
    /// ended; left out where there is nothing of that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaving: Vec<LeavingStatus>,
    /// Only of a real server, once it has looked at its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) readiness: Option<ReadinessStatus>,
    pub(crate) reconcile: ReconcileStatus,
    /// Why no weight is changed now: `link`, `probes`; empty if they are.
    pub(crate) weights_frozen: Vec<String>,
    /// Only of a director.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arp_audit: Option<ArpAuditStatus>,
    /// The last transitions of all real servers, the newest first; left out where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) transitions: Vec<TransitionStatus>,
}

/// What there is to say of a table inside the agent.
pub(crate) const IN_MEMORY: &str = "--table memory: the table is inside the agent and forwards \
                                    nothing";

/// Why the kernel is not as configured in a dry run; `plan` is the command line that
/// lists the steps.
pub(crate) fn pending(steps: usize, plan: &str) -> String {
    let (noun, verb) = if steps == 1 {
        ("step", "is")
    } else {
        ("steps", "are")
    };
    format!(
        "dry run: {steps} {noun} {verb} pending, which a dry run never makes (`{plan}` lists \
         them)"
    )
}

/// When `then` is, or that it has passed: `in 3m 5s`, `now`, `passed 12s ago`.
/// `age` says how long it is from one point in time to another.
pub(crate) fn until(
    then: SystemTime,
    now: SystemTime,
    age: impl FnOnce(SystemTime, SystemTime) -> String,
) -> String {
    match then.duration_since(now) {
        Ok(left) if left >= Duration::from_secs(1) => format!("in {}", age(now, then)),
        Ok(_) => "now".to_owned(),
        Err(_) => format!("passed {} ago", age(then, now)),
    }
}

/// The version of the status's form.
pub(crate) const SCHEMA: u32 = 1;

/// Where an agent that does not say so has its table.
fn in_kernel() -> String {
    "kernel".to_owned()
}

/// The status as it is read from the control socket.
pub(crate) type StatusResponse = Status<Vec<ServiceStatus>>;

/// The virtual services of a snapshot, each made when it is its turn.
struct Services<'a> {
    records: &'a [Arc<ServiceRecord>],
    filter: &'a Filter,
    /// The names of the services that conditions are about.
    with_conditions: BTreeSet<String>,
    now: SystemTime,
}

impl Services<'_> {
    /// The service as far as it is asked for.
    fn status(&self, record: &ServiceRecord) -> Option<ServiceStatus> {
        let filter = self.filter;
        let is_whole = filter.includes_service(record);
        let is_included =
            |one: &RealServerRecord| is_whole || filter.includes_real_server(record, one);
        if !is_whole && !record.records().any(is_included) {
            return None;
        }
        let mut service = ServiceStatus::of(record, is_included);
        if filter.problems {
            let has_problem = service.keep_problems(record.verdict_patience(), self.now)
                || self.with_conditions.contains(&service.name);
            return has_problem.then_some(service);
        }
        Some(service)
    }
}

impl Serialize for Services<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let records = self.records.iter();
        serializer.collect_seq(records.filter_map(|record| self.status(record)))
    }
}

/// The snapshot as JSON. Fails only where serde does, which none of these types lets it.
pub(crate) fn write_json(
    snapshot: &Snapshot,
    filter: &Filter,
    to: impl io::Write,
) -> Result<(), serde_json::Error> {
    let mut status = Status::of(snapshot, None);
    filter.retain_conditions(snapshot, &mut status.conditions);
    let transitions = &mut status.transitions;
    transitions.retain(|one| filter.includes_transition(snapshot, one));
    let leaving = snapshot.leaving.lock();
    let leaving = leaving.iter().filter(|one| filter.includes_leaving(one));
    status.leaving = leaving.cloned().map(LeavingStatus::of).collect();
    if let Some(readiness) = &mut status.readiness {
        let services = &mut readiness.services;
        services.retain(|one| filter.includes_served(one));
    }
    if !snapshot.is_real_server() {
        let subjects = status.conditions.iter().map(ConditionStatus::service);
        status.totals = Some(Totals::of(snapshot, filter));
        status.virtual_services = Some(Services {
            records: &snapshot.services,
            filter,
            with_conditions: subjects.map(str::to_owned).collect(),
            now: clock::wall(),
        });
    }
    serde_json::to_writer(to, &status)
}

#[cfg(test)]
pub(crate) fn json(snapshot: &Snapshot, filter: &Filter) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    write_json(snapshot, filter, &mut text)?;
    Ok(text)
}

impl<S> Status<S> {
    /// Whether the agent is one that changes the kernel, for people.
    pub(crate) fn reservations(&self) -> impl Iterator<Item = &'static str> {
        let dry_run = self.dry_run.then_some("dry run: nothing is written");
        let in_memory = (self.table == "memory").then_some(IN_MEMORY);
        dry_run.into_iter().chain(in_memory)
    }

    /// How far what the agent writes is as configured, for people; `age` says
    /// how long ago a point in time was.
    pub(crate) fn convergence(&self, age: impl FnOnce(SystemTime) -> String) -> String {
        if self.reconcile.pending_steps > 0 {
            let is_real_server = self.mode == Role::RealServer.as_str();
            let role = if is_real_server {
                Role::RealServer
            } else {
                Role::Director
            };
            let plan = command_line("plan", role, Path::new(&self.config.path));
            return pending(self.reconcile.pending_steps, &plan);
        }
        let what = if self.table == "memory" {
            "the table in memory"
        } else {
            "the kernel"
        };
        match self.reconcile.last_success {
            Some(at) => format!("{what} was as configured {} ago", age(at.0)),
            None => format!("{what} has not been as configured yet"),
        }
    }

    /// The conditions that are shown as a list: that of a real server that is down stands with its
    /// virtual service. A sorry server is in no number of real servers, so that its own is listed.
    pub(crate) fn listed_conditions(&self) -> impl Iterator<Item = &ConditionStatus> {
        self.conditions
            .iter()
            .filter(|one| !one.is_of_counted_server())
    }

    /// The conditions that `doctor` lists. While all weights are frozen, no real server stands
    /// there by itself, and all conditions are listed.
    pub(crate) fn conditions_of_doctor(&self) -> impl Iterator<Item = &ConditionStatus> {
        let is_frozen = self.all_weights_are_frozen();
        let conditions = self.conditions.iter();
        conditions.filter(move |one| is_frozen || !one.is_of_counted_server())
    }

    /// Whether no weight at all is changed.
    pub(crate) fn all_weights_are_frozen(&self) -> bool {
        let clock = FreezeReason::Clock.as_str();
        self.weights_frozen.iter().any(|reason| reason != clock)
    }

    /// All but the virtual services, which are given.
    pub(crate) fn of(snapshot: &Snapshot, virtual_services: Option<S>) -> Self {
        let reload = snapshot.reload.lock().clone();
        let reconcile = snapshot.reconcile.lock().clone();
        let vips = snapshot.vips.lock().clone();
        let sysctls = snapshot.sysctls.lock().clone();
        let timeouts = snapshot.timeouts.lock().clone();
        let leaving = snapshot.leaving.lock().clone();
        let readiness = snapshot.readiness.lock().clone();
        let frozen = snapshot.frozen.lock().clone();
        let loaded = snapshot.loaded.lock().clone();
        let process = &snapshot.process;
        Self {
            schema: SCHEMA,
            host: process.host.clone(),
            pid: process.pid,
            started_at: Some(Timestamp(process.started_at)),
            dry_run: process.dry_run,
            table: process.table().to_owned(),
            conditions: snapshot
                .conditions
                .list()
                .into_iter()
                .map(ConditionStatus::of)
                .collect(),
            mode: snapshot.role.as_str().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: ConfigStatus {
                path: snapshot.config_path.display().to_string(),
                loaded_at: Timestamp(loaded.at),
                sha256: loaded.sha256,
                last_reload: ReloadStatus {
                    ok: reload.error.is_none(),
                    error: reload.error,
                },
            },
            totals: None,
            virtual_services,
            vips: vips
                .into_iter()
                .map(|((address, interface), configured)| VipStatus {
                    address: address.to_string(),
                    interface,
                    configured,
                })
                .collect(),
            sysctls: sysctls
                .into_iter()
                .map(|(key, record)| SysctlStatus {
                    key: key.to_string(),
                    want: record.want,
                    have: record.have,
                })
                .collect(),
            timeouts: timeouts
                .into_iter()
                .map(|(timeout, TimeoutRecord { want, have })| TimeoutStatus {
                    name: timeout.to_string(),
                    want,
                    have,
                })
                .collect(),
            leaving: leaving.into_iter().map(LeavingStatus::of).collect(),
            readiness: readiness.map(ReadinessStatus::of),
            reconcile: ReconcileStatus {
                last_success: reconcile.last_success.map(Timestamp),
                error: reconcile.error,
                pending_steps: reconcile.pending_steps,
            },
            weights_frozen: frozen.iter().map(|r| r.as_str().to_owned()).collect(),
            arp_audit: (!snapshot.is_real_server())
                .then(|| ArpAuditStatus::of(&snapshot.arp.lock())),
            transitions: snapshot
                .transitions
                .list()
                .into_iter()
                .map(TransitionStatus::of)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
