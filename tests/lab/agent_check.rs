//! The director asks the agents of its real servers: no weight until the other
//! end is in order.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, QUICK, shown};
use crate::support::{Namespace, PATIENCE, Web, until};

/// The real servers repair nothing for a day, so that a cause stays.
fn configuration() -> String {
    QUICK
        .replace("listen: 127.0.0.1:9477", "listen: 0.0.0.0:9477")
        .replace(
            "real_server: { resync_interval: 1s }",
            "real_server: { resync_interval: 1day }",
        )
        .replace("http: {}, interval", "agent: { port: 9477 }, interval")
}

/// Waits until the director says this of rs1's last probe; its diagnosis.
fn wait_for_detail(director: &Namespace, detail: &str) -> Value {
    until(PATIENCE, detail, || {
        let status: Value = serde_json::from_str(&shown(director, "/status")).unwrap();
        let rs1 = &status["virtual_services"][0]["real_servers"][0];
        let said = rs1["last_probe"]["detail"].as_str().unwrap_or_default();
        if said.contains(detail) && rs1["health"] == "down" {
            Ok(rs1["diagnosis"].clone())
        } else {
            Err(rs1.clone())
        }
    })
}

#[test]
fn the_weight_follows_what_the_real_server_says_of_itself() {
    let cluster = Cluster::new(&configuration());
    let (director, rs1) = (&cluster.lan.director, &cluster.lan.rs1);
    let web = Web::start(rs1, "rs1");
    let _other = Web::start(&cluster.lan.rs2, "rs2");
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);

    for (cause, reason, mend, expected) in [
        (
            "ip address del 192.168.11.200/32 dev lo",
            "not ready: the VIP 192.168.11.200 is on no interface, and belongs on lo",
            "ip address add 192.168.11.200/32 dev lo",
            "vip_missing",
        ),
        (
            "sysctl -q -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0",
            "arp_ignore is 0 on eth0: this host answers ARP for the VIP",
            "sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
            "arp_conflict",
        ),
    ] {
        rs1.run(cause);
        cluster.wait_for_weight("192.168.11.21", 0);
        assert_eq!(wait_for_detail(director, reason), expected);
        rs1.run(mend);
        cluster.wait_for_weight("192.168.11.21", 1);
    }

    drop(web);
    // A child of another test may hold the socket for a moment longer.
    let _of_rip = until(PATIENCE, "free port 80", || {
        rs1.enter(|| TcpListener::bind("192.168.11.21:80"))
    });
    cluster.wait_for_weight("192.168.11.21", 0);
    let reason = "nothing listens on tcp 192.168.11.200:80, only on 192.168.11.21:80";
    assert_eq!(wait_for_detail(director, reason), "not_listening_on_vip");
    let _of_vip = rs1
        .enter(|| TcpListener::bind("192.168.11.200:80"))
        .unwrap();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
}

#[test]
fn an_agent_that_is_gone_is_a_failure_also_beside_another_check() {
    let both = configuration().replace(
        "agent: { port: 9477 }",
        "all: [{ http: {} }, { agent: {} }]",
    );
    let mut cluster = Cluster::new(&both);
    let _web = [&cluster.lan.rs1, &cluster.lan.rs2].map(|host| Web::start(host, "page"));
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    let agent = cluster.real_server_agent(0);
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    cluster.wait_for_weight("192.168.11.21", 0);
    let diagnosis = wait_for_detail(&cluster.lan.director, "connection refused");
    assert_eq!(diagnosis, "application_down");
    cluster.wait_for_weight("192.168.11.22", 1);
}

/// The other end tells whether the VIP is missing there; what it does not know
/// of is seen through the VIP.
#[test]
fn beside_a_check_through_the_vip_the_other_end_tells_which_cause_it_is() {
    let configuration = configuration()
        .replace(
            "agent: { port: 9477 }",
            "all: [{ http: {} }, { agent: {} }], via: vip",
        )
        .replace("timeout: 10s", "timeout: 3s");
    let mut cluster = Cluster::new(&configuration);
    let _web = [&cluster.lan.rs1, &cluster.lan.rs2].map(|host| Web::start(host, "page"));
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    let well = shown(&cluster.lan.director, "/status");
    assert!(well.contains("; through the VIP: HTTP 200"), "{well}");

    let rs1 = &cluster.lan.rs1;
    let firewall =
        "type filter hook input priority 0 ; iifname eth0 ip daddr 192.168.11.200 drop ;";
    for (cause, detail, mend) in [
        (
            "ip address del 192.168.11.200/32 dev lo".to_owned(),
            "not ready: the VIP 192.168.11.200 is on no interface",
            "ip address add 192.168.11.200/32 dev lo",
        ),
        (
            format!("nft add table inet lab {{ chain input {{ {firewall} }} ; }}"),
            "through the VIP: no complete answer within 3s",
            "nft delete table inet lab",
        ),
    ] {
        rs1.run(&cause);
        let diagnosis = wait_for_detail(&cluster.lan.director, detail);
        assert_eq!(diagnosis, "vip_missing", "{cause}");
        rs1.run(mend);
        cluster.wait_for_weight("192.168.11.21", 1);
    }

    let agent = cluster.real_server_agent(0);
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    let diagnosis = wait_for_detail(&cluster.lan.director, "connection refused");
    assert_eq!(diagnosis, "application_down");
    cluster.wait_for_weight("192.168.11.22", 1);
}
