use std::time::Duration;

use super::*;
use crate::kernel::AddressClaim;
use crate::model::MacAddress;
use crate::runtime::clock;

fn ip(last: u8) -> IpAddr {
    [192, 168, 11, last].into()
}

fn says(last: u8, answer: bool) -> NeighbourMessage {
    NeighbourMessage {
        from: MacAddress([2, 0, 0, 0, 0, last]),
        claim: Some(AddressClaim {
            address: ip(last),
            answer,
        }),
        question: None,
    }
}

/// Lets time pass; who is among these answers at once. When each question was
/// asked, in seconds.
fn run(
    host_presence: &mut HostPresence,
    start: Instant,
    end: u64,
    answering: &[u8],
) -> Vec<(u64, u8)> {
    let mut asked = Vec::new();
    let end = start + Duration::from_secs(end);
    while let Some(now) = host_presence.next_deadline().filter(|next| *next <= end) {
        for address in host_presence.questions(now) {
            let last = [21, 22].into_iter().find(|last| ip(*last) == address);
            let last = last.expect("one of both");
            asked.push(((now - start).as_secs(), last));
            if answering.contains(&last) {
                host_presence.receive(&says(last, true), now);
            }
        }
    }
    asked
}

#[test]
fn host_is_present_until_three_questions_had_no_answer() {
    let start = clock::monotonic();
    let mut host_presence = HostPresence::default();
    assert_eq!(host_presence.next_deadline(), None);
    host_presence.watch(&BTreeSet::from([ip(21), ip(22)]), start);
    let asked = run(&mut host_presence, start, 9, &[21]);
    assert_eq!(asked, [(0, 21), (0, 22), (1, 22), (2, 22), (3, 22)]);
    assert_eq!(host_presence.present(), BTreeSet::from([ip(21)]));

    let asked = run(&mut host_presence, start, 12, &[]);
    assert_eq!(asked, [(10, 21), (11, 21), (12, 21)]);
    assert_eq!(host_presence.present(), BTreeSet::from([ip(21)]));
    let asked = run(&mut host_presence, start, 22, &[]);
    assert_eq!(asked, [(13, 21), (13, 22)], "sparingly from here on");
    assert_eq!(host_presence.present(), BTreeSet::new());
}

#[test]
fn any_message_shows_presence_and_hosts_not_asked_any_more_are_forgotten() {
    let start = clock::monotonic();
    let mut host_presence = HostPresence::default();
    host_presence.receive(&says(21, true), start);
    host_presence.watch(&BTreeSet::from([ip(21)]), start);
    assert_eq!(host_presence.present(), BTreeSet::new(), "it was not asked");
    host_presence.receive(&says(22, true), start);
    host_presence.receive(&says(21, false), start);
    assert_eq!(host_presence.present(), BTreeSet::from([ip(21)]));
    host_presence.watch(&BTreeSet::new(), start);
    assert_eq!(host_presence.present(), BTreeSet::new());
    assert_eq!(host_presence.next_deadline(), None);
}
