use std::num::NonZeroU32;

use super::*;
use crate::model::ServiceKey;
use crate::runtime::clock;

#[test]
fn what_was_found_holds_for_ten_seconds_and_for_its_family() {
    let (interception, now) = (InterceptionCheck::default(), clock::monotonic());
    let nothing = Err(Unverified::NoCanary);
    assert_eq!(interception.ensure(Family::Ipv4, now), nothing);
    interception.note(Family::Ipv4, Ok(()), now);
    assert_eq!(interception.ensure(Family::Ipv4, now + GOOD_FOR), Ok(()));
    assert_eq!(interception.ensure(Family::Ipv6, now), nothing);
    let late = now + GOOD_FOR + Duration::from_millis(1);
    assert_eq!(interception.ensure(Family::Ipv4, late), nothing);
    interception.note(Family::Ipv4, Err(Unverified::Backup), now);
    assert_eq!(
        interception.ensure(Family::Ipv4, now),
        Err(Unverified::Backup)
    );
}

#[test]
fn a_canary_is_sent_again_after_thirty_seconds_and_when_its_service_was_made_anew() {
    let (interception, now) = (InterceptionCheck::default(), clock::monotonic());
    let canary = |time| Confirmed {
        service: ServiceKey::Fwmark {
            mark: NonZeroU32::MIN,
            family: Family::Ipv4,
        },
        mark: NonZeroU32::MIN,
        time,
    };
    assert!(!interception.was_refused(Family::Ipv4, canary(1), now));
    interception.note_refused(Family::Ipv4, canary(1), now);
    assert!(interception.was_refused(Family::Ipv4, canary(1), now));
    assert!(!interception.was_refused(Family::Ipv4, canary(2), now));
    assert!(!interception.was_refused(Family::Ipv6, canary(1), now));
    let later = now + CANARY_GOOD_FOR;
    assert!(!interception.was_refused(Family::Ipv4, canary(1), later));
}
