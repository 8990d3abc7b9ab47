//! What a real server says of its own end, with each cause really made and
//! fixed by the command that `doctor` names.

use std::net::{TcpListener, UdpSocket};

use serde_json::Value;

use crate::support::{Lan, Namespace, PATIENCE, Site, Web, until};
use crate::witness::{OURS, finish, metric, set_sysctls, start, status};

/// The agent looks every second, and the sysctls are not its own to repair.
const CONFIGURATION: &str = "
real_server: { resync_interval: 1day, sysctls: {} }
virtual_services:
  - name: web
    address: 192.168.11.200:80
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
";

const SERIES: &str = r#"{vip="192.168.11.200",port="80",protocol="tcp"}"#;

/// Waits until the first service has these reasons.
fn wait_for(host: &Namespace, reasons: &[&str]) -> Value {
    until(PATIENCE, "such reasons", || {
        let shown = status(host);
        let service = shown["readiness"]["services"][0].clone();
        let same = service["reasons"] == serde_json::json!(reasons);
        let ready = service["ready"] == serde_json::json!(reasons.is_empty());
        if same && ready {
            Ok(service)
        } else {
            Err(shown)
        }
    })
}

fn of_web(host: &Namespace, name: &str) -> Option<u64> {
    metric(host, &format!("lvs_real_server_{name}{SERIES}"))
}

/// What `doctor --real-server --json` finds to be no good, as
/// `CHECK SUBJECT`, and the fixes of it.
fn diagnosed(site: &Site, host: &Namespace) -> (Option<i32>, Vec<String>, Vec<String>) {
    let mut command = site.command("doctor");
    command.args(["--real-server", "--json"]);
    let ended = finish(host, command);
    let findings: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let findings = findings.as_array().unwrap();
    let bad = findings.iter().filter(|f| f["verdict"] != "ok");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (names, fixes) = bad
        .map(|f| {
            (
                format!("{} {}", text(&f["check"]), text(&f["subject"])),
                text(&f["fix"]),
            )
        })
        .unzip();
    (ended.code, names, fixes)
}

#[test]
fn each_issue_is_reported_until_its_fix() {
    let lan = Lan::new();
    let host = &lan.rs1;
    let site = Site::new(CONFIGURATION);
    let web = Web::start(host, "rs1");
    set_sysctls(host, OURS);
    let _agent = start(&site, host);
    let service = wait_for(host, &[]);
    assert_eq!(service["name"], "web");
    assert_eq!(service["address"], "192.168.11.200:80");
    for field in ["vip_configured", "listening", "self_test"] {
        assert_eq!(service[field], true, "{service}");
    }
    for name in ["ready", "listening", "self_test"] {
        assert_eq!(of_web(host, name), Some(1), "{name}");
    }
    let arp = r#"lvs_arp_sysctl{interface="eth0",key="arp_announce"}"#;
    assert_eq!(metric(host, arp), Some(2));
    assert_eq!(diagnosed(&site, host), (Some(0), vec![], vec![]));

    let other = host.keep_removing("192.168.11.200/32", "lo");
    wait_for(
        host,
        &["the VIP 192.168.11.200 is on no interface, and belongs on lo"],
    );
    assert_eq!(of_web(host, "ready"), Some(0));
    // Now and then the agent has put it back, for a moment.
    until(PATIENCE, "finding of the VIP", || {
        let (code, names, _) = diagnosed(&site, host);
        if code == Some(3) && names.contains(&"vip 192.168.11.200".to_owned()) {
            Ok(())
        } else {
            Err(names)
        }
    });
    drop(other);
    wait_for(host, &[]);

    for (cause, reason, check) in [
        (
            // Those of lo, which the how-to sets, stay: they do nothing.
            "sysctl -q -w net.ipv4.conf.all.arp_ignore=0",
            "arp_ignore is 0 on eth0: this host answers ARP for the VIP",
            "arp eth0",
        ),
        (
            "sysctl -q -w net.ipv4.conf.eth0.arp_ignore=3",
            "arp_ignore is 3 on eth0: this host answers ARP for the VIP",
            "arp eth0",
        ),
        (
            "sysctl -q -w net.ipv4.conf.all.arp_announce=1",
            "arp_announce is 1 on eth0: this host announces the VIP as its own",
            "arp eth0",
        ),
        (
            "ip address add 192.168.11.200/32 dev eth0",
            "the VIP 192.168.11.200 is on eth0, which answers for it",
            "vip 192.168.11.200",
        ),
    ] {
        host.run(cause);
        wait_for(host, &[reason]);
        assert_eq!(of_web(host, "ready"), Some(0), "{cause}");
        let (code, names, fixes) = diagnosed(&site, host);
        assert_eq!(code, Some(3), "{cause}");
        // A changed sysctl of the configuration is a warning of its own.
        let place = names.iter().position(|name| name == check);
        let place = place.unwrap_or_else(|| panic!("{cause}: {names:?}"));
        host.run(&fixes[place]);
        wait_for(host, &[]);
        assert_eq!(of_web(host, "ready"), Some(1), "{cause}");
        assert_eq!(diagnosed(&site, host), (Some(0), vec![], vec![]), "{cause}");
    }

    drop(web);
    wait_for(host, &["nothing listens on tcp 192.168.11.200:80"]);
    assert_eq!(of_web(host, "listening"), Some(0));
    assert_eq!(of_web(host, "self_test"), None);
    // A child of another test may hold the socket for a moment longer.
    let _of_rip = until(PATIENCE, "free port 80", || {
        host.enter(|| TcpListener::bind("192.168.11.21:80"))
    });
    let reason = "nothing listens on tcp 192.168.11.200:80, only on 192.168.11.21:80";
    wait_for(host, &[reason]);
    let (code, names, _) = diagnosed(&site, host);
    let expected = "listening web (tcp 192.168.11.200:80)".to_owned();
    assert_eq!((code, names), (Some(3), vec![expected]));
    let _of_vip = host
        .enter(|| TcpListener::bind("192.168.11.200:80"))
        .unwrap();
    wait_for(host, &[]);
}

