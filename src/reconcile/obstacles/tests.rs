use super::*;
use crate::kernel::{Cause, KernelError, SysctlFault};
use crate::reconcile::StepError;
use crate::reconcile::captured_log::CapturedLog;
use crate::runtime::clock;

#[test]
fn each_failed_step_is_said_once_and_again_after_a_minute() {
    let log = CapturedLog::start();
    let mut obstacles = Obstacles::default();
    let start = clock::monotonic();
    let both = failed(&["tcp 192.0.2.1:80", "tcp 192.0.2.2:80"]);
    obstacles.note(&both, &[], start);
    let said = [
        "ERROR cannot add tcp 192.0.2.1:80: it does not exist",
        "ERROR cannot add tcp 192.0.2.2:80: it does not exist",
    ];
    assert_eq!(log.take(), said);
    for seconds in [1, 30, 59] {
        obstacles.note(&both, &[], start + Duration::from_secs(seconds));
    }
    assert_eq!(log.take(), [""; 0]);
    obstacles.note(&both, &[], start + Duration::from_mins(1));
    assert_eq!(log.take(), said);

    obstacles.note(&failed(&["tcp 192.0.2.2:80"]), &[], start + SILENCE);
    assert_eq!(
        log.take(),
        ["INFO mended: cannot add tcp 192.0.2.1:80: it does not exist"]
    );
    obstacles.note(&Ok::<(), _>(()), &[], start + SILENCE);
    assert_eq!(
        log.take(),
        [
            "INFO mended: cannot add tcp 192.0.2.2:80: it does not exist",
            "INFO the kernel is as configured again"
        ]
    );
    obstacles.note(&Ok::<(), _>(()), &[], start + SILENCE);
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_kernel_that_cannot_be_read_mends_nothing() {
    let log = CapturedLog::start();
    let mut obstacles = Obstacles::default();
    let start = clock::monotonic();
    obstacles.note(&failed(&["tcp 192.0.2.1:80"]), &[], start);
    log.take();
    let unread = KernelError::new("list", Cause::Missing);
    obstacles.note(&Err::<(), _>(ReconcileError::Observe(unread)), &[], start);
    assert_eq!(log.take(), ["ERROR cannot list: it does not exist"]);
    obstacles.note(&failed(&["tcp 192.0.2.1:80"]), &[], start);
    assert_eq!(log.take(), ["INFO mended: cannot list: it does not exist"]);
}

#[test]
fn a_thousand_failed_steps_are_not_a_thousand_lines() {
    let log = CapturedLog::start();
    let services: Vec<_> = (1..=1000)
        .map(|port| format!("tcp 192.0.2.1:{port}"))
        .collect();
    let services: Vec<_> = services.iter().map(String::as_str).collect();
    let mut obstacles = Obstacles::default();
    obstacles.note(&failed(&services), &[], clock::monotonic());
    let said = log.take();
    assert_eq!(said.len(), LINES_AT_ONCE + 1);
    let rest = &said[LINES_AT_ONCE];
    assert!(rest.starts_with("ERROR more steps are not done"), "{rest}");
}

#[test]
fn what_stays_until_somebody_acts_is_said_once() {
    let log = CapturedLog::start();
    let mut obstacles = Obstacles::default();
    let start = clock::monotonic();
    let lasting = Cause::NoScheduler("nosuch".to_owned());
    let failed = Err::<(), _>(ReconcileError::Steps(vec![failure(
        "tcp 192.0.2.1:80",
        lasting,
    )]));
    for hours in 0..48 {
        obstacles.note(&failed, &[], start + Duration::from_hours(hours));
    }
    let said = log.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("modprobe ip_vs_nosuch"), "{said:?}");
}

#[test]
fn what_traffic_can_do_without_is_a_warning_beside_a_pass_that_went_well() {
    let log = CapturedLog::start();
    let mut obstacles = Obstacles::default();
    let start = clock::monotonic();
    let cause = Cause::Parameter(SysctlFault::Missing);
    let tolerated = [failure("tcp 192.0.2.1:80", cause)];
    for hours in 0..48 {
        let now = start + Duration::from_hours(hours);
        obstacles.note(&Ok::<(), _>(()), &tolerated, now);
    }
    assert_eq!(
        log.take(),
        [
            "WARN cannot add tcp 192.0.2.1:80: this kernel has no such parameter; correct or \
             remove it under `sysctls`, or load the module that brings it; traffic does not \
             depend on it"
        ]
    );
    obstacles.note(&Ok::<(), _>(()), &[], start);
    assert_eq!(log.take()[1], "INFO the kernel is as configured again");
}

fn failed(services: &[&str]) -> Result<(), ReconcileError> {
    let failures = services.iter();
    Err(ReconcileError::Steps(
        failures
            .map(|service| failure(service, Cause::Missing))
            .collect(),
    ))
}

fn failure(service: &str, cause: Cause) -> Failure {
    Failure {
        subject: Subject::Service(service.parse().unwrap()),
        error: StepError::Kernel(KernelError::new(format!("add {service}"), cause)),
    }
}
