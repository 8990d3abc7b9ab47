//! The dashboards and rules of `deploy/`, with a real Prometheus as the witness: it
//! scrapes running agents, and every query of every panel, annotation and variable must
//! be one that it understands and answers with data.

use super::dashboard_queries::{all_queries, wait_for_data};
use super::prometheus::Prometheus;
use super::{AMPLE, Behaviour, Process, Server, Site, end};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";

/// Panels of `fleet.json` whose queries have no data here, and why.
const EMPTY: &[(&str, &str)] = &[(
    "ARP conflicts",
    "the ARP audit needs a link with VIPs, which a table in memory does not have",
)];

/// A director with the table in memory and every kind of series that needs no kernel.
fn director(site: &Site) {
    let rest = format!(
        "    sorry_server: {{ address: {} }}\n\
         director: {{ interface: lo }}\nnotify: [{{ exec: [/bin/true] }}]\n",
        site.ip(9)
    );
    site.configure(&(site.service("web", 1, CHECK, &[1, 2]) + &rest));
}

/// The agent of a real server that looks at this host and writes nothing.
fn real_server(site: &Site) -> Process {
    let rest = "real_server: { vips: [192.0.2.1] }\n";
    site.configure(&(site.service("web", 1, CHECK, &[1]) + rest));
    let command = site.command("run", &["--real-server", "--dry-run"]);
    Process::start(command, tempfile::tempdir().unwrap())
}

#[test]
fn every_query_of_the_dashboards_has_data_in_a_real_prometheus() {
    let sites = [Site::new(), Site::new(), Site::new()];
    let [first, second, third] = &sites;
    director(first);
    director(second);
    let _stays = Server::start(&[first.server(1), second.server(1)], Behaviour::good());
    let dies = Server::start(&[first.server(2)], Behaviour::good());
    let _agents = [first.agent(), second.agent()];
    let _real_server = real_server(third);
    // The second director finds no rs2, so the directors disagree.
    first.wait_for(&["up", "up"]);
    second.wait_for(&["up", "down"]);

    let targets = [first.listen, second.listen, third.listen];
    // The port of the site's servers is free on its other addresses.
    let prometheus = Prometheus::start(first.server(253), &targets, AMPLE);
    let scraped = |times| prometheus.wait_for_scrapes(targets.len(), times);
    scraped(2);
    drop(dies);
    first.wait_for(&["up", "down"]);
    scraped(5);
    let _back = Server::start(&[first.server(2)], Behaviour::good());
    first.wait_for(&["up", "up"]);
    let drained = end(first.command("drain", &["web/rs1"]));
    assert_eq!(drained.code, 0, "{drained:?}");
    scraped(8);

    wait_for_data(&prometheus, |query| {
        let fleet = query.of.strip_prefix("fleet: ");
        fleet.is_some_and(|title| EMPTY.iter().any(|(panel, _)| *panel == title))
    });
    let all = all_queries();
    for (panel, why) in EMPTY {
        let of = format!("fleet: {panel}");
        assert!(all.iter().any(|query| query.of == of), "{of}: {why}");
    }
    prometheus.assert_rules_are_evaluated();
}
