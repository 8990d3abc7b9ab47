use std::sync::Mutex;

use super::*;
use crate::metrics::Metrics;
use crate::notify::event::{Event, EventKind};
use crate::runtime::clock;
use crate::status::{Mode, fixture};

/// A message that can be told from others by its number.
pub(in crate::notify) fn message(number: usize) -> Arc<Message> {
    Arc::new(Message {
        event: Event::of_agent(EventKind::Drift, &number.to_string()),
        at: fixture::start(),
        host: "director1".into(),
        mode: Mode::Director,
    })
}

/// What each attempt comes to, by its number from 1.
type Script = fn(usize) -> Result<(), DeliveryError>;

struct Run {
    /// When each attempt was made, in seconds, and with which message.
    attempts: Vec<(u64, Arc<Message>)>,
    /// Delivered, failed.
    counted: (u64, u64),
}

/// Delivers two messages for a minute.
async fn run(script: Script) -> Run {
    let queue = Arc::new(Queue::default());
    let counters = Metrics::new([]).unwrap().notifications(0).unwrap();
    let attempts = Mutex::new(Vec::new());
    let start = clock::monotonic();
    let deliver = |message: Arc<Message>| {
        let mut attempts = attempts.lock().unwrap();
        let at = clock::monotonic() - start;
        attempts.push((at.as_secs(), message));
        std::future::ready(script(attempts.len()))
    };
    for number in 1..=2 {
        queue.push(message(number));
    }
    let worker = work("notify[0]".to_owned(), queue, counters.clone(), deliver);
    tokio::time::timeout(Duration::from_mins(1), worker)
        .await
        .unwrap_err();
    Run {
        attempts: attempts.into_inner().unwrap(),
        counted: (counters.delivered.get(), counters.failed.get()),
    }
}

fn numbers(attempts: &[(u64, usize)]) -> Vec<(u64, Arc<Message>)> {
    let attempts = attempts.iter();
    attempts
        .map(|&(at, number)| (at, message(number)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_before_the_next() {
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
async fn after_four_attempts_the_next_has_its_turn() {
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
async fn what_cannot_succeed_is_tried_once() {
    let run = run(|_| Err(DeliveryError::Status(404))).await;
    assert_eq!(run.attempts, numbers(&[(0, 1), (0, 2)]));
    assert_eq!(run.counted, (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_delivery_and_the_next_is_made() {
    let queue = Arc::new(Queue::default());
    let counters = Metrics::new([]).unwrap().notifications(0).unwrap();
    for number in 1..=2 {
        queue.push(message(number));
    }
    queue.close();
    let deliver = |delivered: Arc<Message>| async move {
        assert!(delivered != message(1), "injected");
        Ok(())
    };
    work("notify[0]".to_owned(), queue, counters.clone(), deliver).await;
    assert_eq!((counters.delivered.get(), counters.failed.get()), (1, 1));
}
