use serde_json::{Value, json};

use crate::doctor::fixture::{config, facts, lines};
use crate::doctor::vip_probe_facts::VipProbeFacts;
use crate::reconcile::StateFile;
use crate::runtime::stored_file::IfDamaged;
use crate::status::ArpRecord;
use crate::status::document::{self, Filter};
use crate::status::fixture;

use super::*;

fn findings(role: Role, status: Value) -> Vec<String> {
    let mut facts = facts(role);
    facts.agent = RunningAgent::Status(serde_json::from_value(status).unwrap());
    lines(&examine(&config(), &facts))
}

/// What a director says of itself.
fn director() -> Value {
    serde_json::from_slice(&document::json(&fixture::director(), &Filter::default()).unwrap())
        .unwrap()
}

#[test]
fn reports_agent_that_is_healthy_or_not_running() {
    let expected = format!(
        "ok agent process: version {} runs",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        findings(Role::Director, director()),
        [
            &expected,
            "ok diagnosis web/rs1: ok",
            "problem diagnosis web/rs2: application_down: connection refused | on 192.168.11.22, \
             see whether the service runs: `ss -ltnup 'sport = :80'` and its log; if it does, what a firewall there drops: `nft list ruleset`",
        ]
    );
    let real_server = document::json(&fixture::real_server(), &Filter::default()).unwrap();
    let real_server = serde_json::from_slice(&real_server).unwrap();
    assert_eq!(findings(Role::RealServer, real_server), [expected]);
    assert_eq!(
        lines(&examine(&config(), &facts(Role::Director))),
        ["warning agent process: nobody listens | systemctl start lvs-agent-director"]
    );
    let mut elsewhere = config();
    elsewhere.director.interface = Some("eht0".to_owned());
    assert_eq!(
        lines(&examine(&elsewhere, &facts(Role::Director))),
        [
            "warning agent process: nobody listens | see `ip -brief link`, and correct \
             `director.interface`; then systemctl start lvs-agent-director"
        ]
    );
    assert_eq!(
        lines(&examine(&elsewhere, &facts(Role::RealServer))),
        ["warning agent process: nobody listens | systemctl start lvs-agent-real-server"]
    );
    assert_eq!(
        findings(Role::RealServer, director()),
        ["warning agent process: the agent that runs here is a director | lvs-agent doctor"]
    );
}

#[test]
fn conditions_of_the_agent_are_findings() {
    let mut status = director();
    let condition = |kind: &str, severity: &str| {
        json!({
            "type": kind, "subject": "it", "severity": severity, "message": "no room",
            "fix": "make room", "since": "2026-01-02T03:04:05Z",
        })
    };
    status["conditions"] = json!([
        condition("ownership_not_saved", "problem"),
        condition("certificate_ending", "warning"),
        condition("real_server_down", "problem"),
        condition("vip_missing", "problem"),
        condition("of_a_later_version", "problem"),
    ]);
    status["weights_frozen"] = json!(["link"]);
    status["virtual_services"][0]["real_servers"][0]["diagnosis"] = json!("ok");
    let rs2 = &mut status["virtual_services"][0]["real_servers"][1];
    rs2["diagnosis"] = json!("vip_missing");
    rs2["fix"] = json!("on 192.168.11.22, add it");
    assert_eq!(
        findings(Role::Director, status.clone())[1..],
        [
            "problem condition ownership_not_saved it: no room | make room",
            "warning condition certificate_ending it: no room | make room",
            "problem condition real_server_down it: no room | make room",
            "problem condition of_a_later_version it: no room | make room",
            "warning diagnosis real servers: 1 real server seems to fail, which says nothing of it \
             while all weights are frozen | end what freezes the weights first, then lvs-agent \
             doctor",
        ]
    );
    status["weights_frozen"] = json!([]);
    assert_eq!(
        findings(Role::Director, status)[4..],
        [
            "ok diagnosis web/rs1: ok",
            "problem diagnosis web/rs2: vip_missing: connection refused | on 192.168.11.22, add it",
        ]
    );
}

