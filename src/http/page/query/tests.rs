use std::sync::Arc;

use super::*;
use crate::config::{Check, CheckKind};
use crate::model::{Forwarding, Tunnel};
use crate::status::{ServiceRecord, Snapshot, fixture};

fn apply(query: &Query, record: &ServiceRecord) -> Option<ServiceStatus> {
    let service = ServiceStatus::of(record, |_| true);
    query.apply(service, record.verdict_patience(), fixture::start())
}

/// The names of the real servers of `web` that the query leaves, in its order.
fn names(query: &str) -> Option<String> {
    let snapshot = fixture::director();
    let query = Query::parse(query).unwrap();
    let service = apply(&query, &snapshot.services[0])?;
    let servers = service.real_servers.iter();
    let names: Vec<_> = servers.map(|server| server.name.as_str()).collect();
    Some(names.join(" "))
}

#[test]
fn each_word_is_looked_for_in_service_and_real_server() {
    for (query, expected) in [
        ("", Some("rs2 rs1")),
        ("q=WEB", Some("rs2 rs1")),
        ("q=192.168.11.200%3A80", Some("rs2 rs1")),
        ("q=web+rs1", Some("rs1")),
        ("q=refused", Some("rs2")),
        ("q=application_down", Some("rs2")),
        ("q=++up+", Some("rs1")),
        ("q=rs1+rs2", None),
        ("q=enabled", None),
        ("problems", Some("rs2")),
        ("problems=&q=rs1", None),
    ] {
        assert_eq!(names(query).as_deref(), expected, "{query}");
    }
}

#[test]
fn real_server_is_found_by_what_stands_in_place_of_a_probe_and_by_its_tunnel() {
    let mut config = fixture::config();
    let web = &mut config.virtual_services[0];
    let check = Arc::make_mut(&mut web.check);
    let unchecked = Check {
        kind: CheckKind::None,
        ..check.clone()
    };
    web.real_servers[0].check = Some(Arc::new(unchecked));
    let gre = Tunnel::Gre { checksum: true };
    web.real_servers[1].forwarding = Some(Forwarding::Tunnel(gre));
    let snapshot = Snapshot::director(&config, "".into(), fixture::start());
    let names = |query: &str| {
        let query = Query::parse(query).unwrap();
        let service = apply(&query, &snapshot.services[0]);
        let servers = service.map(|service| service.real_servers);
        let names = servers.into_iter().flatten().map(|server| server.name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("q=not+checked"), ["rs1"]);
    assert_eq!(names("q=none+yet"), ["rs2"]);
    assert_eq!(names("q=gre"), ["rs2"]);
    assert_eq!(names("q=wlc").len(), 2);
}

#[test]
fn text_of_a_filter_is_bounded() {
    let query = |length: usize| Query::parse(&format!("q={}", "%C3%A9".repeat(length)));
    assert!(query(LONGEST_TEXT).is_ok());
    let error = query(LONGEST_TEXT + 1).unwrap_err();
    assert!(
        error.contains(&format!("at most {LONGEST_TEXT} characters")),
        "{error}"
    );
}

#[test]
fn service_is_shown_for_its_sorry_server() {
    let snapshot = fixture::director();
    let marked = |query| {
        let query = Query::parse(query).unwrap();
        apply(&query, &snapshot.services[1])
    };
    assert_eq!(marked("q=sorry").unwrap().real_servers, []);
    assert_eq!(marked("q=glad"), None);
}

#[test]
fn each_column_sorts_both_ways() {
    for (column, expected) in [
        (Column::Name, "rs1 rs2"),
        (Column::Health, "rs2 rs1"),
        (Column::Age, "rs2 rs1"),
        (Column::Kernel, "rs2 rs1"),
        (Column::Desired, "rs2 rs1"),
        (Column::Configured, "rs1 rs2"),
        // Equal: the configuration's order.
        (Column::Active, "rs1 rs2"),
        (Column::Inactive, "rs2 rs1"),
        (Column::Probe, "rs1 rs2"),
    ] {
        let name = column.name();
        assert_eq!(
            names(&format!("sort={name}")).as_deref(),
            Some(expected),
            "{name}"
        );
        let reversed = match expected {
            _ if column == Column::Active => "rs1 rs2",
            "rs1 rs2" => "rs2 rs1",
            _ => "rs1 rs2",
        };
        assert_eq!(
            names(&format!("sort=-{name}")).as_deref(),
            Some(reversed),
            "-{name}"
        );
    }
}

#[test]
fn head_of_a_column_leads_through_its_orders_and_keeps_the_filter() {
    let links = |query: &str| {
        let query = Query::parse(query).unwrap();
        (query.link(Column::Active), query.aria_sort(Column::Active))
    };
    let expected = |link: &str, aria| (link.to_owned(), aria);
    assert_eq!(links(""), expected("?sort=active", None));
    assert_eq!(
        links("sort=active"),
        expected("?sort=-active", Some("ascending"))
    );
    assert_eq!(links("sort=-active"), expected("?", Some("descending")));
    assert_eq!(links("sort=name"), expected("?sort=active", None));
    assert_eq!(
        links("q=a%26b+c&problems="),
        expected("?q=a%26b+c&problems=&sort=active", None)
    );
}
