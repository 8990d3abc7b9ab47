//! A director that probes real servers over the LAN; its table is in memory.

use serde_json::Value;

use crate::support::{Lan, Process, Site, until};
use crate::web_server::WebServer;
use crate::witness::{DEADLINE, metric, page, status};

const CONFIGURATION: &str = "\
director: { resync_interval: 1s }
virtual_services:
  - name: web
    address: 192.168.11.200:80
    check: { interval: 100ms, timeout: 500ms, rise: 2, fall: 2 }
    real_servers:
      - { name: rs1, address: 192.168.11.21, weight: 3 }
      - { name: rs2, address: 192.168.11.22 }
";

fn start(lan: &Lan) -> (Site, Process) {
    let site = Site::new(CONFIGURATION);
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    (site, agent)
}

/// Waits until `status` shows a real server with this health, and this weight
/// desired and in the table; returns what it shows.
fn wait_for(lan: &Lan, real_server: usize, health: &str, weight: u32) -> Value {
    until(DEADLINE, "such health and weight", || {
        let shown =
            status(&lan.director)["virtual_services"][0]["real_servers"][real_server].take();
        let weights = &shown["weight"];
        if shown["health"] == health && weights["desired"] == weight && weights["kernel"] == weight
        {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
}

#[test]
fn a_real_server_goes_down_and_comes_back() {
    let lan = Lan::new();
    let rs1 = WebServer::start(&lan.rs1);
    let _rs2 = WebServer::start(&lan.rs2);
    let (_site, mut agent) = start(&lan);
    let shown = wait_for(&lan, 0, "up", 3);
    assert_eq!(shown["name"], "rs1");
    assert_eq!(shown["last_probe"]["result"], "ok");
    wait_for(&lan, 1, "up", 1);

    drop(rs1);
    let shown = wait_for(&lan, 0, "down", 0);
    assert_eq!(shown["last_probe"]["result"], "refused");
    assert_eq!(shown["weight"]["configured"], 3);
    assert_eq!(
        metric(
            &lan.director,
            r#"lvs_real_server_up{service="web",real_server="rs1"}"#
        ),
        Some(0)
    );
    let line = agent.wait_for_line(DEADLINE, |line| line.contains("down"));
    assert!(line.contains("rs1"), "{line}");

    let rs1 = WebServer::start(&lan.rs1);
    wait_for(&lan, 0, "up", 3);
    rs1.answer_with(503);
    let shown = wait_for(&lan, 0, "down", 0);
    assert_eq!(shown["last_probe"]["result"], "status");
    rs1.answer_with(200);
    wait_for(&lan, 0, "up", 3);

    for (to, times) in [("down", 2), ("up", 3)] {
        let of = |real_server: &str| {
            format!(
                "lvs_transitions_total{{service=\"web\",real_server=\"{real_server}\",to=\"{to}\"}}"
            )
        };
        assert_eq!(metric(&lan.director, &of("rs1")), Some(times), "{to}");
        let other = u64::from(to == "up");
        assert_eq!(metric(&lan.director, &of("rs2")), Some(other), "{to}");
    }
}

#[test]
fn a_real_server_that_never_passed_has_weight_0() {
    let lan = Lan::new();
    let _rs2 = WebServer::start(&lan.rs2);
    let _running = start(&lan);
    let shown = wait_for(&lan, 0, "down", 0);
    assert_eq!(shown["last_probe"]["result"], "refused");
    wait_for(&lan, 1, "up", 1);
    // A 200, for every check has a verdict.
    page(&lan.director, "/readyz");
}

#[test]
fn a_host_that_is_gone_is_down_and_comes_back() {
    let lan = Lan::new();
    let _rs1 = WebServer::start(&lan.rs1);
    let _running = start(&lan);
    wait_for(&lan, 0, "up", 3);
    lan.bridge.run("ip link set rs1 down");
    let shown = wait_for(&lan, 0, "down", 0);
    let result = &shown["last_probe"]["result"];
    assert!(result == "timeout" || result == "unreachable", "{shown}");
    lan.bridge.run("ip link set rs1 up");
    let shown = wait_for(&lan, 0, "up", 3);
    assert_eq!(shown["admin"]["state"], "enabled");
}

/// As with the kernel's table.
#[test]
fn weights_are_frozen_while_the_directors_link_is_down() {
    let lan = Lan::new();
    let _rs1 = WebServer::start(&lan.rs1);
    let _rs2 = WebServer::start(&lan.rs2);
    // The link is looked at five times a second, or less often on a busy machine.
    let configuration = CONFIGURATION
        .replace("director: {", "director: { link: eth0,")
        .replace("interval: 100ms", "interval: 400ms")
        .replace("fall: 2", "fall: 6");
    let site = Site::new(&configuration);
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    wait_for(&lan, 0, "up", 3);
    wait_for(&lan, 1, "up", 1);

    lan.bridge.run("ip link set director down");
    let frozen = || status(&lan.director)["weights_frozen"].take();
    until(DEADLINE, "weights that are frozen", || {
        let frozen = frozen();
        if frozen == serde_json::json!(["link"]) {
            Ok(())
        } else {
            Err(frozen)
        }
    });
    let real_server = "service=\"web\",real_server=\"rs1\"";
    let series = [
        format!("lvs_probe_failures_total{{{real_server},cause=\"timeout\"}}"),
        format!("lvs_probe_failures_total{{{real_server},cause=\"unreachable\"}}"),
        format!("lvs_probes_total{{{real_server},result=\"unverified\"}}"),
    ];
    until(DEADLINE, "more failures than make a verdict", || {
        let failed = series
            .each_ref()
            .map(|series| metric(&lan.director, series));
        if failed.iter().flatten().sum::<u64>() > 8 {
            Ok(())
        } else {
            Err(failed)
        }
    });
    wait_for(&lan, 0, "up", 3);
    wait_for(&lan, 1, "up", 1);

    lan.bridge.run("ip link set director up");
    until(DEADLINE, "weights that are not frozen", || {
        let frozen = frozen();
        if frozen == serde_json::json!([]) {
            Ok(())
        } else {
            Err(frozen)
        }
    });
    lan.bridge.run("ip link set rs1 down");
    wait_for(&lan, 0, "down", 0);
}
