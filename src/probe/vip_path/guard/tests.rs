use std::num::NonZeroU32;

use super::*;
use crate::model::ServiceKey;
use crate::runtime::clock;

#[test]
fn what_was_found_holds_for_ten_seconds_and_for_its_family() {
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

#[test]
fn a_canary_is_sent_again_after_thirty_seconds_and_when_its_service_was_made_anew() {
    let (guard, now) = (Guard::default(), clock::monotonic());
    let canary = |time| Confirmed {
        service: ServiceKey::Fwmark {
            mark: NonZeroU32::MIN,
            family: Family::Ipv4,
        },
        mark: NonZeroU32::MIN,
        time,
    };
    assert!(!guard.was_refused(Family::Ipv4, canary(1), now));
    guard.note_refused(Family::Ipv4, canary(1), now);
    assert!(guard.was_refused(Family::Ipv4, canary(1), now));
    assert!(!guard.was_refused(Family::Ipv4, canary(2), now));
    assert!(!guard.was_refused(Family::Ipv6, canary(1), now));
    let later = now + CANARY_GOOD_FOR;
    assert!(!guard.was_refused(Family::Ipv4, canary(1), later));
}
