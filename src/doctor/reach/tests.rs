use std::sync::Arc;
use std::time::Duration;

use crate::config::{Check, CheckKind};
use crate::doctor::fixture::{config, facts, lines, running_agent};
use crate::model::{ProbeResult, Role};

use super::*;

fn probed(names: &[&str], via: Via, result: ProbeResult, detail: &str) -> Probed {
    Probed {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        target: "192.168.11.21:80".parse().unwrap(),
        via,
        origin: Origin::default(),
        outcome: outcome(result, detail),
        beside: None,
    }
}

fn outcome(result: ProbeResult, detail: &str) -> Outcome {
    Outcome {
        result,
        detail: detail.to_owned(),
        duration: Duration::from_micros(1250),
        advice: None,
        certificate_expiry: None,
        plain: None,
        vip: None,
        fix: None,
    }
}

#[test]
fn each_target_is_told_once_with_all_that_it_speaks_of() {
    let mut facts = facts(Role::Director);
    let probed = |result, detail| probed(&["web/rs1", "api/rs1"], Via::RealServer, result, detail);
    facts.probed = vec![
        probed(ProbeResult::Ok, "HTTP 200"),
        probed(ProbeResult::Refused, "connection refused"),
        probed(ProbeResult::Internal, "out of file descriptors"),
    ];
    assert_eq!(
        lines(&examine(&config(), &facts)),
        [
            "ok real_server web/rs1, api/rs1: HTTP 200, in 1.2 ms",
            "problem real_server web/rs1, api/rs1: connection refused | on 192.168.11.21: ss \
             -ltnup 'sport = :80'; lvs-agent doctor --real-server",
            "warning real_server web/rs1, api/rs1: it could not be probed: out of file \
             descriptors | LVS_AGENT_LOG=debug lvs-agent run --dry-run",
        ]
    );
}

#[test]
fn real_servers_that_are_not_checked_are_named() {
    let mut config = config();
    let web = &mut config.virtual_services[0];
    let unchecked = Check {
        kind: CheckKind::None,
        ..Check::clone(&web.check)
    };
    web.real_servers[1].check = Some(Arc::new(unchecked));
    assert_eq!(
        lines(&examine(&config, &facts(Role::Director))),
        ["ok real_server web/rs2: it is not checked (`check: none`), and counts as up"]
    );
}

#[test]
fn where_this_host_cannot_ask_from_is_named() {
    let mut facts = facts(Role::Director);
    let mut fix = |interface: Option<&str>, source: &str| {
        facts.probed = vec![Probed {
            origin: Origin {
                source: Some(source.parse().unwrap()),
                interface: interface.map(str::to_owned),
            },
            ..probed(
                &["web/rs1"],
                Via::RealServer,
                ProbeResult::Internal,
                "cannot probe from it",
            )
        }];
        let line = lines(&examine(&config(), &facts)).remove(0);
        let (reported, fix) = line.split_once(" | ").unwrap();
        let expected = "warning real_server web/rs1: it could not be probed: cannot probe from it";
        assert_eq!(reported, expected);
        fix.to_owned()
    };
    assert_eq!(
        fix(Some("eht0"), "192.168.11.10"),
        "see `ip -brief link`, and correct `check.interface`"
    );
    assert_eq!(
        fix(Some("eth0"), "192.168.11.99"),
        "see `ip -brief address`, and correct `check.source`"
    );
    assert_eq!(
        fix(Some("eth0"), "192.168.11.10"),
        "LVS_AGENT_LOG=debug lvs-agent run --dry-run"
    );
}

#[test]
fn finding_of_a_probe_through_the_vip_names_the_real_servers_own_address() {
    let mut facts = facts(Role::Director);
    let probed = |via, result, detail| probed(&["web/rs1"], via, result, detail);
    let (refused, detail) = (ProbeResult::Refused, "connection refused");
    facts.probed = vec![
        probed(Via::Both, ProbeResult::Ok, "HTTP 200"),
        probed(Via::Both, refused, detail),
        probed(Via::Vip, refused, detail),
    ];
    let fix = "on 192.168.11.21: lvs-agent doctor --real-server; from here: ping 192.168.11.21";
    let failed = |verdict: &str| {
        let fix = "on 192.168.11.21: ss -ltnup 'sport = :80'; lvs-agent doctor --real-server";
        format!("{verdict} real_server web/rs1: at its own address: {detail} | {fix}")
    };
    let passed = "ok real_server web/rs1: at its own address: HTTP 200, in 1.2 ms".to_owned();
    assert_eq!(
        lines(&examine(&config(), &facts)),
        [passed.clone(), failed("problem"), failed("warning")]
    );
    facts.agent = running_agent();
    let alone = format!(
        "ok real_server web/rs1: at its own address: {detail}; its check asks this through the VIP"
    );
    assert_eq!(
        lines(&examine(&config(), &facts)),
        [passed.clone(), failed("problem"), alone]
    );

    facts.probed = vec![Probed {
        beside: Some(outcome(ProbeResult::Status, "not ready: the VIP is gone")),
        ..probed(Via::Vip, ProbeResult::Ok, "HTTP 200")
    }];
    let expected = format!("problem real_server web/rs1: not ready: the VIP is gone | {fix}");
    assert_eq!(lines(&examine(&config(), &facts)), [passed, expected]);
}
