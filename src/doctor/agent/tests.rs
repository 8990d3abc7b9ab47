use serde_json::{Value, json};

use crate::doctor::fixture::{facts, lines};
use crate::http::status;
use crate::snapshot::fixture;

use super::*;

fn findings(mode: Mode, status: Value) -> Vec<String> {
    let mut facts = facts(mode);
    facts.agent = RunningAgent::Status(serde_json::from_value(status).unwrap());
    lines(&examine(&facts))
}

/// What a director says of itself.
fn director() -> Value {
    serde_json::from_slice(&status::json(&fixture::director()).unwrap()).unwrap()
}

#[test]
fn an_agent_that_is_well_or_away() {
    let expected = format!(
        "ok agent process: version {} runs",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        findings(Mode::Director, director()),
        [
            &expected,
            "ok diagnosis web/rs1: ok",
            "problem diagnosis web/rs2: application_down | on the real server, see whether the \
             service runs and what it says: `ss -ltn` and its log; on the host of \
             192.168.11.22:80: lvs-agent doctor --real-server",
        ]
    );
    let real_server = status::json(&fixture::real_server()).unwrap();
    let real_server = serde_json::from_slice(&real_server).unwrap();
    assert_eq!(findings(Mode::RealServer, real_server), [expected]);
    assert_eq!(
        lines(&examine(&facts(Mode::Director))),
        ["warning agent process: nobody listens | systemctl start lvs-agent-director"]
    );
    assert_eq!(
        findings(Mode::RealServer, director()),
        ["warning agent process: the agent that runs here is a director | lvs-agent doctor"]
    );
}

#[test]
fn what_the_agent_knows_is_told() {
    let mut status = director();
    status["config"]["last_reload"]["error"] = json!("config.yaml:1:1: empty");
    status["reconcile"]["error"] = json!("no IPVS");
    status["weights_held"] = json!(["link"]);
    status["virtual_services"][0]["real_servers"][0]["diagnosis"] = json!("ok");
    status["virtual_services"][0]["real_servers"][1]["diagnosis"] = json!("vip_missing");
    assert_eq!(
        findings(Mode::Director, status)[1..],
        [
            "problem agent configuration: the last reload failed: config.yaml:1:1: empty | \
             lvs-agent check-config && lvs-agent reload",
            "problem agent reconcile: the kernel is not as configured: no IPVS | \
             journalctl -u lvs-agent-director",
            "warning agent weights: all weights are held (link): the fault is likely this host's \
             | ip link; ip route",
            "ok diagnosis web/rs1: ok",
            "problem diagnosis web/rs2: vip_missing | on the real server, put the VIP on lo \
             (`lvs-agent run --real-server`, or `ip address add VIP/32 dev lo`), and see that its \
             firewall lets the VIP in; on the host of 192.168.11.22:80: lvs-agent doctor --real-server",
        ]
    );
}
