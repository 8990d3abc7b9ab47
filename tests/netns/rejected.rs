//! What a router rejects, by every ICMP error that a packet filter sends: each
//! takes a real server down, whatever asks it. Packets that are too large for
//! the way do not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use serde_json::Value;

use crate::checks::{configuration, probed};
use crate::support::{Lan, Site, until};
use crate::witness::DEADLINE;

const V4: [&str; 7] = [
    "net-unreachable",
    "host-unreachable",
    "prot-unreachable",
    "port-unreachable",
    "net-prohibited",
    "host-prohibited",
    "admin-prohibited",
];

const V6: [&str; 6] = [
    "no-route",
    "admin-prohibited",
    "addr-unreachable",
    "port-unreachable",
    "policy-fail",
    "reject-route",
];

const TIMING: &str = "interval: 500ms, timeout: 500ms, rise: 1, fall: 1";

const KINDS: [(&str, &str); 5] = [
    ("udp", "udp: { port: 53, send: x }"),
    ("answer", "udp: { port: 53, send: x, expect: y }"),
    ("dns", "dns: { port: 53, name: example.com, type: A }"),
    ("ping", "ping: {}"),
    ("tcp", "tcp: { port: 80 }"),
];

/// rs1 becomes the router of `10.8.0.0/16` and `fd00:8::/64`.
fn with_router() -> Lan {
    let lan = Lan::new();
    let (director, router) = (&lan.director, &lan.rs1);
    director.run("ip -6 address add fd00:11::10/64 dev eth0 nodad");
    router.run("ip -6 address add fd00:11::21/64 dev eth0 nodad");
    router.run("sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    router.run("sysctl -q -w net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
    director.run("ip route add 10.8.0.0/16 via 192.168.11.21");
    director.run("ip route add fd00:8::/64 via fd00:11::21");
    lan
}

#[test]
fn rejection_by_a_packet_filter_on_the_path_takes_a_real_server_down() {
    let lan = with_router();
    let router = &lan.rs1;
    router.run("ip link add beyond type veth peer name nobody");
    router.run("ip link set beyond up");
    router.run("ip link set nobody up");
    router.run("ip route add 10.8.0.0/16 dev beyond");
    router.run("ip route add fd00:8::/64 dev beyond");
    router.run("nft add table inet filter");
    router.run("nft add chain inet filter forward { type filter hook forward priority 0 ; }");
    let rule = |family: &str, address: &str, icmp: &str, error: &str| {
        router.run(&format!(
            "nft add rule inet filter forward {family} daddr {address} reject with {icmp} type {error}"
        ));
        address.to_owned()
    };
    let v4 = (1..)
        .zip(V4)
        .map(|(number, error)| rule("ip", &format!("10.8.0.{number}"), "icmp", error));
    let v6 = (1..)
        .zip(V6)
        .map(|(number, error)| rule("ip6", &format!("fd00:8::{number}"), "icmpv6", error));
    let families: [(&str, Vec<String>); 2] = [("ipv4", v4.collect()), ("ipv6", v6.collect())];
    let kinds = KINDS.map(|(name, check)| (name, check.to_owned()));
    let site = Site::new(&configuration(TIMING, &kinds, &families));
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    let found = until(DEADLINE * 2, "all real servers are down", || {
        let found = probed(&lan.director);
        let wrong: Vec<_> = found.iter().filter(|it| it.1 != "down").cloned().collect();
        if wrong.is_empty() {
            Ok(found)
        } else {
            Err(wrong)
        }
    });
    for (name, _, probe) in &found {
        println!("{name}: {} {}", probe["result"], probe["detail"]);
    }
    for (name, _, probe) in &found {
        let result = probe["result"].as_str().unwrap();
        // What the router said, and not that nothing came.
        let is_reported = ["unreachable", "refused"].contains(&result);
        assert!(is_reported, "{name} {probe}: {}", agent.output());
    }
}

/// Answers long questions: `y` to a datagram, and an HTTP answer after the
/// head and `X` of a request.
fn answer(udp: UdpSocket, tcp: TcpListener) {
    thread::spawn(move || {
        let mut datagram = vec![0; 65535];
        while let Ok((length, from)) = udp.recv_from(&mut datagram) {
            if length == LONG {
                let _ = udp.send_to(b"y", from);
            }
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut came = Vec::new();
                let mut piece = [0; 4096];
                while came.last() != Some(&b'X') {
                    match stream.read(&mut piece) {
                        Ok(length) if length > 0 => came.extend_from_slice(&piece[..length]),
                        Ok(_) | Err(_) => return,
                    }
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            });
        }
    });
}