#[test]
fn a_key_that_is_fixed_while_the_agent_runs_takes_a_restart() {
    let mut status = director();
    let error = crate::agent::ReloadError::Fixed("state_dir").to_string();
    status["config"]["last_reload"]["error"] = json!(error);
    status["config"]["sha256"] = json!("another");
    let found = findings(Role::Director, status).join("\n");
    let restart = " | lvs-agent check-config && systemctl restart lvs-agent-director";
    assert_eq!(found.matches(restart).count(), 1, "{found}");
    assert!(!found.contains("lvs-agent reload"), "{found}");
}

#[test]
fn proposed_commands_name_a_configuration_that_is_elsewhere() {
    let mut status = director();
    status["config"]["path"] = json!("/srv/my lvs.yaml");
    status["config"]["sha256"] = json!("another");
    let mut facts = facts(Role::Director);
    facts.config_path = "/srv/my lvs.yaml".into();
    facts.agent = RunningAgent::Status(serde_json::from_value(status).unwrap());
    let found = lines(&examine(&config(), &facts)).join("\n");
    let again = " | lvs-agent check-config --config '/srv/my lvs.yaml' && lvs-agent reload \
                 --config '/srv/my lvs.yaml'";
    assert!(found.contains(again), "{found}");
}

#[test]
fn wrong_clock_hides_no_real_server() {
    let mut status = director();
    status["weights_frozen"] = json!(["clock"]);
    let found = findings(Role::Director, status);
    let expected = "problem diagnosis web/rs2: application_down: ";
    assert!(
        found.iter().any(|line| line.starts_with(expected)),
        "{found:?}"
    );
}

#[test]
fn clients_that_a_scheduler_refuses_are_told_of() {
    let mut status = director();
    status["virtual_services"][0]["refused_clients_of"] = json!(["rs1", "rs2"]);
    assert_eq!(
        findings(Role::Director, status)[1],
        "warning diagnosis web: the scheduler refuses the clients of rs1, rs2, as its weight is 0 \
         | write `scheduler_flags: [fallback]` for it, then: lvs-agent reload"
    );
}

#[test]
fn fact_that_cannot_be_found_out_is_a_warning_with_its_reason() {
    let mut status = director();
    let rs2 = &mut status["virtual_services"][0]["real_servers"][1];
    rs2["diagnosis"] = json!("unverified");
    rs2["last_probe"]["detail"] = json!("through the VIP: this host drops the answers");
    // As an agent of another version may.
    rs2.as_object_mut().unwrap().remove("fix");
    let agent = status.as_object_mut().unwrap();
    agent.remove("reconcile");
    agent.remove("conditions");
    assert_eq!(
        findings(Role::Director, status)[2],
        "warning diagnosis web/rs2: unverified: through the VIP: this host drops the answers | on \
         192.168.11.22:80: `lvs-agent doctor --real-server`"
    );
}

#[test]
fn agents_that_change_nothing_are_problems() {
    for (key, value, message) in [
        (
            "dry_run",
            json!(true),
            "a dry run, which writes nothing | stop it, and start the agent without --dry-run",
        ),
        (
            "table",
            json!("memory"),
            "one with its table in memory, which forwards nothing | stop it, and start the agent without --table memory",
        ),
    ] {
        let mut status = director();
        status[key] = value;
        let expected = format!(
            "problem agent process: the agent that runs here is {message}: systemctl start \
             lvs-agent-director"
        );
        assert_eq!(findings(Role::Director, status)[1], expected);
    }
}

