//! Facts of a director on which all is well, for tests that spoil one of them.

use super::*;
use crate::model::{Condition, ConditionType, Family, HostAddress, Interface, MarkRule, Severity};
use crate::status::document::{self, Filter};
use crate::status::fixture;

pub(super) const VIP: &str = "192.168.11.200";

pub(super) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn interface(index: u32, name: &str) -> Interface {
    Interface {
        index,
        name: name.to_owned(),
        up: true,
        loopback: name == "lo",
        no_arp: false,
        other_names: Vec::new(),
        enslaved: false,
        mtu: 1500,
        kind: None,
    }
}

pub(super) fn held(interface: &str, text: &str, prefix_length: u8) -> HostAddress {
    HostAddress {
        interface: interface.to_owned(),
        address: address(text),
        prefix_length,
        host_scope: false,
    }
}

fn only_the_first(mut config: Config) -> Config {
    config.virtual_services.truncate(1);
    config
}

/// The how-to's service alone.
pub(super) fn config() -> Config {
    only_the_first(fixture::config())
}

/// The same, asked through its VIP.
pub(super) fn config_through_vip() -> Config {
    only_the_first(fixture::config_through_vip())
}

/// A rule of routing that looks at a mark.
pub(super) fn mark_rule(family: Family, mark: u32, bits: u32) -> MarkRule {
    MarkRule {
        family,
        priority: 77,
        mark,
        mask: bits,
        table: 100,
    }
}

/// The status of a director's agent that is well.
pub(super) fn running_agent() -> RunningAgent {
    let status = document::json(&fixture::director(), &Filter::default()).unwrap();
    RunningAgent::Status(serde_json::from_slice(&status).unwrap())
}

/// A running agent whose state file cannot be written.
pub(super) fn agent_with_unsaved_state() -> RunningAgent {
    let director = fixture::director();
    director.conditions.raise(not_saved());
    let status = document::json(&director, &Filter::default()).unwrap();
    RunningAgent::Status(serde_json::from_slice(&status).unwrap())
}

/// The condition that the state file cannot be written.
pub(super) fn not_saved() -> Condition {
    Condition {
        kind: ConditionType::OwnershipNotSaved,
        subject: "/var/lib/lvs-agent/director.json".to_owned(),
        severity: Severity::Problem,
        message: "the disk is full".to_owned(),
        fix: "df -h /var/lib/lvs-agent".to_owned(),
        since: fixture::start(),
    }
}

pub(super) fn facts(role: Role) -> Facts {
    Facts {
        role,
        config_path: "/etc/lvs-agent/config.yaml".into(),
        permissions: Permissions {
            effective: u64::MAX,
            ping_group: true,
        },
        modules: Modules {
            loaded: ["ip_vs", "ip_vs_wlc"].map(str::to_owned).into(),
            ..Modules::default()
        },
        sysctls: BTreeMap::new(),
        host: HostFacts {
            interfaces: vec![interface(1, "lo"), interface(2, "eth0")],
            addresses: vec![held("eth0", VIP, 32), held("eth0", "192.168.11.10", 24)],
            ..HostFacts::default()
        },
        services: Vec::new(),
        claims: None,
        stale_neighbours: BTreeSet::new(),
        routes: BTreeMap::new(),
        rules: Vec::new(),
        table: None,
        runs_sync_daemon: false,
        owned: BTreeSet::new(),
        leaving: BTreeSet::new(),
        damaged: Vec::new(),
        vip_probes: None,
        probed: Vec::new(),
        agent: RunningAgent::None("nobody listens".to_owned()),
    }
}

/// One line for each finding: `verdict check subject: message | fix`.
pub(super) fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let Finding {
            check,
            subject,
            verdict,
            message,
            fix,
        } = finding;
        assert_eq!(
            *verdict == FindingSeverity::Ok,
            fix.is_none(),
            "{finding:?}"
        );
        let fix = fix
            .as_ref()
            .map_or(String::new(), |fix| format!(" | {fix}"));
        format!("{} {check} {subject}: {message}{fix}", verdict.as_str())
    };
    findings.iter().map(line).collect()
}

#[test]
fn the_configuration_comes_first_and_the_agent_last() {
    let findings = examine(&config(), &facts(Role::Director));
    let checks: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    assert_eq!(
        checks,
        [
            "configuration",
            "permission",
            "module",
            "module",
            "vip",
            "agent"
        ]
    );
}
