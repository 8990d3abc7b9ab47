use super::*;
use crate::model::Scheduler;
use crate::plan::probe_marks::leading_over;
use crate::status::fixture::{config_through_vip, path};

/// A board, and the table as it should be.
fn board() -> (Board, State) {
    let board = Board::default();
    let marks = Marks::assign(&config_through_vip(), &Marks::default(), &BTreeSet::new());
    let services = marks.services();
    board.assign(marks);
    let table = State {
        services,
        ..State::default()
    };
    (board, table)
}

#[test]
fn a_mark_leads_nowhere_before_it_is_seen_in_the_table() {
    let (board, table) = board();
    assert_eq!(board.confirmed(&path(21)), None);
    assert_eq!(board.canary(Family::Ipv4), None);
    board.confirm(&table);
    let confirmed = board.confirmed(&path(21)).unwrap();
    assert_eq!(confirmed.mark.get(), 0x2001);
    assert!(board.canary(Family::Ipv4).is_some());
    assert_eq!(board.confirmed(&path(99)), None);
}

#[test]
fn a_service_that_is_not_as_it_should_be_is_not_confirmed() {
    let (board, table) = board();
    board.confirm(&table);
    let key = board.confirmed(&path(21)).unwrap().service;
    let mut changed = table.clone();
    changed.services.get_mut(&key).unwrap().service.scheduler = Scheduler::default();
    board.confirm(&changed);
    assert_eq!(board.confirmed(&path(21)), None);
    assert!(board.confirmed(&path(22)).is_some());
}

#[test]
fn one_that_was_made_anew_is_told_from_the_one_before() {
    let (board, table) = board();
    board.confirm(&table);
    let before = board.confirmed(&path(21)).unwrap();
    board.confirm(&table);
    assert_eq!(board.confirmed(&path(21)), Some(before));
    board.doubt(&[Step::RemoveService {
        key: before.service,
    }]);
    assert_eq!(board.confirmed(&path(21)), None);
    board.confirm(&table);
    let after = board.confirmed(&path(21)).unwrap();
    assert_eq!(after.service, before.service);
    assert_ne!(after, before);
}

#[test]
fn other_marks_keep_what_is_known_of_those_that_stay() {
    let (board, table) = board();
    board.confirm(&table);
    let before = board.confirmed(&path(22)).unwrap();
    let mut config = config_through_vip();
    config.virtual_services[0].real_servers[0].key = "192.168.11.23:80".parse().unwrap();
    board.assign(Marks::assign(&config, &board.marks(), &BTreeSet::new()));
    assert_eq!(board.confirmed(&path(22)), Some(before));
    assert_eq!(board.confirmed(&path(21)), None);
    assert_eq!(board.confirmed(&path(23)), None);
}

#[test]
fn a_mark_that_leads_elsewhere_than_before_is_to_be_confirmed_anew() {
    let (board, table) = board();
    board.confirm(&table);
    let Confirmed { service, mark, .. } = board.confirmed(&path(21)).unwrap();
    let mut config = config_through_vip();
    config.virtual_services[0].real_servers[0].key = "192.168.11.23:80".parse().unwrap();
    let elsewhere = State {
        services: [(service, leading_over(&path(23)))].into(),
        ..State::default()
    };
    let before = Marks::found(&config, &elsewhere);
    board.assign(Marks::assign(&config, &before, &BTreeSet::new()));
    assert_eq!(board.marks().by_path().get(&path(23)), Some(&mark));
    assert_eq!(board.confirmed(&path(23)), None);
}

#[test]
fn what_was_a_services_by_mark_is_known_as_such_after_it_is_not() {
    let (board, table) = board();
    board.assign(Marks::default());
    board.confirm(&table);
    assert_eq!(board.confirmed(&path(21)), None);
    assert!(table.services.keys().all(|key| board.owns(key)));
    assert!(!board.owns(&"fwmark 8195 ipv4".parse().unwrap()));
}
