//! Real servers that cannot be reached, in every way that a kernel tells it,
//! asked by every kind of check: each counts, and none passes.

use std::net::UdpSocket;

use serde_json::Value;

use crate::checks::{configuration, probed};
use crate::support::{Lan, Process, Site, until};
use crate::witness::{DEADLINE, status};

/// Behind the director's own routes, by the last part of the address.
const ROUTES: [&str; 4] = ["blackhole", "unreachable", "prohibit", "throw"];

const TIMING: &str = "interval: 400ms, timeout: 400ms, rise: 1, fall: 2";

const KINDS: [(&str, &str); 6] = [
    ("tcp", "tcp: { port: 80 }"),
    ("http", "http: { port: 80 }"),
    ("udp", "udp: { port: 53, send: x }"),
    ("answer", "udp: { port: 53, send: x, expect: y }"),
    ("dns", "dns: { port: 53, name: example.com, type: A }"),
    ("ping", "ping: {}"),
];

fn start(lan: &Lan, configuration: &str) -> (Site, Process) {
    let site = Site::new(configuration);
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    (site, agent)
}

/// Every real server as `service/address`, its health, and `result: detail`.
fn all(lan: &Lan) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let described = |(name, health, probe): (String, String, Value)| {
        let detail = format!("{}: {}", text(&probe["result"]), text(&probe["detail"]));
        (name, health, detail)
    };
    probed(&lan.director).into_iter().map(described).collect()
}

/// Waits until all that `of` takes have this health; returns what all show.
fn wait_for(lan: &Lan, health: &str, of: impl Fn(&str) -> bool) -> Vec<(String, String, String)> {
    until(
        DEADLINE * 2,
        &format!("real servers that are {health}"),
        || {
            let found = all(lan);
            let wrong: Vec<_> = found
                .iter()
                .filter(|(name, now, _)| of(name) && now != health)
                .cloned()
                .collect();
            if wrong.is_empty() {
                Ok(found)
            } else {
                Err(wrong)
            }
        },
    )
}

#[test]
fn routes_that_lead_nowhere_take_a_real_server_down_by_every_kind_of_check() {
    let lan = Lan::new();
    let director = &lan.director;
    director.run("ip -6 address add fd00:11::10/64 dev eth0 nodad");
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for (number, kind) in (1..).zip(ROUTES) {
        let addresses = [format!("10.9.0.{number}"), format!("fd00:9::{number}")];
        for address in &addresses {
            director.run(&format!("ip route add {kind} {address}"));
        }
        let [four, six] = addresses;
        v4.push(four);
        v6.push(six);
    }
    // No route at all; and nobody on the link has the address.
    v4.extend(["10.9.1.1", "192.168.11.99"].map(str::to_owned));
    v6.extend(["fd00:9:1::1", "fd00:11::99"].map(str::to_owned));
    let (_site, agent) = start(
        &lan,
        &configuration(TIMING, &KINDS, &[("ipv4", &v4), ("ipv6", &v6)]),
    );
    let found = wait_for(&lan, "down", |_| true);
    println!("{found:#?}");
    for (name, _, probe) in &found {
        assert!(
            !probe.starts_with("internal"),
            "{name} {probe}: {}",
            agent.output()
        );
    }
}

/// The kernel of the host drops echoes, as the parameter shows that the fix names.
#[test]
fn fix_of_a_ping_without_a_reply_names_the_parameter_that_drops_echoes() {
    let lan = Lan::new();
    let (director, host) = (&lan.director, &lan.rs1);
    director.run("ip -6 address add fd00:11::10/64 dev eth0 nodad");
    host.run("ip -6 address add fd00:11::21/64 dev eth0 nodad");
    let [v4, v6] = ["192.168.11.21", "fd00:11::21"];
    let families = [("ipv4", [v4.to_owned()]), ("ipv6", [v6.to_owned()])];
    let kinds = [("ping", "ping: {}")];
    let (_site, _agent) = start(&lan, &configuration(TIMING, &kinds, &families));
    wait_for(&lan, "up", |_| true);
    for (name, address, parameter) in [
        ("ping-ipv4/r0", v4, "net.ipv4.icmp_echo_ignore_all"),
        ("ping-ipv6/r0", v6, "net.ipv6.icmp.echo_ignore_all"),
    ] {
        host.run(&format!("sysctl -q -w {parameter}=1"));
        let condition = until(DEADLINE * 2, "the condition", || {
            let status = status(director);
            let mut all = status["conditions"].as_array().unwrap().iter();
            let down = all.find(|one| one["type"] == "real_server_down" && one["subject"] == name);
            down.cloned().ok_or_else(|| status.clone())
        });
        let fix = condition["fix"].as_str().unwrap();
        let begin = format!("on this director, see whether {address} runs and is on the network");
        assert!(fix.starts_with(&begin), "{fix}");
        assert!(fix.contains(&format!("`sysctl {parameter}`")), "{fix}");
    }
}

/// An interface of the director's that a check leaves from is down.
#[test]
fn an_interface_that_is_down_takes_a_real_server_down() {
    let lan = Lan::new();
    lan.director
        .run("ip link add down0 type veth peer name peer0");
    lan.director.run("ip address add 10.9.6.10/24 dev down0");
    let kinds = KINDS.map(|(name, check)| (name, format!("{check}, interface: down0")));
    let kinds: Vec<_> = kinds
        .iter()
        .map(|(name, check)| (*name, check.as_str()))
        .collect();
    let addresses = ["10.9.6.1".to_owned()];
    let (_site, _agent) = start(
        &lan,
        &configuration(TIMING, &kinds, &[("ipv4", &addresses)]),
    );
    println!("{:#?}", wait_for(&lan, "down", |_| true));
}