#[test]
fn a_connection_from_the_host_itself_is_tried() {
    let lan = Lan::new();
    let host = &lan.rs1;
    let site = Site::new(&CONFIGURATION.replace("1day", "1s"));
    let _web = Web::start(host, "rs1");
    set_sysctls(host, OURS);
    let _agent = start(&site, host);
    wait_for(host, &[]);
    // Routing refuses what goes to the VIP, before the table `local` is asked.
    for line in [
        "ip rule add priority 10 lookup local",
        "ip rule add priority 5 to 192.168.11.200 prohibit",
        "ip rule del priority 0",
    ] {
        host.run(line);
    }
    let service = until(PATIENCE, "failure of the connection", || {
        let shown = status(host);
        let service = shown["readiness"]["services"][0].clone();
        if service["self_test"] == false {
            Ok(service)
        } else {
            Err(shown)
        }
    });
    let reason = service["reasons"][0].as_str().unwrap();
    let expected = "a connection from this host to 192.168.11.200:80 failed: Permission denied";
    assert!(reason.starts_with(expected), "{reason}");
    assert_eq!(service["ready"], false);
    host.run("ip rule del priority 5");
    wait_for(host, &[]);
}

#[test]
fn udp_and_ipv6_are_looked_at_too() {
    let lan = Lan::new();
    let host = &lan.rs1;
    host.run("ip address add 2001:db8::21/64 dev eth0 nodad");
    let site = Site::new(
        "
real_server: { resync_interval: 1s }
virtual_services:
  - name: dns
    address: 192.168.11.200:53
    protocol: udp
    check: { ping: {} }
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
  - name: web6
    address: \"[2001:db8::200]:80\"
    real_servers: [{ name: rs1, address: \"2001:db8::21\" }]
",
    );
    let _agent = start(&site, host);
    let ready = |expected: [bool; 2]| {
        until(PATIENCE, "such readiness", || {
            let shown = status(host);
            let services = &shown["readiness"]["services"];
            let found = [0, 1].map(|place| services[place]["ready"] == true);
            if found == expected && services[1].is_object() {
                Ok(())
            } else {
                Err(shown)
            }
        });
    };
    ready([false, false]);
    let dns = host.enter(|| UdpSocket::bind("0.0.0.0:53")).unwrap();
    let web = host.enter(|| TcpListener::bind("[::]:80")).unwrap();
    ready([true, true]);
    drop(dns);
    ready([false, true]);
    drop(web);
    ready([false, false]);
}
