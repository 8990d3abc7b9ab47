//! All that IPVS can, with ipvsadm as the witness.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, QUICK, metric, shown};
use crate::support::{
    Behaviour, Lan, Namespace, PATIENCE, Process, Site, Web, http_get, ipvsadm_save, nginx,
    nginx_on, until,
};

const VIP_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 11, 200);

/// Waits for three full passes, and sees that none found anything to repair.
fn stays_for_three_resyncs(director: &Namespace) {
    let passes = || metric(director, "lvs_reconcile_duration_seconds_count");
    let before = passes();
    until(PATIENCE, "three resyncs", || {
        let now = passes();
        if now >= before + 3.0 {
            Ok(())
        } else {
            Err(now)
        }
    });
    let metrics = shown(director, "/metrics");
    let drift: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("lvs_drift_total{"))
        .collect();
    assert!(!drift.is_empty());
    assert!(drift.iter().all(|line| line.ends_with(" 0")), "{drift:#?}");
}

fn end(mut agent: Process) {
    agent.signal(Signal::SIGTERM);
    let ended = agent.wait(PATIENCE);
    assert_eq!(ended.code(), Some(0), "{}", agent.output());
}

const RICH: &str = r#"
http: { listen: 127.0.0.1:9477 }
director: { resync_interval: 1s }
virtual_services:
  - name: web
    addresses: [192.168.11.200:80, 192.168.11.200:443]
    scheduler: mh
    scheduler_flags: [fallback, port]
    persistence: { timeout: 10m, netmask: 24 }
    real_servers:
      - { name: rs, address: 192.168.11.21-23, upper_threshold: 100, lower_threshold: 80 }
      - { name: last, address: 192.168.11.60 }
  - name: six
    address: "[2001:db8::200]:80"
    scheduler: sh
    scheduler_flags: [port]
    persistence: { netmask: 64 }
    real_servers:
      - { name: rs, address: "[2001:db8::2f-2001:db8::30]" }
  - name: gue
    address: 192.168.11.201:80
    forwarding: tunnel
    tunnel: { type: gue, port: 6080, checksum: sum }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: "2001:db8::22" }
  - name: remote
    address: 192.168.11.202:80
    forwarding: tunnel
    tunnel: { type: gue, port: 6081, checksum: remote }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
  - name: gre
    address: 192.168.11.203:80
    forwarding: tunnel
    tunnel: { type: gre, checksum: sum }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
  - name: plain-gre
    address: 192.168.11.204:80
    forwarding: tunnel
    tunnel: { type: gre }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
  - name: ipip
    address: 192.168.11.205:80
    forwarding: tunnel
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
  - name: marked
    fwmark: 7
    family: ipv4
    one_packet: true
    scheduler: rr
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
  - name: diameter
    address: 192.168.11.200:3868
    protocol: sctp
    check: { tcp: {} }
    forwarding: masquerade
    real_servers:
      - { name: rs1, address: 192.168.11.21, port: 3869 }
  - name: dns
    address: 192.168.11.200:53
    protocol: udp
    check: { tcp: {} }
    one_packet: true
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
  - name: sip
    address: 192.168.11.200:5060
    protocol: udp
    check: { tcp: {} }
    persistence: { timeout: 90s, engine: sip }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
"#;

