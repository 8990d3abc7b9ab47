use super::*;
use crate::model::Scheduler;
use crate::plan::probe_marks::service_for_path;
use crate::status::fixture::{config_through_vip, path};

/// A registry, and the table as it should be.
fn registry() -> (MarkRegistry, State) {
    let registry = MarkRegistry::default();
    let marks = Marks::assign(&config_through_vip(), &Marks::default(), &BTreeSet::new());
    let services = marks.services();
    registry.assign(marks);
    let table = State {
        services,
        ..State::default()
    };
    (registry, table)
}

#[test]
fn a_mark_leads_nowhere_before_it_is_seen_in_the_table() {
    let (registry, table) = registry();
    assert_eq!(registry.confirmed(&path(21)), None);
    assert_eq!(registry.canary(Family::Ipv4), None);
    registry.confirm(&table);
    let confirmed = registry.confirmed(&path(21)).unwrap();
    assert_eq!(confirmed.mark.get(), 0x2001);
    assert!(registry.canary(Family::Ipv4).is_some());
    assert_eq!(registry.confirmed(&path(99)), None);
}

#[test]
fn a_service_that_is_not_as_it_should_be_is_not_confirmed() {
    let (registry, table) = registry();
    registry.confirm(&table);
    let key = registry.confirmed(&path(21)).unwrap().service;
    let mut changed = table.clone();
    changed.services.get_mut(&key).unwrap().service.scheduler = Scheduler::default();
    registry.confirm(&changed);
    assert_eq!(registry.confirmed(&path(21)), None);
    assert!(registry.confirmed(&path(22)).is_some());
}

#[test]
fn service_by_mark_that_was_made_anew_is_distinguished_from_the_one_before() {
    let (registry, table) = registry();
    registry.confirm(&table);
    let before = registry.confirmed(&path(21)).unwrap();
    registry.confirm(&table);
    assert_eq!(registry.confirmed(&path(21)), Some(before));
    registry.invalidate(&[Step::RemoveService {
        key: before.service,
    }]);
    assert_eq!(registry.confirmed(&path(21)), None);
    registry.confirm(&table);
    let after = registry.confirmed(&path(21)).unwrap();
    assert_eq!(after.service, before.service);
    assert_ne!(after, before);
}

#[test]
fn other_marks_keep_what_is_known_of_those_that_stay() {
    let (registry, table) = registry();
    registry.confirm(&table);
    let before = registry.confirmed(&path(22)).unwrap();
    let mut config = config_through_vip();
    config.virtual_services[0].real_servers[0].key = "192.168.11.23:80".parse().unwrap();
    registry.assign(Marks::assign(&config, &registry.marks(), &BTreeSet::new()));
    assert_eq!(registry.confirmed(&path(22)), Some(before));
    assert_eq!(registry.confirmed(&path(21)), None);
    assert_eq!(registry.confirmed(&path(23)), None);
}

#[test]
fn a_mark_that_leads_elsewhere_than_before_is_to_be_confirmed_anew() {
    let (registry, table) = registry();
    registry.confirm(&table);
    let Confirmed { service, mark, .. } = registry.confirmed(&path(21)).unwrap();
    let mut config = config_through_vip();
    config.virtual_services[0].real_servers[0].key = "192.168.11.23:80".parse().unwrap();
    let elsewhere = State {
        services: [(service, service_for_path(&path(23)))].into(),
        ..State::default()
    };
    let before = Marks::found(&config, &elsewhere);
    registry.assign(Marks::assign(&config, &before, &BTreeSet::new()));
    assert_eq!(registry.marks().by_path().get(&path(23)), Some(&mark));
    assert_eq!(registry.confirmed(&path(23)), None);
}

#[test]
fn what_was_a_services_by_mark_is_known_as_such_after_it_is_not() {
    let (registry, table) = registry();
    registry.assign(Marks::default());
    registry.confirm(&table);
    assert_eq!(registry.confirmed(&path(21)), None);
    assert!(table.services.keys().all(|key| registry.owns(key)));
    assert!(!registry.owns(&"fwmark 8195 ipv4".parse().unwrap()));
}
