use super::*;
use crate::kernel::{Cause, KernelError, SysctlFault};
use crate::reconcile::StepError;
use crate::reconcile::captured_log::CapturedLog;
use crate::runtime::clock;
use crate::status::fixture;

/// A director whose passes are noted.
fn passes() -> impl Fn(&Result<(), ReconcileError>, &[StepFailure]) {
    let snapshot = fixture::director();
    move |result, tolerated| update(&snapshot, result, tolerated, Writing::Real, clock::wall())
}

#[test]
fn logs_each_failed_step_once_and_once_that_it_is_over() {
    let log = CapturedLog::start();
    let note = passes();
    let both = failed(&["tcp 192.0.2.1:80", "tcp 192.0.2.2:80"]);
    note(&both, &[]);
    let lines = log.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, service) in lines.iter().zip(["192.0.2.1:80", "192.0.2.2:80"]) {
        assert!(
            line.starts_with(&format!(
                "ERROR the kernel could not be brought in line condition=\"step_failed\" \
                 subject=\"tcp {service}\" reason=\"cannot add tcp {service}: it does not exist\""
            )),
            "{line}"
        );
    }
    for _ in 0..48 {
        note(&both, &[]);
    }
    assert_eq!(log.take(), [""; 0]);
    note(&failed(&["tcp 192.0.2.2:80"]), &[]);
    note(&Ok(()), &[]);
    note(&Ok(()), &[]);
    let lines = log.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let cleared = "INFO cleared: the kernel could not be brought in line";
    assert!(
        lines.iter().all(|line| line.starts_with(cleared)),
        "{lines:?}"
    );
}

#[test]
fn kernel_that_cannot_be_read_clears_nothing() {
    let log = CapturedLog::start();
    let snapshot = fixture::director();
    let note = |result| update(&snapshot, &result, &[], Writing::Real, clock::wall());
    note(failed(&["tcp 192.0.2.1:80"]));
    log.take();
    let unread = KernelError::new("list", Cause::Missing);
    note(Err(ReconcileError::Observe(unread)));
    let lines = log.take();
    assert!(
        lines[0].starts_with("ERROR the kernel cannot be read"),
        "{lines:?}"
    );
    assert_eq!(snapshot.conditions.list().len(), 2);
    note(failed(&["tcp 192.0.2.1:80"]));
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("INFO cleared: the kernel cannot be read"),
        "{lines:?}"
    );
}

#[test]
fn thousand_failed_steps_are_not_a_thousand_lines() {
    let log = CapturedLog::start();
    let services: Vec<_> = (1..=1000)
        .map(|port| format!("tcp 192.0.2.1:{port}"))
        .collect();
    let services: Vec<_> = services.iter().map(String::as_str).collect();
    passes()(&failed(&services), &[]);
    let lines = log.take();
    assert_eq!(lines.len(), 17, "{lines:?}");
    assert!(
        lines[16].starts_with("WARN more conditions changed"),
        "{lines:?}"
    );
}

#[test]
fn parameter_that_traffic_does_not_need_is_a_warning() {
    let log = CapturedLog::start();
    let note = passes();
    let tolerated = [StepFailure {
        subject: Subject::Sysctl("net.ipv4.vs.expire_nodest_conn".parse().unwrap()),
        ..failure("it", Cause::Parameter(SysctlFault::Missing))
    }];
    for _ in 0..48 {
        note(&Ok(()), &tolerated);
    }
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("WARN kernel parameter not as configured condition=\"sysctl_wrong\""),
        "{lines:?}"
    );
}

#[test]
fn vip_that_is_missing_is_a_condition_but_in_a_dry_run() {
    let snapshot = fixture::director();
    let vip = snapshot.vips.lock().keys().next().cloned().unwrap();
    snapshot.vips.lock().insert(vip, false);
    let ok: Result<(), ReconcileError> = Ok(());
    update(&snapshot, &ok, &[], Writing::DryRun, clock::wall());
    assert_eq!(snapshot.conditions.list(), []);
    update(&snapshot, &ok, &[], Writing::Real, clock::wall());
    let conditions = snapshot.conditions.list();
    assert_eq!(conditions[0].kind, ConditionType::VipMissing);
    assert_eq!(conditions[0].subject, "192.168.11.200 eth0");
}

fn failed(services: &[&str]) -> Result<(), ReconcileError> {
    let failures = services.iter();
    Err(ReconcileError::Steps(
        failures
            .map(|service| failure(service, Cause::Missing))
            .collect(),
    ))
}

fn failure(service: &str, cause: Cause) -> StepFailure {
    StepFailure {
        subject: service.parse().map_or(
            Subject::Timeout(crate::model::Timeout::Tcp),
            Subject::Service,
        ),
        error: StepError::Kernel(KernelError::new(format!("add {service}"), cause)),
    }
}
