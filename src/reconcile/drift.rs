use std::collections::BTreeMap;

use tracing::{debug, info, warn};

use super::{Difference, Reconciler, STEPS_AT_INFO, count};
use crate::kernel::Ipvs;
use crate::metrics::DriftKind;
use crate::notify::{Event, EventKind};
use crate::plan::{Step, Subject};

impl<T: Ipvs> Reconciler<T> {
    /// One event for all that one pass repaired.
    pub(super) fn tell_drift(&self, done: &[Step], drift: &BTreeMap<Subject, DriftKind>) {
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
        self.events.emit(Event::of_agent(EventKind::Drift, &detail));
    }

    /// Counts the steps that another hand made necessary, and answers with
    /// what they are done to.
    pub(super) fn count_drift(
        &self,
        steps: &[Step],
        difference: Difference,
    ) -> BTreeMap<Subject, DriftKind> {
        let mut drift = BTreeMap::new();
        if difference == Difference::Drift {
            for step in steps.iter().filter(|step| !self.is_known_failure(step)) {
                if let Some(kind) = drift_kind(step) {
                    self.metrics.drift(kind);
                    drift.insert(step.subject(), kind);
                }
            }
        }
        drift
    }
}

/// Says what was done; `drift` holds what another hand made necessary.
pub(super) fn announce(done: &[Step], drift: &BTreeMap<Subject, DriftKind>) {
    for step in done {
        if let Some(kind) = drift.get(&step.subject()) {
            warn!(kind = kind.as_str(), "drift, repaired: {step}");
        } else if done.len() <= STEPS_AT_INFO {
            info!("{step}");
        } else {
            debug!("{step}");
        }
    }
    if done.len() > STEPS_AT_INFO {
        info!("{} in the kernel", count(done.len(), "change"));
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
