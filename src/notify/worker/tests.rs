use std::sync::Mutex;

use super::*;
use crate::metrics::{Metrics, NotificationCounters};
use crate::model::{Condition, ConditionType, Role, Severity};
use crate::notify::event::{Event, EventKind, Message};
use crate::notify::repeats::ActiveConditions;
use crate::runtime::clock;
use crate::status::{ConditionChange, fixture};

/// A message that can be told from others by its number.
pub(in crate::notify) fn message(number: usize) -> Arc<Message> {
    Arc::new(Message {
        event: Event::of_agent(EventKind::Drift, &number.to_string()),
        at: fixture::start(),
        host: "director1".into(),
        role: Role::Director,
    })
}

/// These, delivered together.
pub(in crate::notify) fn group(numbers: &[usize]) -> Group {
    numbers.iter().map(|&number| message(number)).collect()
}

fn counters() -> NotificationCounters {
    Metrics::new([]).unwrap().notifications("0").unwrap()
}

fn work(queue: Arc<Queue>, counters: &NotificationCounters) -> Work {
    Work {
        identity: Arc::new(Shared::new(Identity {
            label: "0".to_owned(),
            name: "notify[0]".to_owned(),
            counters: counters.clone(),
        })),
        queue,
        active: Arc::default(),
        group_wait: None,
        repeats: None,
    }
}

/// What each attempt comes to, by its number from 1.
type Script = fn(usize) -> Result<(), DeliveryError>;

struct Run {
    /// When each attempt was made, in seconds, and with which message.
    attempts: Vec<(u64, Group)>,
    /// Delivered, failed.
    counted: (u64, u64),
}

/// Delivers two messages for a minute.
async fn run(script: Script) -> Run {
    let queue = Arc::new(Queue::default());
    let counters = counters();
    let attempts = Mutex::new(Vec::new());
    let start = clock::monotonic();
    let deliver = |group: Group| {
        let mut attempts = attempts.lock().unwrap();
        let at = clock::monotonic() - start;
        attempts.push((at.as_secs(), group));
        std::future::ready(script(attempts.len()))
    };
    for number in 1..=2 {
        queue.push(message(number));
    }
    let worker = work(queue, &counters).run(deliver);
    tokio::time::timeout(Duration::from_mins(1), worker)
        .await
        .unwrap_err();
    Run {
        attempts: attempts.into_inner().unwrap(),
        counted: (counters.delivered.get(), counters.failed.get()),
    }
}