/// The same by hand; the weights are those of servers without a verdict.
const RICH_BY_HAND: &str = "
-A -t 192.168.11.200:80 -s mh -p 600 -M 255.255.255.0 -b mh-fallback,mh-port
-a -t 192.168.11.200:80 -r 192.168.11.21 -g -w 0 -x 100 -y 80
-a -t 192.168.11.200:80 -r 192.168.11.22 -g -w 0 -x 100 -y 80
-a -t 192.168.11.200:80 -r 192.168.11.23 -g -w 0 -x 100 -y 80
-a -t 192.168.11.200:80 -r 192.168.11.60 -g -w 0
-A -t 192.168.11.200:443 -s mh -p 600 -M 255.255.255.0 -b mh-fallback,mh-port
-a -t 192.168.11.200:443 -r 192.168.11.21 -g -w 0 -x 100 -y 80
-a -t 192.168.11.200:443 -r 192.168.11.22 -g -w 0 -x 100 -y 80
-a -t 192.168.11.200:443 -r 192.168.11.23 -g -w 0 -x 100 -y 80
-a -t 192.168.11.200:443 -r 192.168.11.60 -g -w 0
-A -t [2001:db8::200]:80 -s sh -p 300 -M 64 -b sh-port
-a -t [2001:db8::200]:80 -r [2001:db8::2f]:80 -g -w 0
-a -t [2001:db8::200]:80 -r [2001:db8::30]:80 -g -w 0
-A -t 192.168.11.201:80 -s wlc
-a -t 192.168.11.201:80 -r 192.168.11.21 -i --tun-type gue --tun-port 6080 --tun-csum -w 0
-a -t 192.168.11.201:80 -r [2001:db8::22]:80 -i --tun-type gue --tun-port 6080 --tun-csum -w 0
-A -t 192.168.11.202:80 -s wlc
-a -t 192.168.11.202:80 -r 192.168.11.21 -i --tun-type gue --tun-port 6081 --tun-remcsum -w 0
-A -t 192.168.11.203:80 -s wlc
-a -t 192.168.11.203:80 -r 192.168.11.21 -i --tun-type gre --tun-csum -w 0
-A -t 192.168.11.204:80 -s wlc
-a -t 192.168.11.204:80 -r 192.168.11.21 -i --tun-type gre --tun-nocsum -w 0
-A -t 192.168.11.205:80 -s wlc
-a -t 192.168.11.205:80 -r 192.168.11.21 -i -w 0
-A -f 7 -s rr -o
-a -f 7 -r 192.168.11.21 -g -w 0
-A --sctp-service 192.168.11.200:3868 -s wlc
-a --sctp-service 192.168.11.200:3868 -r 192.168.11.21:3869 -m -w 0
-A -u 192.168.11.200:53 -s wlc -o
-a -u 192.168.11.200:53 -r 192.168.11.21 -g -w 0
-A -u 192.168.11.200:5060 -s wlc -p 90 --pe sip
-a -u 192.168.11.200:5060 -r 192.168.11.21 -g -w 0
";

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_rich_table_is_what_ipvsadm_makes_of_it() {
    let lan = Lan::new();
    let by_hand = &lan.client;
    for line in RICH_BY_HAND.lines().filter(|line| !line.is_empty()) {
        by_hand.run(&format!("ipvsadm {line}"));
    }
    let site = Site::new(RICH);
    let agent = site.start(&lan.director, &[]);
    let same = |agent: &Process| {
        let found = ipvsadm_save(&lan.director);
        let wanted = ipvsadm_save(by_hand);
        assert_eq!(sorted(&found), sorted(&wanted), "{}", agent.output());
        let thresholds = "ipvsadm -Ln --thresholds";
        let (found, wanted) = (lan.director.run(thresholds), by_hand.run(thresholds));
        assert!(wanted.contains("100"), "{wanted}");
        assert_eq!(sorted(&found), sorted(&wanted));
    };
    same(&agent);
    stays_for_three_resyncs(&lan.director);
    same(&agent);
}

#[test]
fn every_scheduler_of_the_kernel_is_accepted_and_stays() {
    let lan = Lan::new();
    let mut schedulers = vec![
        "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh",
    ];
    let mut modprobe = Command::new("modprobe");
    modprobe.args(["-n", "-q", "ip_vs_twos"]);
    if lan.director.output(modprobe).status.success() {
        schedulers.push("twos");
    }
    let mut text = String::from(
        "http: { listen: 127.0.0.1:9477 }\ndirector: { resync_interval: 1s }\nvirtual_services:\n",
    );
    let mut wanted = String::new();
    for (port, scheduler) in (8000..).zip(&schedulers) {
        let _ = writeln!(
            text,
            "  - {{ name: {scheduler}, address: \"192.168.11.200:{port}\", scheduler: {scheduler}, \
             real_servers: [ {{ name: rs1, address: 192.168.11.21 }} ] }}"
        );
        let _ = writeln!(wanted, "-A -t 192.168.11.200:{port} -s {scheduler}");
    }
    let site = Site::new(&text);
    let _agent = site.start(&lan.director, &[]);
    let services = || {
        let table = ipvsadm_save(&lan.director);
        let lines = table.lines().filter(|line| line.starts_with("-A"));
        lines.flat_map(|line| [line, "\n"]).collect::<String>()
    };
    assert_eq!(services(), wanted);
    stays_for_three_resyncs(&lan.director);
    assert_eq!(services(), wanted);
}

#[test]
fn time_outs_and_sysctls_are_set_watched_and_restored() {
    const TEMPLATE: &str = "net.ipv4.vs.expire_quiescent_template";
    const NODEST: &str = "net.ipv4.vs.expire_nodest_conn";
    let lan = Lan::new();
    let director = &lan.director;
    director.run("ipvsadm --set 800 110 290");
    let timeouts = || director.run("ipvsadm -Ln --timeout").trim_end().to_owned();
    let sysctl = |key| director.run(&format!("sysctl -n {key}")).trim().to_owned();
    assert_eq!(timeouts(), "Timeout (tcp tcpfin udp): 800 110 290");
    assert_eq!([sysctl(TEMPLATE), sysctl(NODEST)], ["0", "0"]);

    let role = "director: { resync_interval: 1s, timeouts: { tcp: 10m, udp: 1m }, \
                sysctls: { net.ipv4.vs.sloppy_tcp: 1 } }";
    let site =
        Site::new(&QUICK.replace("director: { interface: eth0, resync_interval: 1s }", role));
    let agent = site.start(director, &[]);
    let set = "Timeout (tcp tcpfin udp): 600 110 60";
    assert_eq!(timeouts(), set);
    let values = || {
        [
            sysctl(TEMPLATE),
            sysctl(NODEST),
            sysctl("net.ipv4.vs.sloppy_tcp"),
        ]
    };
    assert_eq!(values(), ["1", "1", "1"]);
    stays_for_three_resyncs(director);

    director.run("ipvsadm --set 5 0 0");
    director.run(&format!("sysctl -q -w {NODEST}=0"));
    until(PATIENCE, "repair of both", || {
        let found = (timeouts(), sysctl(NODEST));
        if found == (set.to_owned(), "1".to_owned()) {
            Ok(())
        } else {
            Err(found)
        }
    });
    for kind in ["timeout_changed", "sysctl_changed"] {
        let series = format!("lvs_drift_total{{kind=\"{kind}\"}}");
        until(PATIENCE, &series, || {
            let count = metric(director, &series);
            if count > 0.5 { Ok(()) } else { Err(count) }
        });
    }
    let ok = format!("lvs_sysctl_ok{{key=\"{NODEST}\"}}");
    assert!(metric(director, &ok) > 0.5);
    end(agent);
    assert_eq!(timeouts(), set, "on_exit: keep");

    director.run("sysctl -q -w net.ipv4.vs.sloppy_tcp=0");
    let (code, printed) = site.finish(director, &["cleanup"]);
    assert_eq!(code, 0, "{printed}");
    assert_eq!(timeouts(), "Timeout (tcp tcpfin udp): 800 110 290");
    assert_eq!(values(), ["0", "0", "0"]);
}

