//! The conditions that a pass over the kernel raises and clears.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{ReconcileError, StepFailure, Writing};
use crate::model::{Condition, ConditionType, Severity};
use crate::plan::Subject;
use crate::runtime::error_chain::error_chain;
use crate::status::Snapshot;

/// The types of which a pass that could read the kernel knows every condition.
const OF_PASS: &[ConditionType] = &[
    ConditionType::KernelUnreadable,
    ConditionType::StepFailed,
    ConditionType::VipMissing,
    ConditionType::SysctlWrong,
];

/// Raises what a pass that ended at `now` has found in the way, and clears what
/// is over; traffic can do without what is `tolerated`.
pub(super) fn update<Done>(
    snapshot: &Snapshot,
    result: &Result<Done, ReconcileError>,
    tolerated: &[StepFailure],
    writing: Writing,
    now: SystemTime,
) {
    let failures = match result {
        Err(ReconcileError::Observe(error)) => {
            // Of everything else nothing is known.
            return snapshot.conditions.raise(Condition {
                kind: ConditionType::KernelUnreadable,
                subject: "kernel".to_owned(),
                severity: Severity::Problem,
                message: error_chain(error),
                fix: snapshot.command_line("doctor"),
                since: now,
            });
        }
        Err(ReconcileError::Steps(failures)) => failures.as_slice(),
        Ok(_) => &[],
    };
    let mut found: BTreeMap<_, _> = BTreeMap::new();
    // A dry run leaves the kernel as it is: the pending steps show the difference.
    if writing == Writing::Real {
        let vips = snapshot.vips.lock();
        for ((vip, interface), _) in vips.iter().filter(|(_, configured)| !**configured) {
            let message = format!("{vip} is not on {interface}");
            let condition = missing_vip(snapshot, format!("{vip} {interface}"), message, now);
            found.insert((condition.kind, condition.subject.clone()), condition);
        }
    }
    let failures = failures.iter().map(|failure| (failure, Severity::Problem));
    let tolerated = tolerated.iter().map(|failure| (failure, Severity::Warning));
    for (failure, severity) in failures.chain(tolerated) {
        let condition = of_failure(snapshot, failure, severity, now);
        found.insert((condition.kind, condition.subject.clone()), condition);
    }
    snapshot.conditions.replace(OF_PASS, found.into_values());
}

fn missing_vip(
    snapshot: &Snapshot,
    subject: String,
    message: String,
    now: SystemTime,
) -> Condition {
    Condition {
        kind: ConditionType::VipMissing,
        subject,
        severity: Severity::Problem,
        message,
        fix: snapshot.command_line("doctor"),
        since: now,
    }
}

fn of_failure(
    snapshot: &Snapshot,
    failure: &StepFailure,
    severity: Severity,
    now: SystemTime,
) -> Condition {
    let message = error_chain(&failure.error);
    let [plan, doctor] = ["plan", "doctor"].map(|name| snapshot.command_line(name));
    let see_steps = || format!("see `{plan}` for the steps, and `{doctor}`");
    let (kind, subject, fix) = match &failure.subject {
        Subject::Address(address) => {
            let subject = format!("{} {}", address.address, address.interface);
            return missing_vip(snapshot, subject, message, now);
        }
        Subject::Sysctl(key) => {
            let fix = format!(
                "correct or remove it under `sysctls`, or let the agent write it: see `{doctor}`"
            );
            (ConditionType::SysctlWrong, key.to_string(), fix)
        }
        Subject::Timeout(timeout) => {
            let fix = "correct it under `director.timeouts`".to_owned();
            (ConditionType::StepFailed, format!("timeout {timeout}"), fix)
        }
        Subject::Service(service) => (ConditionType::StepFailed, service.to_string(), see_steps()),
        Subject::Destination(service, real_server) => {
            let subject = format!("{service} {real_server}");
            (ConditionType::StepFailed, subject, see_steps())
        }
    };
    Condition {
        kind,
        subject,
        // A warning is declared for parameters alone, and nothing else is tolerated.
        severity,
        message,
        fix,
        since: now,
    }
}

#[cfg(test)]
mod tests;
