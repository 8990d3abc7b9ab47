//! Weights are frozen while the fault is the director's own.

use std::fmt::Write as _;

use crate::cluster::{Cluster, QUICK, metric, shown, wait_for_metric, weights};
use crate::support::{Behaviour, Namespace, PATIENCE, Web, ipvsadm_save, until};

/// How many probes have failed so far.
fn failures(director: &Namespace) -> f64 {
    let text = shown(director, "/metrics");
    let lines = text
        .lines()
        .filter(|line| line.starts_with("lvs_probes_total{"))
        .filter(|line| {
            let results = ["failed", "unverified", "internal"];
            results
                .iter()
                .any(|result| line.contains(&format!("result=\"{result}\"")))
        });
    lines
        .map(|line| {
            let (_, count) = line.rsplit_once(' ').expect("a value");
            count.parse::<f64>().expect("a number")
        })
        .sum()
}

fn wait_for_failures(director: &Namespace, count: f64) {
    let before = failures(director);
    until(PATIENCE, "many failed probes", || {
        match failures(director) {
            now if now >= before + count => Ok(()),
            now => Err(now),
        }
    });
}

#[test]
fn weights_are_frozen_while_the_directors_link_is_down() {
    // The link is looked at five times a second, or less often on a busy machine.
    let cluster = Cluster::new(&QUICK.replace("fall: 2", "fall: 6"));
    let director = &cluster.lan.director;
    let _rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let rs2 = Web::start(&cluster.lan.rs2, "rs2");
    let agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
    let frozen = "lvs_weights_frozen{reason=\"link\"}";
    wait_for_metric(director, frozen, 0.0);
    let before = agent.output().len();

    director.run("ip link set eth0 down");
    wait_for_metric(director, frozen, 1.0);
    wait_for_failures(director, 10.0);
    let table = ipvsadm_save(director);
    assert_eq!(weights(&table), [1, 1], "{table}");
    let (_, status) = cluster.site.finish(director, &["status"]);
    assert!(status.contains("own link is down"), "{status}");
    assert!(
        !status.contains("; fix: "),
        "no real server is blamed: {status}"
    );
    let output = agent.output();
    let lines: Vec<_> = output[before..].lines().collect();
    let reported = lines
        .iter()
        .filter(|line| line.contains("all weights are frozen"));
    assert_eq!(reported.count(), 1, "{lines:#?}");
    let blames = |line: &&&str| line.contains("rs1") || line.contains("rs2");
    assert_eq!(lines.iter().filter(blames).count(), 0, "{lines:#?}");

    director.run("ip link set eth0 up");
    wait_for_metric(director, frozen, 0.0);
    let ups = "lvs_transitions_total{service=\"web\",real_server=\"rs1\",to=\"down\"}";
    assert!(metric(director, ups) < 0.5, "no verdict came of it");
    rs2.behave(Behaviour::Unavailable);
    cluster.wait_for_weight("192.168.11.22", 0);
    let table = ipvsadm_save(director);
    assert_eq!(weights(&table), [1, 0], "verdicts count again: {table}");
}

/// Four services, each with a real server of its own; two of them are on one host.
fn unrelated() -> String {
    let mut text = String::from(
        "
http: { listen: 127.0.0.1:9477 }
director: { interface: eth0, resync_interval: 1s }
real_server: { resync_interval: 1s }
virtual_services:
",
    );
    for (place, real_server) in [21, 22, 31, 32].into_iter().enumerate() {
        let _ = write!(
            text,
            "  - name: web{place}
    address: 192.168.11.20{place}:80
    check: {{ http: {{}}, interval: 300ms, timeout: 1s, rise: 2, fall: 3 }}
    real_servers: [{{ name: rs{real_server}, address: 192.168.11.{real_server} }}]
"
        );
    }
    text
}

fn downs(director: &Namespace) -> f64 {
    [(0, 21), (1, 22), (2, 31), (3, 32)]
        .map(|(service, real_server)| {
            let series = format!(
                "lvs_transitions_total{{service=\"web{service}\",real_server=\"rs{real_server}\",to=\"down\"}}"
            );
            metric(director, &series)
        })
        .into_iter()
        .sum()
}

/// A packet filter on the director swallows its probes, and lets the clients'
/// packets pass, which still have the VIP as their destination.
#[test]
fn weights_are_frozen_while_most_probes_fail_at_once() {
    let cluster = Cluster::new(&unrelated());
    let director = &cluster.lan.director;
    cluster
        .lan
        .rs1
        .run("ip address add 192.168.11.31/24 dev eth0");
    cluster
        .lan
        .rs2
        .run("ip address add 192.168.11.32/24 dev eth0");
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    let agent = cluster.direct();
    let real_servers = [
        "192.168.11.21",
        "192.168.11.22",
        "192.168.11.31",
        "192.168.11.32",
    ];
    for real_server in real_servers {
        cluster.wait_for_weight(real_server, 1);
    }
    let right = ipvsadm_save(director);
    assert_eq!(weights(&right), [1; 4], "{right}");
    let frozen = "lvs_weights_frozen{reason=\"probes\"}";
    wait_for_metric(director, frozen, 0.0);

    director.run("nft add table inet fault");
    director.run("nft add chain inet fault out { type filter hook output priority 0 ; }");
    let all = "{ 192.168.11.21, 192.168.11.22, 192.168.11.31, 192.168.11.32 }";
    director.run(&format!(
        "nft add rule inet fault out ip daddr {all} tcp dport 80 drop"
    ));
    wait_for_metric(director, frozen, 1.0);
    wait_for_failures(director, 20.0);
    assert_eq!(ipvsadm_save(director), right);
    let (_, status) = cluster.site.finish(director, &["status"]);
    assert!(
        status.contains("most probes of unrelated virtual services"),
        "{status}"
    );
    let output = agent.output();
    assert!(
        output
            .lines()
            .any(|line| line.contains("all weights are frozen")
                && line.contains("most probes of unrelated")),
        "{output}"
    );
    assert_eq!(
        cluster.request().unwrap(),
        "rs1",
        "clients are served meanwhile"
    );

    director.run("nft flush chain inet fault out");
    wait_for_metric(director, frozen, 0.0);
    assert_eq!(ipvsadm_save(director), right);
    assert!(
        downs(director) < 0.5,
        "no verdict came of it: {}",
        agent.output()
    );

    director.run("nft add rule inet fault out ip daddr 192.168.11.32 tcp dport 80 drop");
    cluster.wait_for_weight("192.168.11.32", 0);
    wait_for_metric(director, frozen, 0.0);
    let table = ipvsadm_save(director);
    assert_eq!(weights(&table).iter().sum::<u32>(), 3, "{table}");
}