#[test]
fn other_configuration_of_the_running_agent_is_named() {
    let mut status = director();
    assert!(
        findings(Role::Director, status.clone())
            .iter()
            .all(|it| !it.contains("configuration"))
    );
    status["config"]["sha256"] = json!("0".repeat(64));
    assert_eq!(
        findings(Role::Director, status.clone())[1],
        "warning agent configuration: the files of /etc/lvs-agent/config.yaml have changed since \
         the agent loaded them | lvs-agent check-config && lvs-agent reload"
    );
    status["config"]["path"] = json!("/etc/other.yaml");
    assert_eq!(
        findings(Role::Director, status.clone())[1],
        "warning agent configuration: the agent has loaded /etc/other.yaml, which differs from \
         /etc/lvs-agent/config.yaml | lvs-agent doctor --config /etc/other.yaml; or, if \
         /etc/lvs-agent/config.yaml is to be in force, name it in the unit, and systemctl restart \
         lvs-agent-director"
    );
    // The same files at another path are the same configuration; an agent of an
    // earlier version does not say what it has loaded.
    status["config"]["sha256"] = json!(config().sha256);
    assert!(!findings(Role::Director, status.clone())[1].contains("agent configuration"));
    status["config"].as_object_mut().unwrap().remove("sha256");
    assert!(!findings(Role::Director, status)[1].contains("agent configuration"));
}

#[test]
fn damaged_file_that_doctor_has_found_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let aside = directory.path().join("director.json.damaged");
    std::fs::write(&aside, "[{").unwrap();
    let file = StateFile::new(directory.path(), Role::Director);
    let damage = file.load(IfDamaged::Leave).unwrap().damage;
    let mut status = director();
    status["conditions"] = json!([{
        "type": "state_file_damaged", "subject": aside.to_str(), "severity": "warning",
        "message": "found", "fix": "end it", "since": "2026-01-02T03:04:05Z",
    }]);
    let mut facts = facts(Role::Director);
    facts.agent = RunningAgent::Status(serde_json::from_value(status).unwrap());
    for (damaged, wanted) in [(None, "condition"), (damage, "state_file")] {
        facts.damaged = damaged.into_iter().collect();
        let lines = lines(&crate::doctor::examine(&config(), &facts));
        let reported: Vec<_> = lines
            .iter()
            .filter(|line| line.contains("director.json.damaged"))
            .collect();
        assert_eq!(reported.len(), 1, "{lines:#?}");
        assert!(reported[0].contains(wanted), "{reported:?}");
    }
}

#[test]
fn condition_of_the_agent_is_shown_unless_doctor_has_examined_its_subject() {
    let mut status = director();
    status["conditions"] = ["arp_conflict", "foreign_mark", "marks_exhausted"]
        .into_iter()
        .map(|kind| {
            json!({
                "type": kind, "subject": "it", "severity": "problem", "message": "found",
                "fix": "end it", "since": "2026-01-02T03:04:05Z",
            })
        })
        .collect();
    let shown = |facts: &Facts| {
        let lines = lines(&examine(&config(), facts));
        let shown = lines.iter().filter(|line| line.contains("condition"));
        shown.cloned().collect::<Vec<_>>()
    };
    let mut facts = facts(Role::Director);
    facts.agent = RunningAgent::Status(serde_json::from_value(status).unwrap());
    let expected = ["arp_conflict", "foreign_mark", "marks_exhausted"]
        .map(|kind| format!("problem condition {kind} it: found | end it"));
    assert_eq!(shown(&facts), expected, "nothing is examined");

    facts.claims = Some(ArpRecord {
        error: Some("no permission".to_owned()),
        ..ArpRecord::default()
    });
    assert_eq!(shown(&facts), expected, "nobody could be asked");
    facts.claims = Some(ArpRecord::default());
    facts.table = Some(Ok(std::collections::BTreeSet::new()));
    facts.vip_probes = Some(VipProbeFacts {
        sources: std::collections::BTreeSet::new(),
        by_mark: std::collections::BTreeMap::new(),
        passes_everything: Ok(false),
    });
    assert_eq!(shown(&facts), [""; 0], "all are examined");
}