fn numbers(attempts: &[(u64, usize)]) -> Vec<(u64, Group)> {
    let attempts = attempts.iter();
    attempts
        .map(|&(at, number)| (at, group(&[number])))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn failed_delivery_is_retried_before_the_next_event() {
    let run = run(|attempt| match attempt {
        1 => Err(DeliveryError::Status(500)),
        2 => Err(DeliveryError::TimedOut(Duration::from_secs(1))),
        _ => Ok(()),
    })
    .await;
    assert_eq!(run.attempts, numbers(&[(0, 1), (1, 1), (3, 1), (3, 2)]));
    assert_eq!(run.counted, (2, 0));
}

#[tokio::test(start_paused = true)]
async fn next_event_is_delivered_after_four_failed_attempts() {
    let run = run(|attempt| {
        if attempt <= 4 {
            Err(DeliveryError::Status(503))
        } else {
            Ok(())
        }
    })
    .await;
    assert_eq!(
        run.attempts,
        numbers(&[(0, 1), (1, 1), (3, 1), (7, 1), (7, 2)])
    );
    assert_eq!(run.counted, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn delivery_that_cannot_succeed_is_attempted_once() {
    let run = run(|_| Err(DeliveryError::Status(404))).await;
    assert_eq!(run.attempts, numbers(&[(0, 1), (0, 2)]));
    assert_eq!(run.counted, (0, 2));
}

/// As Alertmanager takes them.
#[test]
fn an_answer_is_final_unless_the_receiver_says_that_it_may_pass() {
    for status in [300, 302, 308, 400, 401, 403, 404, 408, 410, 413, 422] {
        let error = DeliveryError::Status(status);
        assert!(!error.may_pass() && error.fix().is_some(), "{status}");
    }
    for status in [429, 500, 502, 503, 504, 599] {
        let error = DeliveryError::Status(status);
        assert!(error.may_pass() && error.fix().is_some(), "{status}");
    }
}

/// The end comes while the reminder waits behind a target that fails.
#[tokio::test(start_paused = true)]
async fn no_reminder_is_delivered_of_a_condition_that_has_ended() {
    let (queue, counters) = (Arc::new(Queue::default()), counters());
    let active = Arc::new(ActiveConditions::default());
    let snapshot = fixture::director();
    let web = &snapshot.services[0];
    let rs = &web.real_servers[1];
    let of = |event| {
        Arc::new(Message {
            event,
            at: fixture::start(),
            host: "director1".into(),
            role: Role::Director,
        })
    };
    let down = Condition {
        kind: ConditionType::RealServerDown,
        subject: web.name_of(rs),
        severity: Severity::Problem,
        message: "no".to_owned(),
        fix: "fix it".to_owned(),
        since: fixture::start(),
    };
    let raised = of(Event::of_condition(&ConditionChange::Raised(down.clone())));
    active.note(&raised);
    let reminder = || Arc::new(raised.as_continuing(fixture::start()));
    let up = of(Event::of_real_server(
        EventKind::RealServerUp,
        web,
        rs,
        "1 passed",
    ));
    let fell = of(Event::of_real_server(
        EventKind::RealServerDown,
        web,
        rs,
        "no",
    ));
    let mut work = Work {
        active: Arc::clone(&active),
        ..work(Arc::clone(&queue), &counters)
    };
    queue.push(reminder());
    queue.push(Arc::clone(&up));
    // The examination that ends the condition follows within a second.
    active.note(&up);
    assert_eq!(work.next().await, Some([Arc::clone(&up)].into()));
    assert_eq!(active.continuing(), []);
    // It falls again before the examination has seen that it was up.
    active.note(&fell);
    queue.push(reminder());
    assert_eq!(work.next().await, Some([reminder()].into()));
    active.note(&of(Event::of_condition(&ConditionChange::Cleared(down))));
    queue.push(reminder());
    queue.push(message(1));
    assert_eq!(work.next().await, Some(group(&[1])));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_delivery_and_the_next_is_made() {
    let queue = Arc::new(Queue::default());
    let counters = counters();
    for number in 1..=2 {
        queue.push(message(number));
    }
    queue.close();
    let deliver = |delivered: Group| async move {
        assert!(delivered != group(&[1]), "injected");
        Ok(())
    };
    work(queue, &counters).run(deliver).await;
    assert_eq!((counters.delivered.get(), counters.failed.get()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_group_is_delivered_and_counted_as_a_whole() {
    let (queue, counters) = (Arc::new(Queue::default()), counters());
    for number in 1..=3 {
        queue.push(message(number));
    }
    queue.close();
    let grouped = Work {
        group_wait: Some(Duration::from_secs(10)),
        ..work(queue, &counters)
    };
    let delivered = Mutex::new(Vec::new());
    let deliver = |group: Group| {
        delivered.lock().unwrap().push(group);
        std::future::ready(Ok(()))
    };
    grouped.run(deliver).await;
    assert_eq!(*delivered.lock().unwrap(), [group(&[1, 2, 3])]);
    assert_eq!((counters.delivered.get(), counters.failed.get()), (3, 0));
}

/// Also of one that begins while nothing waits for the target.
#[tokio::test(start_paused = true)]
async fn condition_that_lasts_is_delivered_again() {
    let (queue, counters) = (Arc::new(Queue::default()), counters());
    let active = Arc::new(ActiveConditions::default());
    let repeating = Work {
        repeats: Some(Repeats::new(Duration::from_mins(1), Arc::clone(&active))),
        active: Arc::clone(&active),
        ..work(queue, &counters)
    };
    let start = clock::monotonic();
    let reported = Mutex::new(Vec::new());
    let deliver = |group: Group| {
        let at = (clock::monotonic() - start).as_secs();
        let kinds = group.iter().map(|message| message.event.kind());
        reported
            .lock()
            .unwrap()
            .push((at, kinds.collect::<Vec<_>>()));
        std::future::ready(Ok(()))
    };
    let begin = async {
        sleep(Duration::from_secs(10)).await;
        let missing = Condition {
            kind: ConditionType::VipMissing,
            subject: "192.0.2.1 lo".to_owned(),
            severity: Severity::Problem,
            message: "gone".to_owned(),
            fix: "add it".to_owned(),
            since: fixture::start(),
        };
        active.note(&Arc::new(Message {
            event: Event::of_condition(&ConditionChange::Raised(missing)),
            at: fixture::start(),
            host: "director1".into(),
            role: Role::Director,
        }));
        sleep(Duration::from_secs(130)).await;
    };
    tokio::select! {
        () = repeating.run(deliver) => {}
        () = begin => {}
    }
    let continues = vec![EventKind::ConditionContinues];
    assert_eq!(
        *reported.lock().unwrap(),
        [(70, continues.clone()), (130, continues)]
    );
}
