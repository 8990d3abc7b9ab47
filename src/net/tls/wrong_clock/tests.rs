use std::net::Ipv4Addr;

use super::Dates::{Expired, NotYetValid, Valid};
use super::*;

const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

/// So many days after the program was there.
fn day(days: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + PROGRAM + DAY * days
}

fn server(host: u8) -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, host), 443).into()
}

/// A certificate that is valid from day 1000 to 2000 and a number of days.
fn certificate(number: u32, now: Moment) -> CertificateDates {
    let not_after = day(2000 + number);
    let dates = if now.wall < day(1000) {
        NotYetValid
    } else if now.wall > not_after {
        Expired
    } else {
        Valid
    };
    CertificateDates {
        certificate: number.into(),
        not_before: day(1000),
        not_after,
        dates,
    }
}

/// This clock, so many seconds after the start of the host.
fn at(wall: SystemTime, seconds: u32) -> Moment {
    Moment {
        wall: wall + SECOND * seconds,
        since_boot: SECOND * seconds,
    }
}

/// What servers 1 and so on with certificates of these numbers come to, each a
/// second after the one before.
fn shown(
    clock: &mut WrongClock,
    numbers: &[u32],
    wall: SystemTime,
    from: u32,
) -> Vec<Option<ClockError>> {
    let servers = (1..).zip(numbers).zip(from..);
    let noted = servers.map(|((host, number), second)| {
        let now = at(wall, second);
        clock.note(server(host), certificate(*number, now), now)
    });
    noted.collect()
}

#[test]
fn a_certificate_that_expires_is_its_servers_fault() {
    let mut clock = WrongClock::default();
    // The first ends on day 2001, the others later.
    assert_eq!(shown(&mut clock, &[1, 5, 9], day(2000), 0), [None; 3]);
    let two_days = 2 * 24 * 3600;
    assert_eq!(
        shown(&mut clock, &[1, 5, 9], day(2000), two_days),
        [None; 3]
    );
    // At the start as well, also where it is the only one.
    for numbers in [[1].as_slice(), &[1, 1, 1]] {
        let shown = shown(&mut WrongClock::default(), numbers, day(2003), 0);
        assert_eq!(shown, vec![None; numbers.len()]);
    }
}

/// One after the other, as time goes by and nobody renews any.
#[test]
fn certificates_that_expire_in_their_time_are_the_servers_fault() {
    let mut clock = WrongClock::default();
    for hour in 0..24 * 20 {
        let second = hour * 3600;
        let found = shown(&mut clock, &[1, 5, 9], day(1995), second);
        assert_eq!(found, [None; 3], "hour {hour}");
    }
}

#[test]
fn a_clock_that_is_set_forward_is_wrong_at_the_first_certificate() {
    for numbers in [[1, 5, 9], [7, 7, 7]] {
        let mut clock = WrongClock::default();
        assert_eq!(shown(&mut clock, &numbers, day(1500), 0), [None; 3]);
        let late = Some(ClockError::Ahead);
        assert_eq!(shown(&mut clock, &numbers, day(9000), 10), [late; 3]);
        // And right again.
        assert_eq!(shown(&mut clock, &numbers, day(1500), 20), [None; 3]);
    }
}

/// A clock that was hours late and is set right.
#[test]
fn a_small_step_does_not_excuse_an_expired_certificate() {
    let mut clock = WrongClock::default();
    let before = day(2001) - Duration::from_hours(1);
    assert_eq!(shown(&mut clock, &[1], before, 0), [None]);
    assert_eq!(shown(&mut clock, &[1], day(2001) + SECOND, 10), [None]);
}

#[test]
fn a_clock_that_is_set_back_is_wrong() {
    let mut clock = WrongClock::default();
    assert_eq!(shown(&mut clock, &[1, 5], day(1500), 0), [None; 2]);
    let early = Some(ClockError::Behind);
    assert_eq!(shown(&mut clock, &[1, 5], day(10), 10), [None, early]);
    assert_eq!(shown(&mut clock, &[1, 5], day(10), 20), [early, early]);
}

#[test]
fn a_clock_before_what_it_had_reached_is_wrong_by_one_certificate() {
    let mut clock = WrongClock::after(Some(day(1400)));
    assert_eq!(
        shown(&mut clock, &[1], day(10), 0),
        [Some(ClockError::Behind)]
    );
    // What is beyond it may be a certificate of tomorrow.
    let mut clock = WrongClock::after(Some(day(500)));
    assert_eq!(shown(&mut clock, &[1], day(999), 0), [None]);
    // Another that is valid by the same clock speaks for the clock.
    let mut clock = WrongClock::after(Some(day(1400)));
    let now = at(day(10), 0);
    let valid = CertificateDates {
        dates: Valid,
        ..certificate(5, now)
    };
    assert_eq!(clock.note(server(2), valid, now), None);
    assert_eq!(shown(&mut clock, &[1], day(10), 1), [None]);
}

