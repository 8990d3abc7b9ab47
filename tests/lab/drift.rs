//! Another program at the table.

use std::fmt::Write as _;

use crate::cluster::{Cluster, QUICK, VIP, metric};
use crate::support::{Lan, Namespace, PATIENCE, Process, Site, Web, ipvsadm_save, until};
use nix::sys::signal::Signal;

/// A service and an address that are nobody's of ours.
fn add_foreign(director: &Namespace) -> (String, String) {
    director.run("ipvsadm -A -t 192.168.11.99:81 -s rr -p 77");
    director.run("ipvsadm -a -t 192.168.11.99:81 -r 192.168.11.22:81 -m -w 3");
    director.run("ip address add 192.168.11.99/24 dev eth0");
    foreign(director)
}

fn foreign(director: &Namespace) -> (String, String) {
    let table = ipvsadm_save(director);
    let lines: Vec<_> = table
        .lines()
        .filter(|line| line.contains("192.168.11.99"))
        .collect();
    (
        lines.join("\n"),
        director.run("ip -o address show to 192.168.11.99"),
    )
}

fn ours(director: &Namespace) -> String {
    let table = ipvsadm_save(director);
    let lines: Vec<_> = table.lines().filter(|line| line.contains(VIP)).collect();
    lines.join("\n")
}

struct Scene {
    cluster: Cluster,
    _webs: [Web; 2],
    agent: Process,
    foreign: (String, String),
}

impl Scene {
    fn new() -> Self {
        let cluster = Cluster::new(QUICK);
        let foreign = add_foreign(&cluster.lan.director);
        let webs = [
            Web::start(&cluster.lan.rs1, "rs1"),
            Web::start(&cluster.lan.rs2, "rs2"),
        ];
        let agent = cluster.direct();
        cluster.wait_for_weight("192.168.11.21", 1);
        cluster.wait_for_weight("192.168.11.22", 1);
        Self {
            cluster,
            _webs: webs,
            agent,
            foreign,
        }
    }

    fn director(&self) -> &Namespace {
        &self.cluster.lan.director
    }

    fn end(&mut self) {
        self.agent.signal(Signal::SIGTERM);
        assert_eq!(
            self.agent.wait(PATIENCE).code(),
            Some(0),
            "{}",
            self.agent.output()
        );
    }
}

#[test]
fn every_kind_of_drift_is_repaired_and_counted() {
    let scene = Scene::new();
    let director = scene.director();
    let right = ours(director);
    let kinds = [
        ("service_missing", format!("ipvsadm -D -t {VIP}")),
        ("service_changed", format!("ipvsadm -E -t {VIP} -s rr")),
        (
            "service_changed",
            format!("ipvsadm -E -t {VIP} -s wlc -p 300"),
        ),
        (
            "real_server_missing",
            format!("ipvsadm -d -t {VIP} -r 192.168.11.21:80"),
        ),
        (
            "real_server_changed",
            format!("ipvsadm -e -t {VIP} -r 192.168.11.21:80 -g -w 9"),
        ),
        (
            "real_server_changed",
            format!("ipvsadm -e -t {VIP} -r 192.168.11.21:80 -i -w 1"),
        ),
        (
            "real_server_extra",
            format!("ipvsadm -a -t {VIP} -r 192.168.11.77:80 -g -w 1"),
        ),
        (
            "address_missing",
            "ip address del 192.168.11.200/32 dev eth0".to_owned(),
        ),
    ];
    for (kind, change) in kinds {
        let series = format!("lvs_drift_total{{kind=\"{kind}\"}}");
        let before = metric(director, &series);
        director.run(&change);
        until(PATIENCE, &format!("{kind} counted after {change}"), || {
            let now = metric(director, &series);
            if now > before { Ok(()) } else { Err(now) }
        });
        until(PATIENCE, &format!("repair of {change}"), || {
            let table = ours(director);
            if table == right { Ok(()) } else { Err(table) }
        });
    }
    assert!(
        director
            .run("ip -o address show dev eth0")
            .contains("192.168.11.200/32")
    );
    assert_eq!(foreign(director), scene.foreign);
}

#[test]
fn flushed_table_is_restored_without_foreign_services() {
    let scene = Scene::new();
    let director = scene.director();
    let right = ours(director);
    director.run("ipvsadm -C");
    until(PATIENCE, "our service", || {
        let table = ipvsadm_save(director);
        if table.trim_end() == right {
            Ok(())
        } else {
            Err(table)
        }
    });
    assert_eq!(
        scene
            .cluster
            .request()
            .map(|page| page.starts_with("rs"))
            .ok(),
        Some(true)
    );
}

