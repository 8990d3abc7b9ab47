//! Recovery and pool safety, on the how-to's LAN.

use crate::cluster::{Cluster, QUICK, metric, wait_for_metric, weights};
use crate::support::{Behaviour, PATIENCE, Web, http_get, ipvsadm_save, until, while_repeating};

/// One real server, and rs2 as its sorry server.
fn with_sorry_server(scheduler: &str) -> String {
    format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ interface: eth0, resync_interval: 1s }}
real_server: {{ resync_interval: 1s }}
virtual_services:
  - name: web
    address: 192.168.11.200:80
    scheduler: {scheduler}
    check: {{ http: {{}}, interval: 300ms, timeout: 10s, rise: 2, fall: 2 }}
    flap_damping: false
    sorry_server: {{ address: 192.168.11.22 }}
    real_servers:
      - {{ name: rs1, address: 192.168.11.21 }}
"
    )
}

/// In both directions, watched without a pause.
fn sorry_server_takes_over_without_a_gap(scheduler: &str) {
    let cluster = Cluster::new(&with_sorry_server(scheduler));
    let director = &cluster.lan.director;
    let rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let _rs2 = Web::start(&cluster.lan.rs2, "sorry");
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    wait_for_metric(director, "lvs_sorry_server_up{service=\"web\"}", 1.0);
    assert_eq!(cluster.request().unwrap(), "rs1");

    let look = || {
        let table = ipvsadm_save(director);
        assert!(weights(&table).iter().sum::<u32>() > 0, "{table}");
    };
    while_repeating(look, |looks| {
        for _ in 0..3 {
            // Whatever the machine's speed, each change is made under the watcher's eyes.
            looks.wait_for(2);
            rs1.behave(Behaviour::Unavailable);
            cluster.wait_for_weight("192.168.11.21", 0);
            cluster.wait_for_weight("192.168.11.22", 1);
            wait_for_metric(director, "lvs_sorry_server_active{service=\"web\"}", 1.0);
            wait_for_metric(
                director,
                "lvs_virtual_service_quorum_met{service=\"web\"}",
                0.0,
            );
            for _ in 0..3 {
                assert_eq!(cluster.request().unwrap(), "sorry");
            }
            looks.wait_for(2);
            rs1.behave(Behaviour::Serve);
            cluster.wait_for_weight("192.168.11.21", 1);
            cluster.wait_for_weight("192.168.11.22", 0);
            wait_for_metric(director, "lvs_sorry_server_active{service=\"web\"}", 0.0);
            for _ in 0..3 {
                assert_eq!(cluster.request().unwrap(), "rs1");
            }
        }
    });
}

#[test]
fn the_sorry_server_takes_over_without_a_gap_and_goes_again() {
    sorry_server_takes_over_without_a_gap("wlc");
}

#[test]
fn sorry_server_takes_over_with_source_hashing() {
    sorry_server_takes_over_without_a_gap("sh");
}

#[test]
fn sorry_server_takes_over_with_maglev_hashing() {
    sorry_server_takes_over_without_a_gap("mh");
}

#[test]
fn one_definition_for_several_vips_has_the_sorry_server_for_each() {
    let several = with_sorry_server("wlc").replace(
        "    address: 192.168.11.200:80",
        "    addresses: [192.168.11.200:80, 192.168.11.201:80]",
    );
    let cluster = Cluster::new(&several);
    let director = &cluster.lan.director;
    let rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let _rs2 = Web::start(&cluster.lan.rs2, "sorry");
    let _agent = cluster.direct();
    let both = [200, 201];
    let name = |vip: u8| format!("web-192.168.11.{vip}-80");
    let page = |vip: u8| {
        http_get(
            &cluster.lan.client,
            ([192, 168, 11, vip], 80).into(),
            PATIENCE,
        )
    };
    let wait_for_pages = |wanted: &str| {
        for vip in both {
            until(PATIENCE, wanted, || match page(vip) {
                Ok(found) if found == wanted => Ok(()),
                found => Err(found.map_err(|error| error.to_string())),
            });
        }
    };
    let sorry = |vip: u8| format!("service=\"{}\",real_server=\"sorry_server\"", name(vip));
    for vip in both {
        let up = format!("lvs_transitions_total{{{},to=\"up\"}}", sorry(vip));
        wait_for_metric(director, &up, 1.0);
        let probes = format!("lvs_probes_total{{{},result=\"ok\"}}", sorry(vip));
        assert!(metric(director, &probes) > 1.5);
    }
    wait_for_pages("rs1");
    rs1.behave(Behaviour::Unavailable);
    wait_for_pages("sorry");
    let table = ipvsadm_save(director);
    for vip in both {
        let row = format!("-a -t 192.168.11.{vip}:80 -r 192.168.11.22:80 -g -w 1");
        assert!(table.lines().any(|line| line == row), "{row} in\n{table}");
        let active = format!("lvs_sorry_server_active{{service=\"{}\"}}", name(vip));
        wait_for_metric(director, &active, 1.0);
    }
    rs1.behave(Behaviour::Serve);
    wait_for_pages("rs1");
}

#[test]
fn failing_real_server_keeps_its_weight_when_too_few_are_up() {
    let open = QUICK.replace(
        "    real_servers:",
        "    fail_open_below: 60%\n    real_servers:",
    );
    let cluster = Cluster::new(&open);
    let director = &cluster.lan.director;
    let rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let _rs2 = Web::start(&cluster.lan.rs2, "rs2");
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
    let fail_open = "lvs_virtual_service_fail_open{service=\"web\"}";
    let up = "lvs_real_server_up{service=\"web\",real_server=\"rs1\"}";
    wait_for_metric(director, fail_open, 0.0);

    rs1.behave(Behaviour::Unavailable);
    wait_for_metric(director, up, 0.0);
    wait_for_metric(director, fail_open, 1.0);
    let table = ipvsadm_save(director);
    assert_eq!(weights(&table), [1, 1], "{table}");
    let (_, status) = cluster.site.finish(director, &["status"]);
    assert!(status.contains("failing open"), "{status}");

    rs1.behave(Behaviour::Serve);
    wait_for_metric(director, fail_open, 0.0);
    let table = ipvsadm_save(director);
    assert_eq!(weights(&table), [1, 1], "{table}");
}
