use super::*;
use crate::snapshot::fixture::{self, config_through_vip, path};

fn mark(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[test]
fn what_asks_nothing_through_a_vip_has_no_marks() {
    let marks = Marks::assign(&fixture::config(), &BTreeMap::new(), &BTreeSet::new());
    assert_eq!(marks, Marks::default());
    assert!(marks.services().is_empty());
}

#[test]
fn each_path_has_a_service_of_its_own_and_the_canary_has_one_without_a_real_server() {
    let marks = Marks::assign(&config_through_vip(), &BTreeMap::new(), &BTreeSet::new());
    let services: Vec<_> = marks
        .services()
        .into_iter()
        .map(|(key, state)| {
            let destinations: Vec<_> = state.destinations.into_keys().collect();
            (key.to_string(), destinations)
        })
        .collect();
    let only = |address: &str| vec![address.parse().unwrap()];
    let expected = [
        ("fwmark 8192 ipv4".to_owned(), vec![]),
        ("fwmark 8193 ipv4".to_owned(), only("192.168.11.21:0")),
        ("fwmark 8194 ipv4".to_owned(), only("192.168.11.22:0")),
    ];
    assert_eq!(services, expected);
}

#[test]
fn a_path_keeps_its_mark_and_a_new_one_gets_one_that_nobody_had() {
    let mut config = config_through_vip();
    let first = Marks::assign(&config, &BTreeMap::new(), &BTreeSet::new());
    let web = &mut config.virtual_services[0].real_servers;
    web.remove(0);
    let mut third = web[0].clone();
    third.key = "192.168.11.23:80".parse().unwrap();
    web.push(third);
    let second = Marks::assign(&config, first.by_path(), &BTreeSet::new());
    let expected = BTreeMap::from([(path(22), mark(0x2002)), (path(23), mark(0x2003))]);
    assert_eq!(second.by_path(), &expected);
}

#[test]
fn when_no_mark_is_left_that_nobody_had_one_that_was_given_up_is_given_again() {
    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x100, 1).unwrap();
    let web = &mut config.virtual_services[0].real_servers;
    web.truncate(1);
    let before = BTreeMap::from([(path(99), mark(0x101))]);
    let marks = Marks::assign(&config, &before, &BTreeSet::new());
    assert_eq!(marks.by_path(), &BTreeMap::from([(path(21), mark(0x101))]));
}

/// A mark that a path keeps was given before, too.
#[test]
fn a_mark_that_is_kept_is_nobody_elses() {
    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x100, 3).unwrap();
    let before = BTreeMap::from([
        (path(22), mark(0x101)),
        (path(98), mark(0x102)),
        (path(99), mark(0x103)),
    ]);
    let marks = Marks::assign(&config, &before, &BTreeSet::new());
    let expected = BTreeMap::from([(path(21), mark(0x102)), (path(22), mark(0x101))]);
    assert_eq!(marks.by_path(), &expected);

    // The canary has to give way.
    let foreign = BTreeSet::from([mark(0x100)]);
    let marks = Marks::assign(&config, marks.by_path(), &foreign);
    assert_eq!(marks.by_path(), &expected);
    let canary = marks.canary(Family::Ipv4).unwrap();
    assert_eq!(canary.to_string(), "fwmark 259 ipv4");
}

/// What another process would assign after a look at the table.
#[test]
fn the_table_tells_which_mark_a_path_has() {
    let config = config_through_vip();
    let before = BTreeMap::from([(path(21), mark(0x2fff)), (path(22), mark(0x2001))]);
    let marks = Marks::assign(&config, &before, &BTreeSet::new());
    let table = State {
        services: marks.services(),
        ..State::default()
    };
    let found = Marks::found(&config, &table);
    assert_eq!(found, marks);
    assert_eq!(
        Marks::assign(&config, found.by_path(), &BTreeSet::new()),
        marks
    );
}

#[test]
fn a_service_with_two_real_servers_leads_over_no_path() {
    let config = config_through_vip();
    let marks = Marks::assign(&config, &BTreeMap::new(), &BTreeSet::new());
    let mut services = marks.services();
    let of = |last| marks.service(&path(last)).unwrap();
    let second = services[&of(22)].destinations.clone();
    let first = services.get_mut(&of(21)).unwrap();
    first.destinations.extend(second);
    let table = State {
        services,
        ..State::default()
    };
    let found = Marks::found(&config, &table);
    assert_eq!(found.by_path(), &BTreeMap::from([(path(22), mark(0x2002))]));
}

#[test]
fn the_canarys_mark_and_those_of_others_are_never_a_paths() {
    let config = config_through_vip();
    let stray = BTreeMap::from([(path(21), mark(0x2000)), (path(22), mark(0x4001))]);
    let marks = Marks::assign(&config, &stray, &BTreeSet::new());
    let expected = BTreeMap::from([(path(21), mark(0x2001)), (path(22), mark(0x2002))]);
    assert_eq!(marks.by_path(), &expected);
}

/// Whoever made a service by a mark of the range keeps it, the canary's as well.
#[test]
fn marks_by_which_others_have_services_are_left_to_them() {
    let config = config_through_vip();
    let foreign = BTreeSet::from([mark(0x2000), mark(0x2002)]);
    let before = BTreeMap::from([(path(21), mark(0x2002))]);
    let marks = Marks::assign(&config, &before, &foreign);
    let expected = BTreeMap::from([(path(21), mark(0x2003)), (path(22), mark(0x2004))]);
    assert_eq!(marks.by_path(), &expected);
    let canary = marks.canary(Family::Ipv4).unwrap();
    assert_eq!(canary.to_string(), "fwmark 8193 ipv4");
    assert_eq!(
        Marks::assign(&config, marks.by_path(), &foreign),
        marks,
        "the same again"
    );
}

/// So that a lost state file leaves nothing behind.
#[test]
fn what_the_agent_would_make_is_taken_for_its_own() {
    let config = config_through_vip();
    let marks = Marks::assign(&config, &BTreeMap::new(), &BTreeSet::new());
    for (key, state) in marks.services() {
        assert!(Marks::would_make(&config, &key, &state), "{key}");
        let mut other = state.clone();
        other.service.scheduler = "wlc".parse().unwrap();
        assert!(!Marks::would_make(&config, &key, &other), "{key}");
        for (real_server, destination) in state.destinations {
            let quiesced = Destination {
                weight: Weight::ZERO,
                ..destination
            };
            let nobody = "192.168.11.99:0".parse().unwrap();
            for other in [(real_server, quiesced), (nobody, destination)] {
                let state = round_robin([other].into());
                assert!(!Marks::would_make(&config, &key, &state), "{other:?}");
            }
        }
    }
}
