//! The dashboards and rules of `deploy/`, with a Prometheus that scrapes agents of both
//! roles while a real server dies and comes back.

use std::net::SocketAddr;

use crate::cluster::add_vip;
use crate::support::dashboards::{all_queries, wait_for_data};
use crate::support::prometheus::Prometheus;
use crate::support::{Lan, PATIENCE, Site, http_get, nginx, until};

const CONFIGURATION: &str = "
http: { listen: 0.0.0.0:9477 }
director: { interface: eth0, resync_interval: 1s }
real_server: { resync_interval: 1s }
notify: [{ exec: [/bin/true] }]
virtual_services:
  - name: web
    address: 192.168.11.200:80
    check: { http: {}, interval: 500ms, timeout: 10s, rise: 1, fall: 2 }
    sorry_server: { address: 192.168.11.1 }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
";

/// What clients did, in panels that also have data if clients did nothing.
const TRAFFIC: [&str; 5] = [
    "overview: New connections",
    "overview: Traffic of clients",
    "service: New connections",
    "service: Packets from clients",
    "service: Traffic from clients, and to clients through the director",
];

/// Whether a value of the series, at an instant or over a range, is not 0.
fn is_above_zero(series: &serde_json::Value) -> bool {
    let samples = series["values"].as_array().into_iter().flatten();
    let mut values = samples.filter_map(|sample| sample[1].as_str()?.parse::<f64>().ok());
    values.any(|value| value > 0.0)
}

#[test]
fn every_query_of_the_dashboards_has_data_after_a_real_server_died_and_came_back() {
    let lan = Lan::new();
    let _rs1_page = nginx(&lan.rs1, "rs1");
    let rs2_page = nginx(&lan.rs2, "rs2");
    add_vip(&lan.rs2);
    let site = Site::new(CONFIGURATION);
    let _director = site.start(&lan.director, &[]);
    let of_rs1 = Site::new(CONFIGURATION);
    let _of_rs1 = of_rs1.start(&lan.rs1, &["--real-server"]);
    // A second director, for which rs2 is always down: its configuration has another host.
    let of_client = Site::new(&CONFIGURATION.replace("192.168.11.22", "192.168.11.10"));
    let _of_client = of_client.start(&lan.client, &["--dry-run"]);
    let table_has = |lines: [&str; 2]| {
        until(PATIENCE, &lines.join(" and "), || {
            let table = lan.director.run("ipvsadm -Sn");
            let is_there = lines.iter().all(|line| table.contains(line));
            is_there.then_some(()).ok_or(table)
        });
    };
    let [rs1, rs2] = ["192.168.11.21", "192.168.11.22"];
    let weight = |rip: &str, weight| format!("-r {rip}:80 -g -w {weight}");
    let weights = |of_rs1, of_rs2| table_has([&weight(rs1, of_rs1), &weight(rs2, of_rs2)]);
    let agents = ["192.168.11.10", rs1, "192.168.11.1"];
    let targets = agents.map(|ip| SocketAddr::new(ip.parse().unwrap(), 9477));
    let vip = "192.168.11.200:80".parse().unwrap();

    lan.client.enter(|| {
        let listen = SocketAddr::from(([127, 0, 0, 1], 9090));
        let prometheus = Prometheus::start(listen, &targets, PATIENCE);
        let wait_for = |query: &str| {
            until(PATIENCE, query, || match prometheus.query(query) {
                Ok(series) if !series.is_empty() => Ok(()),
                other => Err((other, prometheus.output())),
            });
        };
        weights(1, 1);
        prometheus.wait_for_scrapes(targets.len(), 2);
        for _ in 0..4 {
            http_get(&lan.client, vip, PATIENCE).unwrap();
        }
        let up = "lvs_real_server_up{instance=\"192.168.11.10:9477\", real_server=\"rs2\"}";
        wait_for(&format!("{up} == 1"));
        drop(rs2_page);
        weights(1, 0);
        wait_for(&format!("{up} == 0"));
        let _rs2_page = nginx(&lan.rs2, "rs2");
        weights(1, 1);
        let (code, printed) = site.finish(&lan.director, &["drain", "web/rs1"]);
        assert_eq!(code, 0, "{printed}");
        wait_for(&format!("{up} == 1"));

        wait_for_data(&prometheus, |_| false);
        let all = all_queries();
        for panel in TRAFFIC {
            let of_panel = all.iter().filter(|query| query.of == panel);
            let answers: Vec<_> = of_panel.map(|query| query.ask(&prometheus)).collect();
            let mut series = answers.iter().flatten().flatten();
            assert!(series.any(is_above_zero), "{panel}: {answers:?}");
        }
        prometheus.assert_rules_are_evaluated();
    });
}
