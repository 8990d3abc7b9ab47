use std::sync::Mutex;

use super::*;
use crate::reconcile::captured_log::CapturedLog;
use crate::status::fixture::start;

fn condition(kind: ConditionType, subject: &str, message: &str) -> Condition {
    Condition {
        kind,
        subject: subject.to_owned(),
        severity: Severity::Problem,
        message: message.to_owned(),
        fix: "fix it".to_owned(),
        since: start(),
    }
}

#[test]
fn logs_and_notifies_of_each_change_once() {
    let log = CapturedLog::start();
    let conditions = Conditions::default();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    conditions.listen(move |change| listener.lock().unwrap().push(change.clone()));
    let missing = |message| condition(ConditionType::VipMissing, "192.0.2.1 lo", message);
    for _ in 0..3 {
        conditions.raise(missing("gone"));
    }
    let changed = Condition {
        since: start() + std::time::Duration::from_secs(9),
        ..missing("refused")
    };
    conditions.raise(changed);
    assert_eq!(conditions.list(), [missing("refused")], "the start is kept");
    for _ in 0..2 {
        conditions.clear(ConditionType::VipMissing, "192.0.2.1 lo");
    }
    let rest = r#"condition="vip_missing" subject="192.0.2.1 lo""#;
    assert_eq!(
        log.take(),
        [
            format!(r#"ERROR VIP missing {rest} reason="gone" fix="fix it""#),
            format!(r#"ERROR VIP missing {rest} reason="refused" fix="fix it""#),
            format!(r#"INFO cleared: VIP missing {rest} was="refused""#),
        ]
    );
    assert_eq!(heard.lock().unwrap().len(), 3);
}

#[test]
fn condition_that_its_source_logs_is_listed_and_heard_of() {
    let log = CapturedLog::start();
    let conditions = Conditions::default();
    let heard = Arc::new(Mutex::new(0));
    let listener = Arc::clone(&heard);
    conditions.listen(move |_| *listener.lock().unwrap() += 1);
    conditions.raise(condition(ConditionType::QuorumLost, "web", "too few"));
    conditions.raise(condition(ConditionType::ArpConflict, "192.0.2.1", "two"));
    assert_eq!(conditions.list().len(), 2);
    assert_eq!(log.take(), [""; 0]);
    assert_eq!(*heard.lock().unwrap(), 2);
}

#[test]
fn replace_clears_only_the_types_that_it_names() {
    let conditions = Conditions::default();
    conditions.raise(condition(ConditionType::VipMissing, "a", "gone"));
    conditions.raise(condition(ConditionType::VipMissing, "b", "gone"));
    conditions.raise(condition(ConditionType::FailOpen, "web", "open"));
    let found = [condition(ConditionType::VipMissing, "b", "gone")];
    conditions.replace(&[ConditionType::VipMissing], found);
    let subjects: Vec<_> = conditions.list().into_iter().map(|it| it.subject).collect();
    assert_eq!(subjects, ["b", "web"]);
}

#[test]
fn keeps_a_bounded_number_of_a_type_and_writes_few_lines() {
    let log = CapturedLog::start();
    let conditions = Conditions::default();
    let many = (0..10_000).map(|number| {
        let subject = format!("tcp 192.0.2.1:{number}");
        condition(ConditionType::StepFailed, &subject, "refused")
    });
    conditions.replace(&[ConditionType::StepFailed], many);
    let count = conditions.count(ConditionType::StepFailed, Severity::Problem);
    assert_eq!(count, MOST_OF_A_TYPE);
    let lines = log.take();
    assert_eq!(lines.len(), LINES_AT_ONCE + 1);
    assert_eq!(
        lines[LINES_AT_ONCE],
        "WARN more conditions changed: see `lvs-agent status` number=240"
    );
}

#[test]
fn problems_come_before_warnings() {
    let conditions = Conditions::default();
    let warning = Condition {
        severity: Severity::Warning,
        ..condition(ConditionType::SysctlWrong, "a", "odd")
    };
    conditions.raise(warning);
    conditions.raise(condition(ConditionType::RealServerDown, "web/rs1", "down"));
    let kinds: Vec<_> = conditions.list().into_iter().map(|it| it.kind).collect();
    assert_eq!(
        kinds,
        [ConditionType::RealServerDown, ConditionType::SysctlWrong]
    );
}
