use std::net::Ipv4Addr;

use super::*;

fn host(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn later(start: Instant, by: Duration) -> Instant {
    start.checked_add(by).unwrap()
}

#[test]
fn newest_connection_ends_the_oldest_without_a_request_of_the_busiest_source() {
    let slots = Arc::new(ConnectionSlots::default());
    let start = clock::monotonic();
    let director = slots.try_take(Some(host(1)), start).unwrap();
    let idle: Vec<_> = (1..SLOTS)
        .map(|_| slots.try_take(Some(host(2)), start).unwrap())
        .collect();
    assert!(
        slots.try_take(Some(host(3)), start).is_none(),
        "within the grace"
    );
    let now = later(start, REQUEST_GRACE);
    let new = slots.try_take(Some(host(3)), now).unwrap();
    let table = slots.table.lock();
    assert_eq!(table.entries.len(), SLOTS);
    assert!(table.entries.contains_key(&director.id));
    assert!(table.entries.contains_key(&new.id));
    let gone = idle.iter().filter(|p| !table.entries.contains_key(&p.id));
    assert_eq!(gone.count(), 1);
}

#[test]
fn readers_leave_room_for_small_answers() {
    let slots = Arc::new(ConnectionSlots::default());
    let start = clock::monotonic();
    let take = || Arc::new(slots.try_take(Some(host(2)), start).unwrap());
    let readers: Vec<_> = (0..READERS).map(|_| take()).collect();
    for reader in &readers {
        assert!(ConnectionSlot::reads(reader).is_some());
    }
    let one_more = take();
    let refused = ConnectionSlot::reads(&one_more).is_none();
    assert!(refused, "all of them have just begun");
    let rest: Vec<_> = (0..SLOTS - READERS - 1).map(|_| take()).collect();
    for slot in &rest {
        slot.requested();
    }
    one_more.requested();
    assert!(slots.try_take(Some(host(1)), start).is_none());
    let now = later(clock::monotonic(), READING_GRACE);
    assert!(
        slots.try_take(Some(host(1)), now).is_some(),
        "a slow reader ends"
    );
}

#[test]
fn connection_that_waits_for_its_next_request_ends_first_and_at_once() {
    let slots = Arc::new(ConnectionSlots::default());
    let start = clock::monotonic();
    let take = |last| slots.try_take(Some(host(last)), start).map(Arc::new);
    let scraper = take(1).unwrap();
    scraper.requested();
    let reader = ConnectionSlot::reads(&scraper).unwrap();
    let _others: Vec<_> = (1..SLOTS).map(|_| take(2).unwrap()).collect();
    assert!(
        take(3).is_none(),
        "the answer to the scraper is not written"
    );
    reader.done();
    assert!(take(3).is_some());
    assert!(!slots.table.lock().entries.contains_key(&scraper.id));
}

#[test]
fn next_request_is_not_idle_though_the_answer_before_it_is_written_only_then() {
    let slots = Arc::new(ConnectionSlots::default());
    let slot = slots.try_take(None, clock::monotonic()).map(Arc::new);
    let slot = slot.unwrap();
    slot.requested();
    let first = ConnectionSlot::reads(&slot).unwrap();
    slot.requested();
    let _second = ConnectionSlot::reads(&slot).unwrap();
    first.done();
    assert_eq!(slots.table.lock().entries[&slot.id].phase, Phase::Reading);
}

/// Time is virtual, and passes while all wait.
#[tokio::test(start_paused = true)]
async fn each_phase_has_its_time() {
    let slots = Arc::new(ConnectionSlots::default());
    let slot = slots.take(None).await;
    let start = clock::monotonic();
    let stayed = || clock::monotonic() - start;
    assert_eq!(slot.ended().await, End::Late);
    assert!(stayed() >= HEAD_DEADLINE && stayed() < HEAD_DEADLINE * 2);

    let slot = slots.take(None).await;
    let start = clock::monotonic();
    let stayed = || clock::monotonic() - start;
    let waits = tokio::spawn({
        let slot = Arc::clone(&slot);
        async move { slot.ended().await }
    });
    tokio::task::yield_now().await;
    slot.requested();
    let reader = ConnectionSlot::reads(&slot).unwrap();
    tokio::time::sleep(ANSWER_DEADLINE / 2).await;
    reader.done();
    tokio::time::sleep(IDLE_DEADLINE / 2).await;
    assert!(!waits.is_finished(), "the connection is idle");
    slot.requested();
    let requested = stayed();
    assert_eq!(waits.await.unwrap(), End::Late);
    let answered = stayed().saturating_sub(requested);
    assert!(
        answered >= ANSWER_DEADLINE && answered < ANSWER_DEADLINE * 2,
        "{answered:?}"
    );
}
