use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::config::ProbeMark;
use crate::plan::probe_marks::Marks;
use crate::plan::{State, Step};
use crate::status::fixture::{config_through_vip, path};

/// Passages without a kernel, and the table as it should be.
fn passages() -> (Arc<Passages>, State) {
    let marks = Marks::assign(&config_through_vip(), &Marks::default(), &BTreeSet::new());
    let table = State {
        services: marks.services(),
        ..State::default()
    };
    let board = Board::default();
    board.assign(marks);
    let ports = Ports::new(40_000..=40_000, Duration::from_mins(15), 0);
    let passages = Passages::new(Arc::new(board), ports, TableKind::Memory);
    (Arc::new(passages), table)
}

#[test]
fn nobody_enters_before_the_canary_and_the_table_allow_it() {
    let (passages, table) = passages();
    let why = || passages.enter(path(21)).err();
    assert_eq!(why(), Some(Unverified::NoCanary));
    passages.board.confirm(&table);
    assert_eq!(why(), Some(Unverified::NoCanary));
    passages
        .guard
        .note(Family::Ipv4, Ok(()), clock::monotonic());
    assert_eq!(why(), None);
    passages.board.confirm(&State::default());
    assert_eq!(why(), Some(Unverified::NoMark));

    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x2000, 1).unwrap();
    let marks = Marks::assign(&config, &Marks::default(), &BTreeSet::new());
    passages.board.assign(marks);
    assert_eq!(why(), Some(Unverified::NoMark));
    let why = passages.enter(path(22)).err();
    assert_eq!(why, Some(Unverified::NoneLeft));
}

#[test]
fn no_result_counts_of_a_way_that_was_made_anew_or_is_guarded_no_more() {
    let (passages, table) = passages();
    passages.board.confirm(&table);
    let note = |found| passages.guard.note(Family::Ipv4, found, clock::monotonic());
    note(Ok(()));
    let passage = passages.enter(path(21)).unwrap();
    assert_eq!(passage.verify_pass(), Ok(()));

    note(Err(Unverified::Backup));
    assert_eq!(passage.verify_pass(), Err(Unverified::Backup));
    note(Ok(()));
    assert_eq!(passage.verify_pass(), Ok(()));

    passages.board.doubt(&[Step::RemoveService {
        key: passage.confirmed.service,
    }]);
    assert_eq!(passage.verify_pass(), Err(Unverified::NoMark));
    passages.board.confirm(&table);
    assert_eq!(passage.verify_pass(), Err(Unverified::NoMark));
    assert!(passages.enter(path(21)).unwrap().verify_pass().is_ok());
}

#[test]
fn a_passage_gives_its_port_back_as_its_connection_ended() {
    let target: SocketAddr = "192.168.11.200:80".parse().unwrap();
    for (ending, again) in [(Ending::Reset, Some(40_000)), (Ending::Unanswered, None)] {
        let (passages, table) = passages();
        passages.board.confirm(&table);
        passages
            .guard
            .note(Family::Ipv4, Ok(()), clock::monotonic());
        let port = || passages.enter(path(21)).unwrap().next_port(target);
        let passage = passages.enter(path(21)).unwrap();
        assert_eq!(passage.next_port(target), Some(40_000));
        assert_eq!(port(), None, "it is in use");
        passage.held.lock().ending = ending;
        drop(passage);
        assert_eq!(port(), again, "{ending:?}");
    }
}

#[test]
fn a_probe_speaks_from_an_address_of_the_family_that_is_not_the_vip() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let from = |own: Option<&str>, vip: &str| {
        let origin = Origin {
            source: own.map(address),
            ..Origin::default()
        };
        source(address("127.0.0.21"), &origin, address(vip))
    };
    assert_eq!(from(None, "127.0.0.200"), Ok(address("127.0.0.1")));
    let own = Some("127.0.0.9");
    assert_eq!(from(own, "127.0.0.200"), Ok(address("127.0.0.9")));
    let same = from(own, "127.0.0.9").unwrap_err();
    assert!(same.contains("speaks to 127.0.0.21 from the VIP"), "{same}");
    let across = from(own, "2001:db8::200").unwrap_err();
    assert_eq!(across, "127.0.0.9 is not of the VIP's family");
}
