//! `plan` and `--dry-run` say what would be done, and do nothing.

use crate::support::{Lan, Namespace, Site};
use crate::witness::{
    BEFORE, DEADLINE, OURS, addresses, assert_sysctls, configuration, finish, of_real_server,
    set_sysctls, start, status,
};

/// What a fresh real server lacks, as `plan` prints it.
fn everything() -> Vec<String> {
    let mut lines: Vec<_> = BEFORE
        .into_iter()
        .zip(OURS)
        .map(|((key, from), (_, to))| format!("~ sysctl {key}: {from} -> {to}"))
        .collect();
    lines.push("+ address 192.168.11.200/32 on lo".to_owned());
    lines
}

fn assert_untouched(host: &Namespace, site: &Site, addresses_before: &[String]) {
    assert_eq!(addresses(host, "lo"), addresses_before);
    assert_sysctls(host, BEFORE);
    assert!(!site.state_directory().exists(), "there is state");
}

#[test]
fn plan_says_what_run_would_do_and_writes_nothing() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let before = addresses(&lan.rs1, "lo");
    let site = Site::new(&configuration(""));

    let plan = of_real_server(&site, &lan.rs1, "plan");
    assert_eq!(plan.code, Some(3), "{plan:?}");
    assert_eq!(plan.stdout.lines().collect::<Vec<_>>(), everything());
    let mut json = site.command("plan");
    json.args(["--real-server", "--json"]);
    let json = finish(&lan.rs1, json);
    assert_eq!(json.code, Some(3), "{json:?}");
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let texts: Vec<_> = json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, everything());
    let last = json["changes"].as_array().unwrap().last().unwrap();
    assert_eq!(
        last["subject"],
        serde_json::json!({ "address": "192.168.11.200", "interface": "lo" })
    );
    assert_eq!(json["notes"], serde_json::json!([]));
    assert_untouched(&lan.rs1, &site, &before);

    let _agent = start(&site, &lan.rs1);
    let plan = of_real_server(&site, &lan.rs1, "plan");
    assert_eq!(
        (plan.code, plan.stdout.as_str()),
        (Some(0), "nothing to change\n")
    );

    lan.rs1.run("sysctl -q -w net.ipv4.conf.all.arp_filter=1");
    lan.rs1.run("ip address add 192.168.99.1/32 dev lo");
    let plan = of_real_server(&site, &lan.rs1, "plan");
    assert_eq!(plan.code, Some(0), "what is not the agent's: {plan:?}");
}

#[test]
fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let before = addresses(&lan.rs1, "lo");
    let site = Site::new(&configuration(""));

    let mut agent = site.run(&lan.rs1, &["--real-server", "--dry-run"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("real server: "));
    let log = agent.output();
    for step in everything() {
        let line = format!("would do: {step}");
        assert_eq!(log.matches(&line).count(), 1, "{line:?} in:\n{log}");
    }
    let shown = status(&lan.rs1);
    assert_eq!(shown["vips"][0]["configured"], false);
    assert_eq!(shown["dry_run"], true);
    assert_eq!(shown["reconcile"]["pending_steps"], everything().len());
    assert_eq!(shown["reconcile"]["last_success"], serde_json::Value::Null);
    let doctor = of_real_server(&site, &lan.rs1, "doctor");
    let finding = "the agent that runs here is a dry run, which writes nothing";
    assert!(doctor.stdout.contains(finding), "{doctor:?}");
    assert_untouched(&lan.rs1, &site, &before);

    // It goes on looking, and says only what is new.
    set_sysctls(&lan.rs1, [("net.ipv4.conf.all.arp_announce", "0")]);
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("would do: ~ sysctl net.ipv4.conf.all.arp_announce: 0 -> 2")
    });
    set_sysctls(&lan.rs1, BEFORE);
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(agent.wait(DEADLINE).code(), Some(0));
    assert_untouched(&lan.rs1, &site, &before);
}

#[test]
fn plan_reports_impossible_steps_and_unlisted_hosts() {
    let lan = Lan::new();
    let nope = "  sysctls:\n    net.ipv4.conf.all.nope: 1";
    let site = Site::new(&configuration(nope));
    let plan = of_real_server(&site, &lan.rs1, "plan");
    let line = "+ sysctl net.ipv4.conf.all.nope: 1 (this kernel has no such parameter)";
    assert!(plan.stdout.contains(line), "{plan:?}");

    let plan = of_real_server(&site, &lan.client, "plan");
    assert_eq!(
        (plan.code, plan.stdout.as_str()),
        (
            Some(0),
            "# no virtual service lists an address of this host\nnothing to change\n"
        )
    );
}

#[test]
fn doctor_notices_that_the_agent_has_another_configuration() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let _agent = start(&site, &lan.rs1);
    let changed = "the files of";
    let doctor = of_real_server(&site, &lan.rs1, "doctor");
    assert!(!doctor.stdout.contains(changed), "{doctor:?}");
    site.write_configuration(&format!("{}# more\n", configuration("")));
    let doctor = of_real_server(&site, &lan.rs1, "doctor");
    assert!(doctor.stdout.contains(changed), "{doctor:?}");
    let reload = " && lvs-agent reload --real-server --config ";
    assert!(doctor.stdout.contains(reload), "{doctor:?}");
    let reloaded = finish(&lan.rs1, site.command("reload"));
    assert_eq!(reloaded.code, Some(0), "{reloaded:?}");
    let doctor = of_real_server(&site, &lan.rs1, "doctor");
    assert!(!doctor.stdout.contains(changed), "{doctor:?}");
}
