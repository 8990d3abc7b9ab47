use tokio::time::{advance, timeout};

use super::*;
use crate::notify::worker::tests::{group, message};

#[tokio::test]
async fn full_queue_drops_the_oldest_event() {
    let queue = Queue::default();
    for number in 0..DEPTH {
        assert_eq!(queue.push(message(number)), None);
    }
    assert_eq!(queue.push(message(DEPTH)), Some(message(0)));
    for number in 1..=DEPTH {
        assert_eq!(queue.pop(None).await, Some(group(&[number])));
    }
    assert!(queue.content.lock().waiting.is_empty());
}

#[tokio::test]
async fn closed_queue_returns_its_events_and_accepts_no_more() {
    let queue = Queue::default();
    queue.push(message(1));
    queue.push(message(2));
    queue.close();
    assert_eq!(queue.push(message(3)), Some(message(3)));
    assert_eq!(queue.pop(None).await, Some(group(&[1])));
    assert_eq!(queue.pop(None).await, Some(group(&[2])));
    assert_eq!(queue.pop(None).await, None);
    assert_eq!(queue.abandon(), 0);
}

#[tokio::test]
async fn event_in_delivery_is_counted_as_abandoned() {
    let queue = Queue::default();
    queue.push(message(1));
    queue.push(message(2));
    assert_eq!(queue.pop(None).await, Some(group(&[1])));
    assert_eq!(queue.abandon(), 2);
    assert_eq!(queue.pop(None).await, None);
    let queue = Queue::default();
    for number in 1..=3 {
        queue.push(message(number));
    }
    queue.pop(Some(Duration::ZERO)).await;
    assert_eq!(queue.abandon(), 3);
}

const WAIT: Option<Duration> = Some(Duration::from_secs(10));

/// What the queue gives now, if anything.
async fn given(queue: &Queue) -> Option<Group> {
    let given = timeout(Duration::ZERO, queue.pop(WAIT)).await;
    given.ok().map(Option::unwrap)
}

#[tokio::test(start_paused = true)]
async fn events_within_the_window_of_the_oldest_are_one_group() {
    let queue = Queue::default();
    queue.push(message(1));
    advance(Duration::from_secs(6)).await;
    queue.push(message(2));
    assert_eq!(given(&queue).await, None);
    advance(Duration::from_secs(4)).await;
    assert_eq!(given(&queue).await, Some(group(&[1, 2])));
    queue.push(message(3));
    assert_eq!(given(&queue).await, None, "a window of its own");
    queue.close();
    assert_eq!(
        given(&queue).await,
        Some(group(&[3])),
        "the end waits for none"
    );
}

#[tokio::test(start_paused = true)]
async fn group_of_the_largest_size_is_returned_at_once() {
    let queue = Queue::default();
    let numbers: Vec<_> = (0..=LARGEST_GROUP).collect();
    for &number in &numbers {
        queue.push(message(number));
    }
    let (first, rest) = numbers.split_at(LARGEST_GROUP);
    assert_eq!(given(&queue).await, Some(group(first)));
    assert_eq!(given(&queue).await, None);
    advance(Duration::from_secs(10)).await;
    assert_eq!(given(&queue).await, Some(group(rest)));
}