#[test]
fn the_client_of_a_dead_server_is_moved_at_its_next_connection() {
    let persistent = QUICK.replace(
        "    check:",
        "    persistence: { timeout: 10m }\n    check:",
    );
    let cluster = Cluster::new(&persistent);
    let webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    let _agent = cluster.direct();
    let addresses = ["192.168.11.21", "192.168.11.22"];
    for address in addresses {
        cluster.wait_for_weight(address, 1);
    }
    let first = cluster.request().unwrap();
    for _ in 0..5 {
        assert_eq!(cluster.request().unwrap(), first, "it is kept");
    }
    let (dead, other) = if first == "rs1" {
        (0, "rs2")
    } else {
        (1, "rs1")
    };
    webs[dead].behave(Behaviour::Unavailable);
    cluster.wait_for_weight(addresses[dead], 0);
    assert_eq!(cluster.request().unwrap(), other);
}

#[test]
fn a_service_of_every_port_gives_a_client_one_real_server_for_all_of_them() {
    let every_port = QUICK.replace(
        "192.168.11.200:80\n",
        "192.168.11.200:*\n    persistence: { timeout: 5m }\n",
    );
    let cluster = Cluster::new(&every_port);
    let Lan {
        client,
        director,
        rs1,
        rs2,
        ..
    } = &cluster.lan;
    let mut servers = [(rs1, "rs1"), (rs2, "rs2")].map(|(host, page)| {
        let other = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080));
        [nginx(host, page), nginx_on(host, page, other)]
    });
    let _agent = cluster.direct();
    let wait_for = |line: &str| {
        until(PATIENCE, line, || {
            let table = ipvsadm_save(director);
            let found = table.lines().any(|found| found.trim_end() == line);
            if found { Ok(()) } else { Err(table) }
        });
    };
    wait_for("-A -t 192.168.11.200:0 -s wlc -p 300");
    for address in ["192.168.11.21", "192.168.11.22"] {
        wait_for(&format!("-a -t 192.168.11.200:0 -r {address}:0 -g -w 1"));
    }
    let ask = |port: u16| http_get(client, (VIP_ADDRESS, port).into(), PATIENCE).unwrap();
    let first = ask(80);
    for port in [8080, 80, 8080, 80, 8080, 80] {
        assert_eq!(ask(port), first, "port {port}");
    }
    stays_for_three_resyncs(director);

    let (dead, address, other) = match &*first {
        "rs1" => (0, "192.168.11.21", "rs2"),
        _ => (1, "192.168.11.22", "rs1"),
    };
    let [web, _] = &mut servers[dead];
    web.signal(Signal::SIGTERM);
    web.wait(PATIENCE);
    wait_for(&format!("-a -t 192.168.11.200:0 -r {address}:0 -g -w 0"));
    for port in [8080, 80] {
        assert_eq!(ask(port), other, "port {port}");
    }
}

#[test]
fn the_directors_own_address_as_a_real_server_is_no_drift() {
    let own = QUICK.replace(
        "{ name: rs2, address: 192.168.11.22 }",
        "{ name: own, address: 192.168.11.10 }",
    );
    let cluster = Cluster::new(&own);
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.director, "director"),
    ];
    let _agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    until(PATIENCE, "weight of the director itself", || {
        let table = ipvsadm_save(&cluster.lan.director);
        let mut lines = table.lines();
        lines
            .any(|line| line.contains("-r 192.168.11.10:80") && line.ends_with("-w 1"))
            .then_some(())
            .ok_or(table)
    });
    stays_for_three_resyncs(&cluster.lan.director);
    for page in ["rs1", "director"] {
        until(PATIENCE, page, || match cluster.request() {
            Ok(found) if found == page => Ok(()),
            found => Err(found.map_err(|error| error.to_string())),
        });
    }
}
