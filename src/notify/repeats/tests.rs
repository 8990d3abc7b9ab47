use tokio::time::advance;

use super::*;
use crate::model::{Condition, Severity};
use crate::notify::event::Event;
use crate::status::{ConditionChange, Mode, fixture};

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

fn note(ongoing: &Ongoing, change: &ConditionChange) -> Option<Message> {
    ongoing.note(&Arc::new(Message {
        event: Event::of_condition(change),
        at: fixture::start(),
        host: "director1".into(),
        mode: Mode::Director,
    }))
}

fn raise(ongoing: &Ongoing, subject: &str) {
    let raised = ConditionChange::Raised(condition(subject, Severity::Problem));
    assert_eq!(note(ongoing, &raised), None);
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
async fn each_condition_is_told_again_in_each_interval_from_its_beginning_on() {
    let ongoing = Arc::new(Ongoing::default());
    let mut repeats = Repeats::new(MINUTE, Arc::clone(&ongoing));
    raise(&ongoing, "a");
    advance(Duration::from_secs(30)).await;
    raise(&ongoing, "b");
    assert_eq!(repeats.next(), now() + MINUTE / 2);
    let due = due_after(&mut repeats, &[29, 1, 29, 1, 30, 300]).await;
    let (a, b, none) = (vec!["a"], vec!["b"], vec![]);
    assert_eq!(due, [none.clone(), a.clone(), none, b, a, vec!["a", "b"]]);
    let cleared = ConditionChange::Cleared(condition("a", Severity::Problem));
    assert_eq!(note(&ongoing, &cleared), None);
    assert_eq!(due_after(&mut repeats, &[60]).await, [["b"]]);
}

#[tokio::test(start_paused = true)]
async fn with_no_condition_the_next_look_is_one_interval_away() {
    let ongoing = Arc::new(Ongoing::default());
    let repeats = Repeats::new(MINUTE, Arc::clone(&ongoing));
    assert_eq!(repeats.next(), now() + MINUTE);
}

#[tokio::test(start_paused = true)]
async fn another_cause_does_not_begin_anew_and_another_severity_ends_what_was_told() {
    let ongoing = Arc::new(Ongoing::default());
    let mut repeats = Repeats::new(MINUTE, Arc::clone(&ongoing));
    raise(&ongoing, "a");
    advance(MINUTE / 2).await;
    raise(&ongoing, "a");
    assert_eq!(due_after(&mut repeats, &[30]).await, [["a"]]);
    let warning = ConditionChange::Raised(condition("a", Severity::Warning));
    let ended = note(&ongoing, &warning).unwrap();
    assert!(ended.event.is_cleared());
    assert_eq!(ended.event.condition().unwrap().severity, Severity::Problem);
}