/// At the start of the agent, with nothing that was valid before.
#[test]
fn three_certificates_that_ended_on_different_days_do_not_fail_together() {
    let late = Some(ClockError::Ahead);
    let found = shown(&mut WrongClock::default(), &[1, 5, 9, 5], day(9000), 0);
    assert_eq!(found, [None, None, late, late]);
    // Those of one day may have been forgotten together.
    let mut clock = WrongClock::default();
    for (host, number) in [(1, 1), (2, 2), (3, 3)] {
        let now = at(day(9000), 0);
        let dated = CertificateDates {
            not_after: day(2001),
            ..certificate(number, now)
        };
        assert_eq!(clock.note(server(host), dated, now), None);
    }
}

/// What each comes to that is valid from one day to another, shown on day 5000.
fn neglected(
    clock: &mut WrongClock,
    validities: &[(SystemTime, SystemTime)],
) -> Vec<Option<ClockError>> {
    let noted = (1..)
        .zip(validities)
        .map(|(host, &(not_before, not_after))| {
            let dated = CertificateDates {
                certificate: host.into(),
                not_before,
                not_after,
                dates: Expired,
            };
            clock.note(server(host), dated, at(day(5000), host.into()))
        });
    noted.collect()
}

/// No time is within the validity of each of them, so no offset of the clock
/// explains them all.
#[test]
fn certificates_that_were_never_valid_together_are_the_servers_fault() {
    let one_after_the_other = [
        (day(1000), day(2000)),
        (day(2100), day(3000)),
        (day(3100), day(4000)),
        (day(3200), day(4010)),
    ];
    let found = neglected(&mut WrongClock::default(), &one_after_the_other);
    assert_eq!(found, [None; 4]);
    // The others may be valid, and the neglected one among them is not excused.
    let mut clock = WrongClock::default();
    let late = Some(ClockError::Ahead);
    let three = [
        (day(3000), day(4000)),
        (day(3001), day(4010)),
        (day(3002), day(4020)),
        (day(1000), day(2000)),
    ];
    assert_eq!(neglected(&mut clock, &three), [None, None, late, None]);
    assert_eq!(neglected(&mut clock, &three), [late, late, late, None]);
}

#[test]
fn certificates_that_ended_before_the_program_was_there_are_the_servers_fault() {
    let begin = SystemTime::UNIX_EPOCH;
    let ends = [30, 20, 1].map(|days| day(0) - DAY * days);
    let found = neglected(&mut WrongClock::default(), &ends.map(|end| (begin, end)));
    assert_eq!(found, [None; 3]);
    let ends = [30, 20, 1].map(|days| (begin, day(days)));
    let found = neglected(&mut WrongClock::default(), &ends);
    assert_eq!(found, [None, None, Some(ClockError::Ahead)]);
}

/// The clock was behind while they counted as valid.
#[test]
fn a_clock_that_is_set_right_excuses_nothing_that_another_certificate_outlives() {
    let mut clock = WrongClock::default();
    assert_eq!(shown(&mut clock, &[1, 5], day(1500), 0), [None; 2]);
    let newer = CertificateDates {
        certificate: 77,
        not_before: day(2003),
        not_after: day(2500),
        dates: Expired,
    };
    let now = at(day(3000), 10);
    assert_eq!(clock.note(server(9), newer, now), None);
    let late = Some(ClockError::Ahead);
    assert_eq!(shown(&mut clock, &[1, 5], day(3000), 11), [None, late]);
}

#[test]
fn before_and_after_at_once_is_no_clock() {
    let mut clock = WrongClock::default();
    let now = at(day(1500), 0);
    for (host, dates) in [
        (1, Expired),
        (2, NotYetValid),
        (3, Expired),
        (4, NotYetValid),
    ] {
        let dated = CertificateDates {
            dates,
            ..certificate(host.into(), now)
        };
        assert_eq!(clock.note(server(host), dated, now), None, "{host}");
    }
}

/// A server that is no longer there says nothing for ever.
#[test]
fn old_certificate_dates_are_forgotten() {
    let mut clock = WrongClock::default();
    assert_eq!(
        shown(&mut clock, &[1, 5, 9], day(9000), 0)[2],
        Some(ClockError::Ahead)
    );
    let found = shown(&mut clock, &[1], day(9000), 20_000);
    assert_eq!(found, [None]);
}
