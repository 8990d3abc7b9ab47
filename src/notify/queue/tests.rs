use super::*;
use crate::notify::worker::tests::message;

#[tokio::test]
async fn the_oldest_goes_when_it_is_full() {
    let queue = Queue::default();
    for number in 0..DEPTH {
        assert_eq!(queue.push(message(number)), None);
    }
    assert_eq!(queue.push(message(DEPTH)), Some(message(0)));
    for number in 1..=DEPTH {
        assert_eq!(queue.pop().await, Some(message(number)));
    }
    assert!(queue.content.lock().waiting.is_empty());
}

#[tokio::test]
async fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
    let queue = Queue::default();
    queue.push(message(1));
    queue.push(message(2));
    queue.close();
    assert_eq!(queue.push(message(3)), Some(message(3)));
    assert_eq!(queue.pop().await, Some(message(1)));
    assert_eq!(queue.pop().await, Some(message(2)));
    assert_eq!(queue.pop().await, None);
    assert_eq!(queue.abandon(), 0);
}

#[tokio::test]
async fn what_is_in_delivery_is_not_delivered_yet() {
    let queue = Queue::default();
    queue.push(message(1));
    queue.push(message(2));
    assert_eq!(queue.pop().await, Some(message(1)));
    assert_eq!(queue.abandon(), 2);
    assert_eq!(queue.pop().await, None);
}
