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
    let places = Arc::new(Places::default());
    let start = clock::monotonic();
    let director = places.try_take(Some(host(1)), start).unwrap();
    let idle: Vec<_> = (1..PLACES)
        .map(|_| places.try_take(Some(host(2)), start).unwrap())
        .collect();
    assert!(
        places.try_take(Some(host(3)), start).is_none(),
        "within the grace"
    );
    let now = later(start, REQUEST_GRACE);
    let new = places.try_take(Some(host(3)), now).unwrap();
    let table = places.table.lock();
    assert_eq!(table.entries.len(), PLACES);
    assert!(table.entries.contains_key(&director.id));
    assert!(table.entries.contains_key(&new.id));
    let gone = idle.iter().filter(|p| !table.entries.contains_key(&p.id));
    assert_eq!(gone.count(), 1);
}

#[test]
fn readers_leave_room_for_small_answers() {
    let places = Arc::new(Places::default());
    let start = clock::monotonic();
    let take = || places.try_take(Some(host(2)), start).unwrap();
    let readers: Vec<_> = (0..READERS).map(|_| take()).collect();
    for reader in &readers {
        assert!(reader.reads());
    }
    let one_more = take();
    assert!(!one_more.reads(), "all of them have just begun");
    let rest: Vec<_> = (0..PLACES - READERS - 1).map(|_| take()).collect();
    for place in &rest {
        place.requested();
    }
    one_more.requested();
    assert!(places.try_take(Some(host(1)), start).is_none());
    let now = later(clock::monotonic(), READING_GRACE);
    assert!(
        places.try_take(Some(host(1)), now).is_some(),
        "a slow reader ends"
    );
}
