use expect_test::{Expect, expect};

use super::*;
use crate::model::Tunnel;

fn subject(
    service: &str,
    forwarding: Forwarding,
    real_server: &str,
    port: u16,
) -> DiagnosisSubject {
    DiagnosisSubject {
        service: service.parse().unwrap(),
        forwarding,
        real_server: real_server.parse().unwrap(),
        port,
    }
}

/// Every fix for one subject, a line each.
fn check(subject: DiagnosisSubject, expected: &Expect) {
    let line = |diagnosis: Diagnosis| {
        let fix = diagnosis.fix(subject);
        assert_eq!(fix.is_none(), diagnosis == Diagnosis::Ok, "{diagnosis}");
        Some(format!("{diagnosis}: {}\n", fix?))
    };
    let lines: String = Diagnosis::ALL.into_iter().filter_map(line).collect();
    // The one that is left is told by a command beside it.
    for placeholder in ["VIP/", ":0 ", ":0'"] {
        assert!(!lines.contains(placeholder), "{placeholder} in {lines}");
    }
    expected.assert_eq(&lines);
}

#[test]
fn each_fix_names_its_subject() {
    check(
        subject(
            "tcp 192.168.11.200:80",
            Forwarding::Direct,
            "192.168.11.21",
            8080,
        ),
        &expect![[r"
            application_down: on 192.168.11.21, see whether the service runs: `ss -ltnup 'sport = :8080'` and its log; if it does, what a firewall there drops: `nft list ruleset`
            vip_missing: on 192.168.11.21, `ip address add 192.168.11.200/32 dev lo` if it does not have the VIP; if it has, a firewall there drops packets to 192.168.11.200:8080 (`nft list ruleset`); `lvs-agent doctor --real-server` there tells which, as does a check of the kind `agent`
            not_listening_on_vip: on 192.168.11.21, let the server listen on 192.168.11.200:8080 or on all addresses; what listens now: `ss -ltnp 'sport = :8080'`
            path_filtered: let packets to 192.168.11.21, and there to 192.168.11.200:8080, pass: `nft list ruleset` on it, on this director and on what is between them
            arp_conflict: on 192.168.11.21, keep the VIP on lo alone: `ip -o address show to 192.168.11.200` shows where it is, `ip address del 192.168.11.200/32 dev INTERFACE` takes it off another, `ip address add 192.168.11.200/32 dev lo` puts it on lo; and keep it silent there: `sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2`, as `lvs-agent run --real-server` does
            unreachable: see whether 192.168.11.21 runs and is on the network: `ping -c 3 192.168.11.21` and `ip neighbour show to 192.168.11.21` on this director; beyond a router, a firewall that drops everything looks the same
            unverified: the last probe in `lvs-agent status` says what this director cannot do, and why
        "]],
    );
}

#[test]
fn fix_of_the_probe_replaces_a_less_precise_one() {
    let subject = subject(
        "tcp 192.168.11.200:80",
        Forwarding::Direct,
        "192.168.11.21",
        80,
    );
    let found = |diagnosis: Diagnosis, fix| {
        let fix = diagnosis
            .fix(subject)
            .unwrap()
            .with_probe_fix(Some(Arc::new(fix)));
        fix.to_string()
    };
    assert_eq!(
        found(
            Diagnosis::ApplicationDown,
            Fix::on_real_server("renew the certificate")
        ),
        "on 192.168.11.21, renew the certificate"
    );
    assert_eq!(
        found(Diagnosis::Unverified, Fix::on_director("raise the limit")),
        "on this director, raise the limit"
    );
    // Two ways that differ say more than one of them.
    for diagnosis in [Diagnosis::VipMissing, Diagnosis::ArpConflict] {
        let fix = found(diagnosis, Fix::on_director("raise the limit"));
        assert_eq!(fix, diagnosis.fix(subject).unwrap().to_string());
    }
}

#[test]
fn fixes_for_ipv6_use_its_commands() {
    check(
        subject(
            "tcp [2001:db8::200]:443",
            Forwarding::Tunnel(Tunnel::Ipip),
            "2001:db8::21",
            443,
        ),
        &expect![[r"
            application_down: on 2001:db8::21, see whether the service runs: `ss -ltnup 'sport = :443'` and its log; if it does, what a firewall there drops: `nft list ruleset`
            vip_missing: on 2001:db8::21, `ip address add 2001:db8::200/128 dev lo nodad` if it does not have the VIP; if it has, a firewall there drops packets to [2001:db8::200]:443 (`nft list ruleset`), or no tunnel interface unpacks them (`ip -d link`); `lvs-agent doctor --real-server` there tells which, as does a check of the kind `agent`
            not_listening_on_vip: on 2001:db8::21, let the server listen on [2001:db8::200]:443 or on all addresses; what listens now: `ss -ltnp 'sport = :443'`
            path_filtered: let packets to 2001:db8::21, and there to [2001:db8::200]:443, pass: `nft list ruleset` on it, on this director and on what is between them; or nobody unpacks the tunnel there: `lvs-agent doctor --real-server`
            arp_conflict: on 2001:db8::21, keep the VIP on lo alone: `ip -o address show to 2001:db8::200` shows where it is, `ip address del 2001:db8::200/128 dev INTERFACE` takes it off another, `ip address add 2001:db8::200/128 dev lo nodad` puts it on lo
            unreachable: see whether 2001:db8::21 runs and is on the network: `ping -c 3 2001:db8::21` and `ip neighbour show to 2001:db8::21` on this director; beyond a router, a firewall that drops everything looks the same
            unverified: the last probe in `lvs-agent status` says what this director cannot do, and why
        "]],
    );
}

#[test]
fn fixes_for_a_firewall_mark_name_no_vip() {
    check(
        subject("fwmark 10 ipv4", Forwarding::Direct, "192.168.11.21", 0),
        &expect![[r"
            application_down: on 192.168.11.21, see whether the service runs: `ss -ltnup` and its log; if it does, what a firewall there drops: `nft list ruleset`
            vip_missing: on 192.168.11.21, see with `lvs-agent doctor --real-server` whether its VIPs are on lo and let in
            not_listening_on_vip: on 192.168.11.21, let the server listen on all addresses: `ss -ltnp`
            path_filtered: let packets to 192.168.11.21 pass: `nft list ruleset` on it, on this director and on what is between them
            arp_conflict: on 192.168.11.21, `lvs-agent doctor --real-server`
            unreachable: see whether 192.168.11.21 runs and is on the network: `ping -c 3 192.168.11.21` and `ip neighbour show to 192.168.11.21` on this director; beyond a router, a firewall that drops everything looks the same
            unverified: the last probe in `lvs-agent status` says what this director cannot do, and why
        "]],
    );
}
