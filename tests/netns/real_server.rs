//! What the agent of a real server puts in place, says of it, and keeps there.

use serde_json::json;

use crate::support::{Lan, Namespace, Site, until};
use crate::witness::{
    BEFORE, DEADLINE, OURS, VIP_ON_LO, addresses, assert_sysctls, configuration, drift, finish,
    metric, page, set_sysctls, start, status, sysctls, wait_for_vip,
};

const VIP_CONFIGURED: &str = r#"lvs_vip_configured{vip="192.168.11.200",interface="lo"}"#;

#[test]
fn a_real_server_is_as_in_the_how_to() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let before = addresses(&lan.rs1, "lo");
    let agent = start(&site, &lan.rs1);

    let with_vip: Vec<_> = [
        "inet 127.0.0.1/8 scope host lo",
        VIP_ON_LO,
        "inet6 ::1/128 scope host",
    ]
    .map(str::to_owned)
    .into();
    let without: Vec<_> = with_vip
        .iter()
        .filter(|line| *line != VIP_ON_LO)
        .cloned()
        .collect();
    assert_eq!(before, without);
    assert_eq!(addresses(&lan.rs1, "lo"), with_vip);
    assert_sysctls(&lan.rs1, OURS);

    let log = agent.output();
    for ((key, from), (_, to)) in BEFORE.into_iter().zip(OURS) {
        let line = format!("~ sysctl {key}: {from} -> {to}");
        assert!(log.contains(&line), "no {line:?} in:\n{log}");
    }
    assert!(log.contains("+ address 192.168.11.200/32 on lo"), "{log}");
}

#[test]
fn status_and_metrics_say_what_a_real_server_holds() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let _agent = start(&site, &lan.rs1);

    let shown = status(&lan.rs1);
    assert_eq!(shown["mode"], "real_server");
    assert_eq!(
        shown["vips"],
        json!([{ "address": "192.168.11.200", "interface": "lo", "configured": true }])
    );
    let want = OURS.map(|(key, value)| json!({ "key": key, "want": value, "have": value }));
    assert_eq!(shown["sysctls"], json!(want));
    assert_eq!(shown["reconcile"]["error"], json!(null));
    assert!(shown["reconcile"]["last_success"].is_string(), "{shown}");

    let mut json = site.command("status");
    json.arg("--json");
    let json = finish(&lan.rs1, json);
    assert_eq!(json.code, Some(0), "{json:?}");
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["vips"], shown["vips"]);
    assert_eq!(json["sysctls"], shown["sysctls"]);

    let text = finish(&lan.rs1, site.command("status"));
    assert_eq!(text.code, Some(0), "{text:?}");
    for expected in ["192.168.11.200", "net.ipv4.conf.all.arp_ignore"] {
        assert!(text.stdout.contains(expected), "{}", text.stdout);
    }

    assert_eq!(metric(&lan.rs1, VIP_CONFIGURED), Some(1));
    for (key, _) in OURS {
        let series = format!("lvs_sysctl_ok{{key=\"{key}\"}}");
        assert_eq!(metric(&lan.rs1, &series), Some(1), "{series}");
    }
    let info = format!(
        r#"lvs_agent_info{{version="{}",mode="real_server",table="kernel",dry_run="false"}}"#,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        metric(&lan.rs1, &info),
        Some(1),
        "{}",
        page(&lan.rs1, "/metrics")
    );
    for kind in ["address_missing", "sysctl_changed"] {
        assert_eq!(drift(&lan.rs1, kind), 0, "{kind}");
    }
}

#[test]
fn vip_deleted_by_another_program_is_restored_and_counted() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    for times in 1..=2 {
        lan.rs1.run("ip address del 192.168.11.200/32 dev lo");
        wait_for_vip(&lan.rs1);
        until_drift(&lan.rs1, "address_missing", times);
    }
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("drift, repaired: + address 192.168.11.200/32 on lo")
    });
    assert_eq!(drift(&lan.rs1, "sysctl_changed"), 0);
    assert_eq!(metric(&lan.rs1, VIP_CONFIGURED), Some(1));
}

#[test]
fn every_sysctl_changed_by_another_program_is_restored_and_counted() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let _agent = start(&site, &lan.rs1);
    for (times, (key, _)) in (1..).zip(OURS) {
        set_sysctls(&lan.rs1, [(key, "0")]);
        until_ours(&lan.rs1);
        until_drift(&lan.rs1, "sysctl_changed", times);
    }
    set_sysctls(&lan.rs1, OURS.map(|(key, _)| (key, "0")));
    until_ours(&lan.rs1);
    // All five at once may be seen in two looks, but each is counted once.
    until_drift(&lan.rs1, "sysctl_changed", 10);
    assert_eq!(drift(&lan.rs1, "address_missing"), 0);
}

#[test]
fn a_host_that_no_service_lists_waits_until_it_is_listed() {
    let lan = Lan::new();
    set_sysctls(&lan.client, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = site.run(&lan.client, &["--real-server"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("real server: no VIP"));
    assert!(
        agent
            .output()
            .contains("no virtual service lists an address of this host"),
        "{}",
        agent.output()
    );
    assert_sysctls(&lan.client, BEFORE);
    assert_eq!(status(&lan.client)["vips"], json!([]));

    lan.client.run("ip address add 192.168.11.22/24 dev eth0");
    wait_for_vip(&lan.client);
    assert_sysctls(&lan.client, OURS);
    until(DEADLINE, "VIP in the metrics", || {
        match metric(&lan.client, VIP_CONFIGURED) {
            Some(1) => Ok(()),
            other => Err(other),
        }
    });
    assert_eq!(drift(&lan.client, "address_missing"), 0);
    assert_eq!(drift(&lan.client, "sysctl_changed"), 0);
}

fn until_ours(host: &Namespace) {
    until(DEADLINE, "agent's sysctls", || {
        let seen = sysctls(host);
        let ours = seen
            .iter()
            .zip(OURS)
            .all(|((_, value), (_, ours))| value == ours);
        if ours { Ok(()) } else { Err(seen) }
    });
}

fn until_drift(host: &Namespace, kind: &str, count: u64) {
    until(DEADLINE, "such count of drift", || {
        let seen = drift(host, kind);
        assert!(seen <= count, "{kind}: {seen}");
        if seen >= count { Ok(()) } else { Err(seen) }
    });
}
