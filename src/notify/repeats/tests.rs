use tokio::time::advance;

use super::*;
use crate::model::{Condition, Role, Severity};
use crate::notify::event::Event;
use crate::status::{ConditionChange, fixture};

const MINUTE: Duration = Duration::from_mins(1);

fn condition(subject: &str, severity: Severity) -> Condition {
    Condition {
        kind: ConditionType::SysctlWrong,
        subject: subject.to_owned(),
        severity,
        message: "is 0".to_owned(),
        fix: "set it".to_owned(),
        since: fixture::start(),
    }
}

fn note(active: &ActiveConditions, change: &ConditionChange) -> Option<Message> {
    active.note(&Arc::new(Message {
        event: Event::of_condition(change),
        at: fixture::start(),
        host: "director1".into(),
        role: Role::Director,
    }))
}

fn raise(active: &ActiveConditions, subject: &str) {
    let raised = ConditionChange::Raised(condition(subject, Severity::Problem));
    assert_eq!(note(active, &raised), None);
}

/// What is due after each of these seconds.
async fn due_after(repeats: &mut Repeats, seconds: &[u64]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for &seconds in seconds {
        advance(Duration::from_secs(seconds)).await;
        let due = repeats.take_due();
        let subject = |message: &Arc<Message>| message.event.condition().unwrap().subject.clone();
        all.push(due.iter().map(subject).collect());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn each_condition_is_repeated_once_an_interval_since_it_was_raised() {
    let active = Arc::new(ActiveConditions::default());
    let mut repeats = Repeats::new(MINUTE, Arc::clone(&active));
    raise(&active, "a");
    advance(Duration::from_secs(30)).await;
    raise(&active, "b");
    assert_eq!(repeats.next(), now() + MINUTE / 2);
    let due = due_after(&mut repeats, &[29, 1, 29, 1, 30, 300]).await;
    let (a, b, none) = (vec!["a"], vec!["b"], vec![]);
    assert_eq!(due, [none.clone(), a.clone(), none, b, a, vec!["a", "b"]]);
    let cleared = ConditionChange::Cleared(condition("a", Severity::Problem));
    assert_eq!(note(&active, &cleared), None);
    assert_eq!(due_after(&mut repeats, &[60]).await, [["b"]]);
}

#[tokio::test(start_paused = true)]
async fn without_conditions_the_next_repeat_is_due_after_one_interval() {
    let active = Arc::new(ActiveConditions::default());
    let repeats = Repeats::new(MINUTE, Arc::clone(&active));
    assert_eq!(repeats.next(), now() + MINUTE);
}

#[tokio::test(start_paused = true)]
async fn changed_cause_continues_the_condition_and_changed_severity_clears_the_old_one() {
    let active = Arc::new(ActiveConditions::default());
    let mut repeats = Repeats::new(MINUTE, Arc::clone(&active));
    raise(&active, "a");
    advance(MINUTE / 2).await;
    raise(&active, "a");
    assert_eq!(due_after(&mut repeats, &[30]).await, [["a"]]);
    let warning = ConditionChange::Raised(condition("a", Severity::Warning));
    let ended = note(&active, &warning).unwrap();
    assert!(ended.event.is_cleared());
    assert_eq!(ended.event.condition().unwrap().severity, Severity::Problem);
}
