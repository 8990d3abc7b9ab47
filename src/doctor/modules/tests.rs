use crate::doctor::fixture::{config, config_through_vip, facts, lines};

use super::*;

fn findings(loaded: &[&str], loadable: &[&str]) -> Vec<String> {
    let mut facts = facts(Role::Director);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    facts.modules = Modules {
        loaded: names(loaded),
        loadable: names(loadable),
        ..Modules::default()
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
fn plan_notes_what_is_not_loaded() {
    let notes = |loaded: &[&str], loadable: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let modules = Modules {
            loaded: names(loaded),
            loadable: names(loadable),
            ..Modules::default()
        };
        notes(&config(), Path::new(Config::DEFAULT_PATH), &modules)
    };
    assert_eq!(notes(&["ip_vs", "ip_vs_wlc"], &[]), Vec::<String>::new());
    assert_eq!(
        notes(&["ip_vs"], &["ip_vs_wlc"]),
        ["the module ip_vs_wlc is not loaded: the kernel loads it for the service"]
    );
    let refused = Modules {
        loadable: std::iter::once("ip_vs_wlc".to_owned()).collect(),
        disabled: true,
        ..Modules::default()
    };
    assert_eq!(
        super::notes(&config(), Path::new(Config::DEFAULT_PATH), &refused),
        [
            "the module ip_vs_wlc is not loaded, and this host refuses to load it: \
             see `lvs-agent doctor`"
        ]
    );
    assert_eq!(
        notes(&["ip_vs"], &[]),
        [
            "this kernel has no module ip_vs_wlc, so it will refuse every service with `wlc`: \
             see `lvs-agent check-config`"
        ]
    );
}

#[test]
fn probes_through_vips_need_a_scheduler() {
    let expected = [
        "ok module ip_vs: it is loaded",
        "ok module ip_vs_wlc: it is loaded",
    ];
    let mut findings = lines(&examine(&config_through_vip(), &facts(Role::Director)));
    let scheduler = findings.remove(1);
    assert!(
        scheduler.starts_with("problem module ip_vs_rr: "),
        "{scheduler}"
    );
    assert_eq!(findings, expected);
}

#[test]
fn module_that_is_refused_is_not_called_loaded_when_needed() {
    let mut facts = facts(Role::Director);
    facts.modules = Modules {
        loaded: ["ip_vs".to_owned()].into(),
        loadable: ["ip_vs_wlc".to_owned()].into(),
        ..Modules::default()
    };
    let reported = |facts: &Facts| lines(&examine(&config(), facts))[1].clone();
    let file = PathBuf::from("/etc/modprobe.d/hardening.conf");
    let refusal = Refusal::ModprobeD(file);
    facts
        .modules
        .refused
        .insert("ip_vs_wlc".to_owned(), refusal);
    assert_eq!(
        reported(&facts),
        "problem module ip_vs_wlc: it is not loaded, and `install ip_vs_wlc` in \
         /etc/modprobe.d/hardening.conf refuses it | remove the line `install ip_vs_wlc` from \
         /etc/modprobe.d/hardening.conf, then: modprobe ip_vs_wlc"
    );
    let refusal = Refusal::CommandLine;
    facts
        .modules
        .refused
        .insert("ip_vs_wlc".to_owned(), refusal);
    assert!(reported(&facts).contains("`module_blacklist` of the kernel's command line"));
    facts.modules.refused.clear();
    facts.modules.disabled = true;
    assert!(reported(&facts).contains("kernel.modules_disabled is 1"));
    facts.modules.loaded.insert("ip_vs_wlc".to_owned());
    assert_eq!(reported(&facts), "ok module ip_vs_wlc: it is loaded");
}

#[test]
fn refusals_are_read_from_modprobe_d_and_the_command_line() {
    let text = "# install dccp /bin/false\nblacklist ip_vs\ninstall ip-vs-wlc /usr/bin/false\n\
                install sctp /bin/true # no\noptions ip_vs conn_tab_bits=15\n\
                install usb /sbin/modprobe --ignore-install usb\ninstall\n";
    let names = |found: BTreeSet<String>| found.into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names(refused_by(text)), "ip_vs_wlc sctp");
    let line = "ro quiet module_blacklist=ip-vs,sctp panic=1 module_blacklist=fou";
    assert_eq!(names(refused_at_boot(line)), "fou ip_vs sctp");
}
