//! What this host's own firewall rejects or drops is told from what the real
//! server's does, over TCP, UDP and ICMP echoes.

use std::net::UdpSocket;

use serde_json::Value;

use crate::cluster::shown;
use crate::support::{Lan, PATIENCE, Site, Web, until};

const CONFIGURATION: &str = "
http: { listen: 127.0.0.1:9477 }
virtual_services:
  - name: tcp
    address: 192.168.11.200:80
    check: { http: {}, interval: 500ms, timeout: 5s, rise: 1, fall: 2 }
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
  - name: udp
    address: 192.168.11.200:53
    protocol: udp
    check: { udp: { send: x, expect: x }, interval: 500ms, timeout: 5s, rise: 1, fall: 2 }
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
  - name: ping
    address: 192.168.11.200:81
    check: { ping: {}, interval: 500ms, timeout: 5s, rise: 1, fall: 2 }
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
";

/// Health and last result of the real server of one service.
fn seen(status: &Value, name: &str) -> (String, String) {
    let services = status["virtual_services"].as_array().expect("services");
    let service = services.iter().find(|service| service["name"] == name);
    let one = &service.expect("the service")["real_servers"][0];
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    (text(&one["health"]), text(&one["last_probe"]["result"]))
}

fn wait_for(lan: &Lan, names: &[&str], health: &str, results: &[&str]) {
    until(
        PATIENCE,
        &format!("{names:?} {health}, {results:?}"),
        || {
            let status: Value =
                serde_json::from_str(&shown(&lan.director, "/status")).expect("JSON");
            let all: Vec<_> = names.iter().map(|name| seen(&status, name)).collect();
            let right = all
                .iter()
                .all(|(now, result)| now == health && results.contains(&result.as_str()));
            if right { Ok(()) } else { Err(all) }
        },
    );
}

/// How many probes of the service this host could not make.
fn own_faults(lan: &Lan, name: &str) -> f64 {
    let series =
        format!("lvs_probes_total{{service=\"{name}\",real_server=\"rs1\",result=\"internal\"}} ");
    let text = shown(&lan.director, "/metrics");
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

#[test]
fn rejection_by_the_directors_firewall_changes_no_verdict_and_by_the_real_servers_firewall_does() {
    let lan = Lan::new();
    let _web = Web::start(&lan.rs1, "rs1");
    let socket = lan
        .rs1
        .enter(|| UdpSocket::bind("192.168.11.21:53").expect("a socket"));
    std::thread::spawn(move || {
        let mut datagram = [0; 16];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let _ = socket.send_to(&datagram[..length], from);
        }
    });
    let site = Site::new(CONFIGURATION);
    let _agent = site.start(&lan.director, &["--table", "memory"]);
    let all = ["tcp", "udp", "ping"];
    wait_for(&lan, &all, "up", &["ok"]);

    let director = &lan.director;
    director.run("nft add table inet fault");
    director.run("nft add chain inet fault out { type filter hook output priority 0 ; }");
    for (rule, names) in [
        ("reject", &all[..]),
        ("reject with icmpx type admin-prohibited", &all[..]),
        // TCP does not tell that a packet of its own was dropped.
        ("drop", &["udp", "ping"][..]),
    ] {
        let to = if names.contains(&"tcp") {
            ""
        } else {
            "meta l4proto != tcp "
        };
        director.run(&format!(
            "nft add rule inet fault out ip daddr 192.168.11.21 {to}{rule}"
        ));
        let before: Vec<_> = names.iter().map(|name| own_faults(&lan, name)).collect();
        until(PATIENCE, rule, || {
            let more = names
                .iter()
                .zip(&before)
                .map(|(name, before)| own_faults(&lan, name) - before);
            let more: Vec<_> = more.collect();
            if more.iter().all(|more| *more >= 4.0) {
                Ok(())
            } else {
                Err(more)
            }
        });
        wait_for(&lan, names, "up", &["internal"]);
        director.run("nft flush chain inet fault out");
        wait_for(&lan, &all, "up", &["ok"]);
    }

    lan.rs1.run("nft add table inet fault");
    lan.rs1
        .run("nft add chain inet fault in { type filter hook input priority 0 ; }");
    lan.rs1
        .run("nft add rule inet fault in ip saddr 192.168.11.10 reject");
    wait_for(&lan, &all, "down", &["refused", "unreachable"]);
}
