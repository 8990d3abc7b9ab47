//! The director asks the agents of its real servers: no weight until the other
//! end is in order.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, QUICK, shown};
use crate::support::{Namespace, PATIENCE, Site, Web, until};

/// Of rs1, where nobody listens for the director's question.
const UNASKED: &str = "the agent at 192.168.11.21:9477 could not be asked: connection refused";

/// The sysctls of the real servers are not the agent's to repair, so that a
/// cause stays.
fn configuration() -> String {
    QUICK
        .replace("listen: 127.0.0.1:9477", "listen: 0.0.0.0:9477")
        .replace(
            "real_server: { resync_interval: 1s }",
            "real_server: { resync_interval: 1day, sysctls: {} }",
        )
        .replace("http: {}, interval", "agent: { port: 9477 }, interval")
}

/// Waits until the director says this of rs1's last probe; what it says of rs1.
fn wait_for_detail(director: &Namespace, detail: &str) -> Value {
    until(PATIENCE, detail, || {
        let status: Value = serde_json::from_str(&shown(director, "/status")).unwrap();
        let rs1 = &status["virtual_services"][0]["real_servers"][0];
        let message = rs1["last_probe"]["detail"].as_str().unwrap_or_default();
        if message.contains(detail) && rs1["health"] == "down" {
            Ok(rs1.clone())
        } else {
            Err(rs1.clone())
        }
    })
}

/// The commands of its fix, in their order.
fn commands(rs1: &Value) -> Vec<String> {
    let fix = rs1["fix"].as_str().unwrap();
    let commands = fix.split('`').skip(1).step_by(2);
    commands.map(str::to_owned).collect()
}

fn silence(cluster: &Cluster) {
    for host in [&cluster.lan.rs1, &cluster.lan.rs2] {
        host.run("sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
    }
}

#[test]
fn weight_follows_the_report_of_the_real_server() {
    let cluster = Cluster::new(&configuration());
    let (director, rs1) = (&cluster.lan.director, &cluster.lan.rs1);
    let web = Web::start(rs1, "rs1");
    let _other = Web::start(&cluster.lan.rs2, "rs2");
    silence(&cluster);
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);

    let other = rs1.keep_removing("192.168.11.200/32", "lo");
    cluster.wait_for_weight("192.168.11.21", 0);
    let reason = "not ready: the VIP 192.168.11.200 is on no interface, and belongs on lo";
    assert_eq!(
        wait_for_detail(director, reason)["diagnosis"],
        "vip_missing"
    );
    drop(other);
    cluster.wait_for_weight("192.168.11.21", 1);

    rs1.run("sysctl -q -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0");
    cluster.wait_for_weight("192.168.11.21", 0);
    let reason = "arp_ignore is 0 on eth0: this host answers ARP for the VIP";
    assert_eq!(
        wait_for_detail(director, reason)["diagnosis"],
        "arp_conflict"
    );
    silence(&cluster);
    cluster.wait_for_weight("192.168.11.21", 1);

    // What it says finds the interface, and takes the VIP off it.
    rs1.run("ip address add 192.168.11.200/32 dev eth0");
    let reason = "not ready: the VIP 192.168.11.200 is on eth0, which answers for it";
    let reported = wait_for_detail(director, reason);
    assert_eq!(reported["diagnosis"], "arp_conflict");
    let commands = commands(&reported);
    let shown = rs1.run(&commands[0]);
    let interface = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let shown: Vec<_> = shown.lines().map(interface).collect();
    assert_eq!(shown, ["lo", "eth0"]);
    rs1.run(&commands[1].replace("INTERFACE", "eth0"));
    cluster.wait_for_weight("192.168.11.21", 1);

    drop(web);
    cluster.wait_for_weight("192.168.11.21", 0);
    let reported = wait_for_detail(director, "nothing listens on tcp 192.168.11.200:80");
    assert_eq!(reported["diagnosis"], "application_down");
    let of_service = "`ss -ltnup 'sport = :80'`";
    assert!(reported["fix"].as_str().unwrap().contains(of_service));
    // A child of another test may hold the socket for a moment longer.
    let _of_rip = until(PATIENCE, "free port 80", || {
        rs1.enter(|| TcpListener::bind("192.168.11.21:80"))
    });
    cluster.wait_for_weight("192.168.11.21", 0);
    let reason = "nothing listens on tcp 192.168.11.200:80, only on 192.168.11.21:80";
    let reported = wait_for_detail(director, reason);
    assert_eq!(reported["diagnosis"], "not_listening_on_vip");
    assert_eq!(
        reported["fix"],
        "on 192.168.11.21, let the server listen on 192.168.11.200:80 or on all addresses; what \
         listens now: `ss -ltnp 'sport = :80'`"
    );
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
    silence(&cluster);
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    let agent = cluster.real_server_agent(0);
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    cluster.wait_for_weight("192.168.11.21", 0);
    let director = &cluster.lan.director;
    let reported = wait_for_detail(director, UNASKED);
    assert_eq!(reported["diagnosis"], "application_down");
    let asked = "ss -ltnp 'sport = :9477'".to_owned();
    assert!(commands(&reported).contains(&asked), "{reported}");
    cluster.wait_for_weight("192.168.11.22", 1);

    // One that knows nothing of the service vouches for nothing.
    let elsewhere = Site::new(&both.replace("address: 192.168.11.21 ", "address: 192.168.11.29 "));
    let _agent = elsewhere.start(&cluster.lan.rs1, &["--real-server"]);
    let reported = wait_for_detail(director, "the agent does not serve tcp 192.168.11.200:80");
    assert_eq!(reported["diagnosis"], "application_down");
    let fix = reported["fix"].as_str().unwrap();
    let list = "list the host's address among the real servers of tcp 192.168.11.200:80";
    assert!(fix.contains(list), "{fix}");
}

