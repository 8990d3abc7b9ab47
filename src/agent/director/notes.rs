//! The notes in answers to operators: what an operation does not do, or does later.

use std::collections::BTreeSet;

use super::decisions::DecisionStore;
use crate::agent::decisions::WantedDrain;
use crate::agent::targets;
use crate::config::VirtualService;
use crate::kernel::Sysctls;
use crate::model::{AdminState, Health, ServiceFlags, SetWeight, SysctlKey, Target, Weight};
use crate::plan::desired;
use crate::runtime::error_chain::error_chain;
use crate::status::{RealServerRecord, ServiceRecord, Snapshot};

/// What a weight is now.
pub(super) fn weight_line(set: Option<SetWeight>, configured: Weight) -> String {
    match set {
        Some(set @ SetWeight::Percent(_)) => {
            let weight = set.in_place_of(configured);
            format!("weight {weight}, {set} of the configured {configured}")
        }
        Some(SetWeight::Weight(weight)) => {
            format!("weight {weight} in place of the configured {configured}")
        }
        None => format!("weight {configured}, as configured"),
    }
}

/// Why the real server does not have its weight now.
pub(super) fn weight_notes(
    snapshot: &Snapshot,
    (service, record): (&ServiceRecord, &RealServerRecord),
    set: Option<SetWeight>,
) -> Vec<String> {
    let live = record.live.lock();
    let name = service.name_of(record);
    let is_down = live.health == Health::Down;
    let down = is_down.then(|| format!("note: {name} is down, and has the weight when it is up"));
    let admin = live.admin;
    let drained = (admin != AdminState::Enabled).then(|| {
        let state = admin.as_str();
        format!("note: {name} is {state}, and has the weight when it is undrained")
    });
    let advised = live.advised.map(|advised| match set {
        // A share of a configured weight of 0 is no refusal of connections.
        Some(_) if advised == Weight::ZERO && record.configured != Weight::ZERO => format!(
            "note: the check of {name} reports weight 0, which stays in effect until it reports \
             another one"
        ),
        Some(_) => format!(
            "note: the check of {name} reports weight {advised}, which is not in effect until `{}`",
            snapshot.command_line(&format!("weight {name} reset"))
        ),
        None => format!("note: the check of {name} reports weight {advised}, which is in effect"),
    });
    [down, drained, advised].into_iter().flatten().collect()
}

/// Why a real server that is undrained does not serve with its configured weight now.
pub(super) fn undrain_notes(
    snapshot: &Snapshot,
    (service, record): (&ServiceRecord, &RealServerRecord),
) -> Vec<String> {
    let live = record.live.lock();
    let name = service.name_of(record);
    let is_down = live.health == Health::Down;
    let down = is_down.then(|| format!("note: {name} is down, and serves when it is up"));
    let set = live.operator_weight.as_ref().map(|weight| {
        let weights = weight_line(Some(weight.set), record.configured);
        let by = weight.decision.by_and_reason();
        let reset = snapshot.command_line(&format!("weight {name} reset"));
        format!("note: {name} has {weights}{by}, until `{reset}`")
    });
    [down, set].into_iter().flatten().collect()
}

/// Who asked for the drain that another one takes the place of; `None` if that is not known.
pub(super) fn earlier_drain_note(name: &str, before: &WantedDrain) -> Option<String> {
    let by = before.decision.by_and_reason();
    (!by.is_empty())
        .then(|| format!("note: this takes the place of an earlier drain of {name}{by}"))
}

/// What of the targets is no longer configured and serves on.
pub(super) fn still_serving_notes(snapshot: &Snapshot, targets: &[Target]) -> Vec<String> {
    let names = targets::still_serving(snapshot, targets).into_iter();
    let note = |name| {
        format!(
            "note: {name} is no longer configured, is not drained, and serves until a configured \
             real server of its service does"
        )
    };
    names.map(note).collect()
}

/// What becomes of new connections to these services, of which no real server serves.
pub(super) fn empty_pool_notes(snapshot: &Snapshot, services: BTreeSet<usize>) -> Vec<String> {
    let is_frozen = snapshot.all_weights_are_frozen();
    let services = services.into_iter();
    let services = services.filter_map(|service| snapshot.services.get(service));
    services
        .map(|service| empty_pool_note(service, is_frozen))
        .collect()
}

/// Why the decision may not outlive the agent; `then` says what follows from that.
pub(super) fn saving_note(store: &DecisionStore, then: &str) -> Option<String> {
    if let Some(error) = store.not_saved() {
        return Some(format!("note: {error}{then}"));
    }
    store.is_saving().then(|| {
        "note: the disk takes its time: it is not sure yet that this outlives the agent".to_owned()
    })
}

/// Why another weight is there only later.
pub(super) fn freeze_notes(snapshot: &Snapshot) -> Vec<String> {
    let frozen = snapshot.frozen.lock();
    let note =
        |reason| format!("note: its weight stays as it is while all weights are frozen: {reason}");
    let all = frozen.iter().filter(|reason| reason.freezes_all());
    all.map(note).collect()
}

/// What becomes of new connections to a service of which no real server serves.
fn empty_pool_note(service: &ServiceRecord, is_frozen: bool) -> String {
    let sorry_serves = service.pool.lock().status.sorry_serves;
    let then = match &service.sorry_server {
        Some(_) if sorry_serves => "the sorry server takes over",
        Some(_) if is_frozen => {
            "new connections are refused, as the sorry server does not take over while all weights \
             are frozen"
        }
        Some(_) => {
            "new connections are refused until the sorry server or a real server passes its check"
        }
        None => "new connections are refused until one serves",
    };
    let name = &service.name;
    format!("note: {name} has no other real server that serves: {then}")
}

/// What a weight of 0 does not do in this service. `sysctls` are the kernel's,
/// where the table is.
pub(super) fn weight_zero_notes(
    service: &VirtualService,
    sysctls: Option<&Sysctls>,
) -> Vec<String> {
    let mut notes = Vec::new();
    let name = &service.name;
    if service.scheduler.hashes() && !desired::flags(service).contains(ServiceFlags::FALLBACK) {
        notes.push(format!(
            "note: {name} has scheduler {}, which refuses the clients that a weight of 0 has; with \
             `scheduler_flags: [fallback]` others take them",
            service.scheduler
        ));
    }
    if let (Some(_), Some(sysctls)) = (&service.persistence, sysctls)
        && let Some(found) = template_outlives_drain(sysctls)
    {
        notes.push(format!(
            "note: {name} is persistent and net.ipv4.vs.expire_quiescent_template {found}: clients \
             that are known still get there, until it is 1"
        ));
    }
    notes
}

/// What the parameter is that has persistence heed a weight of 0, unless it
/// does (`ip_vs_check_template` in `ip_vs_conn.c`).
fn template_outlives_drain(sysctls: &Sysctls) -> Option<String> {
    let key: SysctlKey = "net.ipv4.vs.expire_quiescent_template".parse().ok()?;
    match sysctls.read(&key) {
        Ok(Some(value)) if value != "0" => None,
        Ok(Some(value)) => Some(format!("is {value}")),
        Ok(None) => Some("is not there".to_owned()),
        Err(error) => Some(format!("cannot be read ({})", error_chain(&error))),
    }
}

#[cfg(test)]
mod tests;