/// What routers say by ICMP: rs1 is one, to networks of which it refuses some.
#[test]
fn icmp_error_of_a_router_takes_a_real_server_down() {
    let lan = Lan::new();
    let (director, router) = (&lan.director, &lan.rs1);
    director.run("ip -6 address add fd00:11::10/64 dev eth0 nodad");
    router.run("ip -6 address add fd00:11::21/64 dev eth0 nodad");
    router.run("sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    // An ICMP error a second is what the kernel sends by default.
    router.run("sysctl -q -w net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
    director.run("ip route add 10.8.0.0/16 via 192.168.11.21");
    director.run("ip route add fd00:8::/64 via fd00:11::21");
    let mut v4 = vec!["10.8.1.1".to_owned()];
    let mut v6 = vec!["fd00:8::99".to_owned()];
    for (number, kind) in (1..).zip(ROUTES) {
        let addresses = [format!("10.8.0.{number}"), format!("fd00:8::{number}")];
        for address in &addresses {
            router.run(&format!("ip route add {kind} {address}"));
        }
        let [four, six] = addresses;
        v4.push(four);
        v6.push(six);
    }
    let asked: Vec<_> = KINDS
        .into_iter()
        .filter(|(name, _)| *name != "udp")
        .collect();
    let families: [(&str, &[String]); 2] = [("ipv4", &v4), ("ipv6", &v6)];
    let (_site, agent) = start(&lan, &configuration(TIMING, &asked, &families));
    let found = wait_for(&lan, "down", |_| true);
    println!("{found:#?}");
    for (name, _, probe) in &found {
        assert!(
            !probe.starts_with("internal"),
            "{name} {probe}: {}",
            agent.output()
        );
    }
}

/// Silence from behind a router passes while the router is there, since no
/// more can be known; what the router says counts.
#[test]
fn a_silent_udp_server_behind_a_router_is_up_until_the_router_says_otherwise() {
    let lan = Lan::new();
    let (director, router) = (&lan.director, &lan.rs1);
    router.run("sysctl -q -w net.ipv4.ip_forward=1");
    director.run("ip route add 10.8.0.0/16 via 192.168.11.21");
    router.run("ip route add blackhole 10.8.0.1");
    router.run("ip route add prohibit 10.8.0.2");
    let addresses = ["10.8.0.1", "10.8.0.2"].map(str::to_owned);
    // Linux sends one error a second to each host, which no sysctl of a namespace changes.
    let slow = [("udp", "udp: { port: 53, send: x }")];
    let text = configuration(TIMING, &slow, &[("ipv4", &addresses)]);
    let text = text
        .replace("interval: 400ms", "interval: 2s")
        .replace("fall: 2", "fall: 1");
    let (_site, _agent) = start(&lan, &text);
    wait_for(&lan, "up", |name| name.contains("10.8.0.1"));
    wait_for(&lan, "down", |name| name.contains("10.8.0.2"));
    lan.bridge.run("ip link set rs1 down");
    director.run("ip neigh flush dev eth0");
    wait_for(&lan, "down", |_| true);
}

/// UDP without `expect`: a host that takes the datagram and says nothing is
/// up, and goes down when the host is switched off.
#[test]
fn a_silent_udp_server_is_up_only_while_its_host_is_there() {
    let lan = Lan::new();
    for host in [&lan.director, &lan.rs1, &lan.rs2] {
        // As quick as may be; by default a neighbour is believed for half a minute.
        for family in ["ipv4", "ipv6"] {
            host.run(&format!(
                "sysctl -q -w net.{family}.neigh.eth0.base_reachable_time_ms=1000"
            ));
            host.run(&format!(
                "sysctl -q -w net.{family}.neigh.eth0.delay_first_probe_time=1"
            ));
        }
    }
    lan.director
        .run("ip -6 address add fd00:11::10/64 dev eth0 nodad");
    lan.rs1
        .run("ip -6 address add fd00:11::21/64 dev eth0 nodad");
    let _servers = lan.rs1.enter(|| {
        ["192.168.11.21:53", "[fd00:11::21]:53"].map(|address| UdpSocket::bind(address).unwrap())
    });
    // rs2 was never there.
    lan.bridge.run("ip link set rs2 down");
    let v4 = ["192.168.11.21", "192.168.11.22"].map(str::to_owned);
    let v6 = ["fd00:11::21", "fd00:11::22"].map(str::to_owned);
    let kinds = &[("udp", "udp: { port: 53, send: x }")];
    let (_site, _agent) = start(
        &lan,
        &configuration(TIMING, kinds, &[("ipv4", &v4), ("ipv6", &v6)]),
    );
    wait_for(&lan, "up", |name| {
        name.contains("11.21") || name.contains("::21")
    });
    wait_for(&lan, "down", |name| {
        name.contains("11.22") || name.contains("::22")
    });

    lan.bridge.run("ip link set rs1 down");
    let found = wait_for(&lan, "down", |_| true);
    for (name, _, probe) in &found {
        assert!(probe.starts_with("unreachable: "), "{name} {probe}");
    }
    lan.bridge.run("ip link set rs1 up");
    wait_for(&lan, "up", |name| {
        name.contains("11.21") || name.contains("::21")
    });
}