/// More than the way takes, and less than the director's own link.
const LONG: usize = 1400;

#[test]
fn packets_above_the_path_mtu_take_no_answering_real_server_down() {
    let lan = with_router();
    let (director, router, server) = (&lan.director, &lan.rs1, &lan.rs2);
    // The router would send its neighbours to the server past itself.
    router
        .run("sysctl -q -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0");
    director.run("sysctl -q -w net.ipv6.conf.eth0.accept_redirects=0");
    server.run("ip -6 address add fd00:11::22/64 dev eth0 nodad");
    server.run("ip address add 10.8.0.1/32 dev eth0");
    server.run("ip -6 address add fd00:8::1/128 dev eth0 nodad");
    router.run("ip route add 10.8.0.1 via 192.168.11.22 mtu 600");
    router.run("ip route add fd00:8::1 via fd00:11::22 mtu 1280");
    for address in ["10.8.0.1", "[fd00:8::1]"] {
        let (udp, tcp) = server.enter(|| {
            let udp = UdpSocket::bind(format!("{address}:53")).unwrap();
            (udp, TcpListener::bind(format!("{address}:80")).unwrap())
        });
        answer(udp, tcp);
    }
    let long = "x".repeat(LONG);
    let very_long = format!("{}X", "x".repeat(5000));
    let kinds = [
        ("udp", format!("udp: {{ port: 53, send: {long} }}")),
        (
            "answer",
            format!("udp: {{ port: 53, send: {long}, expect: y }}"),
        ),
        (
            "tcp",
            format!(
                "tcp: {{ port: 80, steps: [{{ send: {very_long} }}, {{ expect: \"200 OK\" }}] }}"
            ),
        ),
        (
            "http",
            format!("http: {{ port: 80, method: POST, body: {very_long} }}"),
        ),
        ("ping", "ping: {}".to_owned()),
    ];
    let families = [
        ("ipv4", vec!["10.8.0.1".to_owned()]),
        ("ipv6", vec!["fd00:8::1".to_owned()]),
    ];
    let site = Site::new(&configuration(TIMING, &kinds, &families));
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    let passes = |what: &str, before: &[(String, String, Value)]| {
        until(DEADLINE * 2, what, || {
            let found = probed(&lan.director);
            let newer = |number: usize, probe: &Value| {
                before
                    .get(number)
                    .is_none_or(|it| it.2["at"] != probe["at"])
            };
            let mut numbered = found.iter().enumerate();
            let done = numbered.all(|(number, it)| it.1 == "up" && newer(number, &it.2));
            if done { Ok(found.clone()) } else { Err(found) }
        })
    };
    // Until IPv6 has found that nobody else has its addresses, probes may fail.
    let mut before = passes("all are up", &[]);
    let up = agent.output().len();
    for _ in 0..4 {
        // The kernel forgets what fits, and is told again.
        director.run("ip route flush cache");
        director.run("ip -6 route flush cache");
        before = passes("further probes", &before);
    }
    let learned =
        director.run("ip route get 10.8.0.1") + &director.run("ip -6 route get fd00:8::1");
    assert!(
        learned.contains("mtu 600") && learned.contains("mtu 1280"),
        "{learned}"
    );
    let output = agent.output();
    let since = output.get(up..).unwrap_or_default();
    assert!(!since.contains("failed, the last with"), "{since}");
}