/// The other end tells whether the VIP is missing there; what it does not know
/// of is seen through the VIP.
#[test]
fn agent_check_names_the_cause_of_a_failed_probe_through_the_vip() {
    let configuration = configuration()
        .replace(
            "agent: { port: 9477 }",
            "all: [{ http: {} }, { agent: {} }], via: vip",
        )
        .replace("timeout: 10s", "timeout: 3s");
    let mut cluster = Cluster::new(&configuration);
    let _web = [&cluster.lan.rs1, &cluster.lan.rs2].map(|host| Web::start(host, "page"));
    silence(&cluster);
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    let well = shown(&cluster.lan.director, "/status");
    assert!(well.contains("; through the VIP: HTTP 200"), "{well}");

    let rs1 = &cluster.lan.rs1;
    let firewall =
        "type filter hook input priority 0 ; iifname eth0 ip daddr 192.168.11.200 drop ;";
    let director = &cluster.lan.director;
    let other = rs1.keep_removing("192.168.11.200/32", "lo");
    let reported = wait_for_detail(
        director,
        "not ready: the VIP 192.168.11.200 is on no interface",
    );
    assert_eq!(reported["diagnosis"], "vip_missing");
    drop(other);
    cluster.wait_for_weight("192.168.11.21", 1);

    rs1.run(&format!(
        "nft add table inet lab {{ chain input {{ {firewall} }} ; }}"
    ));
    let reported = wait_for_detail(
        director,
        "through the VIP: timed out after 3s while connecting",
    );
    assert_eq!(reported["diagnosis"], "vip_missing");
    rs1.run("nft delete table inet lab");
    cluster.wait_for_weight("192.168.11.21", 1);

    let agent = cluster.real_server_agent(0);
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    let reported = wait_for_detail(&cluster.lan.director, UNASKED);
    assert_eq!(reported["diagnosis"], "application_down");
    cluster.wait_for_weight("192.168.11.22", 1);
}
