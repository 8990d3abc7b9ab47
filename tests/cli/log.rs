//! The log on standard error.

use serde_json::Value;

use super::{AMPLE, Site, end};

const CHECK: &str = "interval: 200ms, timeout: 200ms";

#[test]
fn json_is_an_object_a_line() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let mut command = site.run();
    command.args(["--log-format", "json"]);
    let mut agent = Site::start(command);
    agent.wait_for_line(AMPLE, |line| line.contains("real server down"));
    let output = agent.output();
    let (whole, _) = output.rsplit_once('\n').unwrap();
    for line in whole.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(humantime::parse_rfc3339(line["timestamp"].as_str().unwrap()).is_ok());
        assert!(
            ["INFO", "WARN"].contains(&line["level"].as_str().unwrap()),
            "{line}"
        );
        assert!(
            line["target"].as_str().unwrap().starts_with("lvs_agent"),
            "{line}"
        );
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    let down = whole
        .lines()
        .find(|line| line.contains("real server down"))
        .unwrap();
    let down: Value = serde_json::from_str(down).unwrap();
    assert_eq!(down["level"], "WARN");
    assert_eq!(down["fields"]["service"], "web");
    assert_eq!(down["fields"]["real_server"], "rs1");
}

#[test]
fn single_probes_are_for_those_who_ask() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let probe = |line: &str| line.contains("DEBUG") && line.contains("probe: connection refused");
    let agent = site.agent();
    site.wait_for(&["down"]);
    assert!(!agent.output().lines().any(probe), "{}", agent.output());
    drop(agent);

    let mut command = site.run();
    command.env("LVS_AGENT_LOG", "debug");
    let mut agent = Site::start(command);
    let line = agent.wait_for_line(AMPLE, probe);
    assert!(line.contains("result=\"refused\""), "{line}");
}

#[test]
fn a_filter_that_is_none_is_bad_usage() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let mut command = site.run();
    command.env("LVS_AGENT_LOG", "lvs_agent=loud");
    let ended = end(command);
    assert_eq!((ended.code, &*ended.stdout), (2, ""));
    let said = "LVS_AGENT_LOG=`lvs_agent=loud` is not a log filter such as `info`";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(!site.socket().exists());
}
