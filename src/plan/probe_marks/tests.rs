use super::*;
use crate::status::fixture::{self, config_through_vip, path};

fn mark(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn services<const N: usize>(marks: [u32; N]) -> BTreeSet<ServiceKey> {
    let key = |mark| format!("fwmark {mark} ipv4").parse().unwrap();
    marks.map(key).into()
}

/// Marks of paths, and of no canary that is known.
fn with(numbers: BTreeMap<ProbePath, NonZeroU32>) -> Marks {
    Marks {
        numbers,
        ..Marks::default()
    }
}

/// `web` with these real servers, and the marks 0x2000 to 0x2003.
fn config_of_four_marks(real_servers: std::ops::RangeInclusive<u8>) -> Config {
    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x2000, 3).unwrap();
    let web = &mut config.virtual_services[0].real_servers;
    let one = web[0].clone();
    *web = real_servers
        .map(|last| {
            let mut one = one.clone();
            one.key = format!("192.168.11.{last}:80").parse().unwrap();
            one
        })
        .collect();
    config
}

#[test]
fn configuration_without_probes_through_vips_has_no_marks() {
    let marks = Marks::assign(&fixture::config(), &Marks::default(), &BTreeSet::new());
    assert_eq!(marks, Marks::default());
    assert!(marks.services().is_empty());
}

#[test]
fn each_path_has_a_service_of_its_own_and_the_canary_has_one_without_a_real_server() {
    let marks = Marks::assign(&config_through_vip(), &Marks::default(), &BTreeSet::new());
    let services: Vec<_> = marks
        .services()
        .into_iter()
        .map(|(key, state)| {
            let destinations: Vec<_> = state.destinations.keys().copied().collect();
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
    let first = Marks::assign(&config, &Marks::default(), &BTreeSet::new());
    let web = &mut config.virtual_services[0].real_servers;
    web.remove(0);
    let mut third = web[0].clone();
    third.key = "192.168.11.23:80".parse().unwrap();
    web.push(third);
    let second = Marks::assign(&config, &first, &BTreeSet::new());
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
    let marks = Marks::assign(&config, &with(before), &BTreeSet::new());
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
    let marks = Marks::assign(&config, &with(before), &BTreeSet::new());
    let expected = BTreeMap::from([(path(21), mark(0x102)), (path(22), mark(0x101))]);
    assert_eq!(marks.by_path(), &expected);

    // The canary has to give way.
    let marks = Marks::assign(&config, &marks, &services([0x100]));
    assert_eq!(marks.by_path(), &expected);
    let canary = marks.canary(Family::Ipv4).unwrap();
    assert_eq!(canary.to_string(), "fwmark 259 ipv4");
}

/// What another process would assign after a look at the table.
#[test]
fn the_table_tells_which_mark_a_path_has() {
    let config = config_through_vip();
    let before = BTreeMap::from([(path(21), mark(0x2fff)), (path(22), mark(0x2001))]);
    let marks = Marks::assign(&config, &with(before), &BTreeSet::new());
    let table = State {
        services: marks.services(),
        ..State::default()
    };
    let found = Marks::found(&config, &table);
    assert_eq!(found, marks);
    assert_eq!(Marks::assign(&config, &found, &BTreeSet::new()), marks);
}

#[test]
fn a_service_with_two_real_servers_leads_over_no_path() {
    let config = config_through_vip();
    let marks = Marks::assign(&config, &Marks::default(), &BTreeSet::new());
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
fn marks_that_hold_are_kept_and_those_out_of_the_range_are_not() {
    let config = config_through_vip();
    let stray = with([(path(21), mark(0x2000)), (path(22), mark(0x4001))].into());
    let marks = Marks::assign(&config, &stray, &BTreeSet::new());
    let expected = BTreeMap::from([(path(21), mark(0x2000)), (path(22), mark(0x2002))]);
    assert_eq!(marks.by_path(), &expected);
    assert_eq!(marks.canary, Some(mark(0x2001)));
}

/// Whoever made a service by a mark of the range keeps it, the canary's as well.
#[test]
fn marks_by_which_others_have_services_are_left_to_them() {
    let config = config_through_vip();
    let foreign = services([0x2000, 0x2002]);
    let before = with([(path(21), mark(0x2002))].into());
    let marks = Marks::assign(&config, &before, &foreign);
    let expected = BTreeMap::from([(path(21), mark(0x2003)), (path(22), mark(0x2004))]);
    assert_eq!(marks.by_path(), &expected);
    let canary = marks.canary(Family::Ipv4).unwrap();
    assert_eq!(canary.to_string(), "fwmark 8193 ipv4");
    assert_eq!(
        Marks::assign(&config, &marks, &foreign),
        marks,
        "the same again"
    );
    assert_eq!(marks.again(&BTreeSet::new()), marks, "and when it is free");
}

#[test]
fn where_marks_run_out_that_is_said_and_those_that_come_free_are_given() {
    let config = config_of_four_marks(21..=23);
    let all = Marks::assign(&config, &Marks::default(), &BTreeSet::new());
    assert_eq!((all.by_path().len(), all.shortage()), (3, None));

    for foreign in 0x2000..=0x2003 {
        let few = Marks::assign(&config, &Marks::default(), &services([foreign]));
        assert_eq!(
            few.shortage().unwrap(),
            "no mark of `director.probe_mark` is left for 1 of 3 ways to real servers (ipv4 to \
             192.168.11.23 by direct): probes through VIPs over them stay unverified"
        );
        let again = few.again(&BTreeSet::new());
        assert_eq!(again.shortage(), None);
        let mut expected = few.by_path().clone();
        expected.insert(path(23), mark(foreign));
        assert_eq!(again.by_path(), &expected, "those that hold are kept");
        assert_eq!(again.canary, few.canary);
    }
    let none = Marks::assign(&config, &all, &services([0x2000, 0x2001, 0x2002, 0x2003]));
    assert_eq!((none.by_path().len(), none.canary), (0, None));
    let message = none.shortage().unwrap();
    assert!(
        message.contains("for 3 of 3 ways")
            && message.contains("192.168.11.21 by direct, and 2 more"),
        "{message}"
    );
}

#[test]
fn the_canary_goes_before_the_paths() {
    let config = config_of_four_marks(21..=24);
    let before = with((21..).map(path).zip((0x2000..=0x2003).map(mark)).collect());
    let marks = Marks::assign(&config, &before, &BTreeSet::new());
    assert_eq!(marks.canary, Some(mark(0x2000)));
    let expected = [
        (path(22), mark(0x2001)),
        (path(23), mark(0x2002)),
        (path(24), mark(0x2003)),
    ];
    assert_eq!(marks.by_path(), &expected.into());
    assert!(marks.shortage().unwrap().contains("192.168.11.21 by"));
}
