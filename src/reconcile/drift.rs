//! Drift: changes by other programs, counted and logged.

use std::collections::BTreeMap;

use tracing::{debug, info, warn};

use super::STEPS_AT_INFO;
use crate::metrics::{DriftKind, Metrics};
use crate::model::with_noun;
use crate::notify::{Event, EventKind, Events};
use crate::plan::{Step, Subject};
use crate::runtime::log_limit::LINES_AT_ONCE;

/// Counts the steps that other programs made necessary, and returns their subjects.
pub(super) fn count_drift<'s>(
    steps: impl Iterator<Item = &'s Step>,
    metrics: &Metrics,
) -> BTreeMap<Subject, DriftKind> {
    let mut drift = BTreeMap::new();
    for step in steps {
        if let Some(kind) = drift_kind(step) {
            metrics.drift(kind);
            drift.insert(step.subject(), kind);
        }
    }
    drift
}

/// Emits one event for all repairs of a pass.
pub(super) fn tell_drift(done: &[Step], drift: &BTreeMap<Subject, DriftKind>, events: &Events) {
    let repaired = done
        .iter()
        .filter(|step| drift.contains_key(&step.subject()));
    let repaired: Vec<_> = repaired.map(ToString::to_string).collect();
    if repaired.is_empty() {
        return;
    }
    let named = repaired
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    let more = match repaired.len().saturating_sub(3) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let detail = format!("repaired: {named}{more}");
    events.emit(Event::of_agent(EventKind::Drift, &detail));
}

/// Logs the steps that were done; `drift` has those that other programs made necessary.
pub(super) fn announce(done: &[Step], drift: &BTreeMap<Subject, DriftKind>) {
    let kind_of = |step: &Step| drift.get(&step.subject()).copied();
    let repaired: Vec<_> = done
        .iter()
        .filter_map(|step| Some((kind_of(step)?, step)))
        .collect();
    announce_drift(&repaired);
    let others = done.len() - repaired.len();
    for step in done.iter().filter(|step| kind_of(step).is_none()) {
        if others <= STEPS_AT_INFO {
            info!("{step}");
        } else {
            debug!("{step}");
        }
    }
    if others > STEPS_AT_INFO {
        info!(
            "{} in the table and on this host",
            with_noun(others, "change")
        );
    }
}

/// One line for each, or one for all: `ipvsadm -C` removes a whole table.
fn announce_drift(repaired: &[(DriftKind, &Step)]) {
    let one_by_one = repaired.len() <= LINES_AT_ONCE;
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, step) in repaired {
        let kind = kind.as_str();
        *numbers.entry(kind).or_default() += 1;
        if one_by_one {
            warn!(kind, "drift, repaired: {step}");
        } else {
            debug!(kind, "drift, repaired: {step}");
        }
    }
    if let (false, Some((_, first))) = (one_by_one, repaired.first()) {
        let kinds: Vec<_> = numbers
            .iter()
            .map(|(kind, number)| format!("{number} {kind}"))
            .collect();
        let (number, kinds) = (repaired.len(), kinds.join(", "));
        warn!(
            number,
            kinds, "drift, repaired: {first}; and all the others that are counted here"
        );
    }
}

fn drift_kind(step: &Step) -> Option<DriftKind> {
    match step {
        Step::AddService { .. } => Some(DriftKind::ServiceMissing),
        Step::SetService { .. } => Some(DriftKind::ServiceChanged),
        Step::AddDestination { .. } => Some(DriftKind::RealServerMissing),
        Step::SetDestination { .. } => Some(DriftKind::RealServerChanged),
        Step::RemoveDestination { .. } => Some(DriftKind::RealServerExtra),
        Step::AddAddress(_) => Some(DriftKind::AddressMissing),
        Step::SetSysctl { .. } => Some(DriftKind::SysctlChanged),
        Step::SetTimeout { .. } => Some(DriftKind::TimeoutChanged),
        Step::RemoveService { .. }
        | Step::RemoveAddress(_)
        | Step::RestoreSysctl { .. }
        | Step::RestoreTimeout { .. } => None,
    }
}

#[cfg(test)]
mod tests;
