use super::*;

#[test]
fn a_word_holds_for_ten_seconds_and_for_its_family() {
    let (guard, now) = (Guard::default(), clock::monotonic());
    let nothing = Err(Unverified::NoCanary);
    assert_eq!(guard.holds(Family::Ipv4, now), nothing);
    guard.note(Family::Ipv4, Ok(()), now);
    assert_eq!(guard.holds(Family::Ipv4, now + GOOD_FOR), Ok(()));
    assert_eq!(guard.holds(Family::Ipv6, now), nothing);
    let late = now + GOOD_FOR + Duration::from_millis(1);
    assert_eq!(guard.holds(Family::Ipv4, late), nothing);
    guard.note(Family::Ipv4, Err(Unverified::Backup), now);
    assert_eq!(guard.holds(Family::Ipv4, now), Err(Unverified::Backup));
}

/// A failure that was seen before interception went off, by the last canary,
/// must not count.
#[tokio::test(start_paused = true)]
async fn a_failure_waits_for_a_canary_that_is_sent_after_it() {
    let guard = std::sync::Arc::new(Guard::default());
    let before = clock::monotonic();
    guard.note(Family::Ipv4, Ok(()), before);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let waiting = {
        let guard = std::sync::Arc::clone(&guard);
        tokio::spawn(async move { guard.holds_from_now(Family::Ipv4).await })
    };
    guard.asked().await;
    guard.note(Family::Ipv4, Ok(()), before);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    guard.note(Family::Ipv4, Err(Unverified::Backup), clock::monotonic());
    assert_eq!(waiting.await.unwrap(), Err(Unverified::Backup));
}

#[tokio::test(start_paused = true)]
async fn without_a_canary_a_failure_is_not_waited_for_ever() {
    let guard = Guard::default();
    let held = guard.holds_from_now(Family::Ipv4).await;
    assert_eq!(held, Err(Unverified::NoCanary));
}