#[test]
fn foreign_objects_survive_start_resync_stop_and_cleanup() {
    let mut scene = Scene::new();
    assert_eq!(foreign(scene.director()), scene.foreign, "after the start");
    let (code, printed) = scene.cluster.site.finish(scene.director(), &["cleanup"]);
    assert_eq!(code, 1, "an agent runs: {printed}");
    assert!(
        printed.contains(&format!("process {}", scene.agent.pid())),
        "{printed}"
    );
    scene.end();
    assert_eq!(foreign(scene.director()), scene.foreign, "after the stop");
    assert!(
        ours(scene.director()).contains("192.168.11.21"),
        "on_exit: keep"
    );

    let (code, printed) = scene.cluster.site.finish(scene.director(), &["cleanup"]);
    assert_eq!(
        (code, printed.as_str()),
        (
            0,
            "- address 192.168.11.200/32 on eth0\n\
             - virtual service tcp 192.168.11.200:80\n\
             ~ sysctl net.ipv4.vs.expire_nodest_conn: 1 -> 0 (as before the agent)\n\
             ~ sysctl net.ipv4.vs.expire_quiescent_template: 1 -> 0 (as before the agent)\n"
        )
    );
    assert_eq!(ours(scene.director()), "");
    assert!(
        !scene
            .director()
            .run("ip -o address")
            .contains("192.168.11.200")
    );
    assert_eq!(foreign(scene.director()), scene.foreign, "after cleanup");
    let (code, printed) = scene.cluster.site.finish(scene.director(), &["cleanup"]);
    assert_eq!((code, printed.as_str()), (0, "nothing to remove\n"));
}

#[test]
fn on_exit_drain_and_remove() {
    let mut scene = Scene::new();
    scene.end();
    for (on_exit, left) in [
        (
            "drain",
            "-A -t 192.168.11.200:80 -s wlc\n\
          -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 0\n\
          -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w 0",
        ),
        ("remove", ""),
    ] {
        let with = format!("resync_interval: 1s, on_exit: {on_exit}");
        scene
            .cluster
            .site
            .write_configuration(&QUICK.replacen("resync_interval: 1s", &with, 1));
        scene.agent = scene.cluster.direct();
        scene.cluster.wait_for_weight("192.168.11.21", 1);
        scene.cluster.wait_for_weight("192.168.11.22", 1);
        scene.end();
        assert_eq!(ours(scene.director()), left, "on_exit: {on_exit}");
        assert_eq!(foreign(scene.director()), scene.foreign);
    }
}

#[test]
fn removes_real_servers_that_left_the_configuration_while_no_agent_ran() {
    let mut scene = Scene::new();
    scene.end();
    scene
        .cluster
        .site
        .write_configuration(&QUICK.replace("192.168.11.200:80", "192.168.11.201:80"));
    scene.agent = scene.cluster.direct();
    let table = ipvsadm_save(scene.director());
    assert!(
        !table.contains("192.168.11.200:80") && table.contains("192.168.11.201:80"),
        "{table}"
    );
    let addresses = scene.director().run("ip -o address");
    assert!(!addresses.contains("192.168.11.200") && addresses.contains("192.168.11.201/32"));
    assert_eq!(foreign(scene.director()), scene.foreign);
}

#[test]
fn flushed_table_is_logged_in_one_line() {
    let mut configuration = String::from(
        "
http: { listen: 127.0.0.1:9477 }
director: { resync_interval: 5s }
virtual_services:
",
    );
    for service in 1..=60 {
        let _ = write!(
            configuration,
            "  - name: web{service}
    address: 192.168.12.{service}:80
    check: {{ exec: {{ command: [/bin/true] }}, interval: 1m }}
    real_servers:
      - {{ name: rs1, address: 192.168.11.21 }}
      - {{ name: rs2, address: 192.168.11.22 }}
"
        );
    }
    let lan = Lan::new();
    let director = &lan.director;
    let site = Site::new(&configuration);
    let agent = site.start(director, &[]);
    let whole = || {
        until(PATIENCE, "60 services with 120 real servers", || {
            let table = ipvsadm_save(director);
            match table.matches("192.168.12.").count() {
                180 => Ok(()),
                _ => Err(table),
            }
        });
    };
    whole();
    let before = agent.output().len();
    director.run("ipvsadm -C");
    whole();
    let output = agent.output();
    let drift: Vec<_> = output[before..]
        .lines()
        .filter(|line| line.contains("drift"))
        .collect();
    // A look may come while `ipvsadm` is at work.
    assert!((1..=2).contains(&drift.len()), "{drift:#?}");
    assert!(
        drift.iter().any(|line| line.contains("number=")),
        "{drift:#?}"
    );
}
