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
        assert_eq!(queue.pop().await, message(number));
    }
    assert!(queue.waiting.lock().is_empty());
}
