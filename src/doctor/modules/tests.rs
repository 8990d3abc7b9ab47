use crate::doctor::fixture::{config, config_through_vip, facts, lines};

use super::*;

fn findings(loaded: &[&str], loadable: &[&str]) -> Vec<String> {
    let mut facts = facts(Mode::Director);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    facts.modules = Modules {
        loaded: names(loaded),
        loadable: names(loadable),
    };
    lines(&examine(&config(), &facts))
}

#[test]
fn ipvs_and_the_schedulers_that_are_used() {
    assert_eq!(
        findings(&["ip_vs", "ip_vs_wlc"], &[]),
        [
            "ok module ip_vs: it is loaded",
            "ok module ip_vs_wlc: it is loaded"
        ]
    );
    assert_eq!(
        findings(&[], &["ip_vs", "ip_vs_wlc"]),
        [
            "warning module ip_vs: it is not loaded: this host forwards nothing | modprobe ip_vs",
            "ok module ip_vs_wlc: it is loaded when it is needed",
        ]
    );
    assert_eq!(
        findings(&["ip_vs"], &[]),
        [
            "ok module ip_vs: it is loaded",
            "problem module ip_vs_wlc: this kernel does not have it | \
             modprobe ip_vs_wlc, or boot a kernel that has it",
        ]
    );
    assert!(findings(&[], &[])[0].starts_with("problem module ip_vs:"));
}

#[test]
fn probes_through_vips_need_a_scheduler() {
    let expected = [
        "ok module ip_vs: it is loaded",
        "ok module ip_vs_wlc: it is loaded",
    ];
    let mut findings = lines(&examine(&config_through_vip(), &facts(Mode::Director)));
    let scheduler = findings.remove(1);
    assert!(
        scheduler.starts_with("problem module ip_vs_rr: "),
        "{scheduler}"
    );
    assert_eq!(findings, expected);
}
