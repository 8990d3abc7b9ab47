use std::collections::BTreeMap;

use crate::doctor::fixture::{config, facts, interface, lines};
use crate::model::Persistence;

use super::*;

fn findings(config: &Config, role: Role, sysctls: &[(&str, &str)]) -> Vec<String> {
    let mut facts = facts(role);
    facts.sysctls = parsed(sysctls);
    lines(&examine(config, &facts))
}

fn parsed(sysctls: &[(&str, &str)]) -> BTreeMap<SysctlKey, String> {
    let sysctls = sysctls.iter();
    sysctls
        .map(|(key, value)| (key.parse().unwrap(), (*value).to_owned()))
        .collect()
}

#[test]
fn configured_parameters_are_compared() {
    let mut config = config();
    config.director.sysctls = parsed(&[("net.ipv4.vs.conntrack", "1")]);
    let findings = |sysctls: &[_]| findings(&config, Role::Director, sysctls);
    assert_eq!(
        findings(&[("net.ipv4.vs.conntrack", "1")]),
        ["ok sysctl net.ipv4.vs.conntrack: it is 1"]
    );
    assert_eq!(
        findings(&[("net.ipv4.vs.conntrack", "0")]),
        [
            "warning sysctl net.ipv4.vs.conntrack: it is 0, and configured as 1 | \
          sysctl -w net.ipv4.vs.conntrack=\"1\""
        ]
    );
    assert!(findings(&[])[0].starts_with("problem sysctl net.ipv4.vs.conntrack"));
    let mut facts = facts(Role::Director);
    facts.modules.loaded.clear();
    assert_eq!(examine(&config, &facts), [], "without IPVS it has none");
}

#[test]
fn masquerading_needs_a_router() {
    let mut config = config();
    let findings = |config: &Config, value| {
        findings(config, Role::Director, &[("net.ipv4.ip_forward", value)])
    };
    assert_eq!(findings(&config, "0"), Vec::<String>::new());
    config.virtual_services[0].forwarding = Forwarding::Masquerade;
    assert_eq!(
        findings(&config, "0"),
        [
            "problem sysctl net.ipv4.ip_forward: it is off: answers of masqueraded real servers are \
          dropped here | sysctl -w net.ipv4.ip_forward=1"
        ]
    );
    let on = ["ok sysctl net.ipv4.ip_forward: it is on, as masquerading needs it"];
    assert_eq!(findings(&config, "1"), on);
    config.virtual_services[0].forwarding = Forwarding::Direct;
    config.virtual_services[0].real_servers[0].forwarding = Some(Forwarding::Masquerade);
    assert_eq!(findings(&config, "1"), on, "one real server is enough");
}

#[test]
fn persistence_and_the_backup() {
    let mut config = config();
    let sysctls = [(QUIESCENT, "0"), (BACKUP_ONLY, "1")];
    let backup = "warning sysctl net.ipv4.vs.backup_only: ";
    let of_host = findings(&config, Role::Director, &sysctls);
    assert!(
        of_host.len() == 1 && of_host[0].starts_with(backup),
        "{of_host:?}"
    );
    config.virtual_services[0].persistence = Some(Persistence {
        timeout_seconds: 300,
        netmask: 32,
        engine: None,
    });
    assert_eq!(
        findings(&config, Role::Director, &sysctls)[0],
        "warning persistence web: net.ipv4.vs.expire_quiescent_template is 0: known clients stay \
         on a real server with weight 0 | sysctl -w net.ipv4.vs.expire_quiescent_template=1"
    );
}

#[test]
fn the_larger_filter_holds() {
    let mut facts = facts(Role::RealServer);
    for (all, own, effective) in [("0", "1", 1), ("2", "1", 2), ("0", "0", 0)] {
        facts.sysctls = parsed(&[
            ("net.ipv4.conf.all.rp_filter", all),
            ("net.ipv4.conf.eth0/7.rp_filter", own),
        ]);
        assert_eq!(effective_rp_filter(&facts, "eth0.7"), effective);
    }
    let keys = keys(&config(), Role::RealServer, &[interface(2, "eth0.7")]);
    for key in facts.sysctls.keys() {
        assert!(keys.contains(key), "{key}");
    }
}
