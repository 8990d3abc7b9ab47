use std::collections::{BTreeMap, BTreeSet};

use crate::doctor::fixture::{
    VIP, address, config, config_through_vip, facts, held, lines, running_agent,
};
use crate::doctor::vip_probe_facts::VipProbeFacts;
use crate::kernel::Cause;
use crate::model::{Role, SysctlKey};

use super::*;

/// A director whose agent runs and asks the VIP from its own address.
fn well() -> Facts {
    let mut facts = facts(Role::Director);
    facts.agent = running_agent();
    facts.vip_probes = Some(VipProbeFacts {
        sources: from(Ok(address("192.168.11.10"))),
        by_mark: BTreeMap::new(),
        passes_everything: Ok(false),
    });
    facts.sysctls = sysctls(&[("eth0.accept_local", "1"), ("all.rp_filter", "1")]);
    facts
}

fn from(source: Result<IpAddr, (String, IpAddr)>) -> BTreeSet<Source> {
    let vip = address(VIP);
    let address = source;
    [Source { vip, address }].into()
}

fn sysctls(values: &[(&str, &str)]) -> BTreeMap<SysctlKey, String> {
    let key = |name: &str| format!("net.ipv4.conf.{name}").parse().unwrap();
    let values = values.iter();
    values
        .map(|(name, value)| (key(name), (*value).to_owned()))
        .collect()
}

fn findings(facts: &Facts) -> Vec<String> {
    lines(&examine(&config_through_vip(), facts))
}

const OK: &str = "ok through_vip 192.168.11.200: its answers to 192.168.11.10 come in";

#[test]
fn a_director_that_is_well_and_one_that_does_not_ask() {
    assert_eq!(findings(&well()), [OK]);
    assert_eq!(examine(&config(), &well()), []);
}

#[test]
fn only_a_running_agent_asks_through_vips() {
    let mut facts = well();
    facts.agent = super::super::RunningAgent::None("nobody listens".to_owned());
    let expected = "warning through_vip probes: the way through the VIPs was not asked: only a \
                    running agent keeps the marks that it takes, and doctor writes nothing | \
                    systemctl start lvs-agent-director";
    assert_eq!(findings(&facts), [expected, OK]);
}

#[test]
fn what_this_host_drops() {
    let mut facts = well();
    facts.sysctls = sysctls(&[("eth0.accept_local", "0"), ("all.accept_local", "0")]);
    assert_eq!(
        findings(&facts),
        [
            "problem through_vip 192.168.11.200: this host drops its answers to 192.168.11.10: \
             net.ipv4.conf.eth0.accept_local is 0 | sysctl -w net.ipv4.conf.eth0.accept_local=1"
        ]
    );
    let mut facts = well();
    facts.host.addresses = vec![held("lo", VIP, 32), held("eth0", "192.168.11.10", 24)];
    assert_eq!(
        findings(&facts),
        [
            "problem through_vip 192.168.11.200: this host drops its answers to 192.168.11.10: \
             net.ipv4.conf.eth0.rp_filter is 1 and the VIP is on another interface | sysctl -w \
             net.ipv4.conf.eth0.rp_filter=2"
        ]
    );
    // That it has no VIP is told of the VIP.
    facts.host.addresses.remove(0);
    assert_eq!(findings(&facts), Vec::<String>::new());
}

#[test]
fn the_interface_comes_first() {
    let mut config = config_through_vip();
    config.director.interface = Some("eht0".to_owned());
    let mut facts = well();
    facts.agent = super::super::RunningAgent::None("nobody listens".to_owned());
    facts
        .host
        .addresses
        .retain(|held| held.address != address(VIP));
    assert_eq!(
        lines(&examine(&config, &facts)),
        [
            "warning through_vip probes: the way through the VIPs was not asked: only a running \
             agent keeps the marks that it takes, and doctor writes nothing | see `ip -brief \
             link`, and correct `director.interface`; then systemctl start lvs-agent-director"
        ]
    );
}

/// The agent would undo any other fix.
#[test]
fn sysctl_of_the_configuration_is_fixed_in_the_configuration() {
    let mut facts = well();
    facts.sysctls = sysctls(&[("eth0.accept_local", "0")]);
    let mut config = config_through_vip();
    config.director.sysctls.clone_from(&facts.sysctls);
    assert_eq!(
        lines(&examine(&config, &facts)),
        [
            "problem through_vip 192.168.11.200: this host drops its answers to 192.168.11.10: \
             net.ipv4.conf.eth0.accept_local is 0 | change `net.ipv4.conf.eth0.accept_local` in \
             `director.sysctls`, and `lvs-agent reload`"
        ]
    );
}

/// `accept_local` and `rp_filter` are IPv4's alone.
#[test]
fn nothing_keeps_answers_out_that_come_with_ipv6() {
    let mut facts = well();
    facts.sysctls = sysctls(&[("eth0.accept_local", "0"), ("all.rp_filter", "1")]);
    let (vip, own) = ("2001:db8::200", "2001:db8::10");
    facts.host.addresses = vec![held("lo", vip, 128), held("eth0", own, 64)];
    let vip_probes = facts.vip_probes.as_mut().unwrap();
    vip_probes.sources = [Source {
        vip: address(vip),
        address: Ok(address(own)),
    }]
    .into();
    let ok = format!("ok through_vip {vip}: its answers to {own} come in");
    assert_eq!(findings(&facts), [ok]);
}

#[test]
fn no_address_to_ask_from() {
    let mut facts = well();
    let why = "there is no way to 192.168.11.21: network unreachable".to_owned();
    let vip_probes = facts.vip_probes.as_mut().unwrap();
    vip_probes.sources = from(Err((why, address("192.168.11.21"))));
    assert_eq!(
        findings(&facts),
        [
            "problem through_vip 192.168.11.200: it cannot be asked: there is no way to \
             192.168.11.21: network unreachable | ip route get 192.168.11.21; or give the check \
             `source`, an address of this host"
        ]
    );
}

#[test]
fn a_backup_suspends_probes() {
    let mut facts = well();
    facts.vip_probes.as_mut().unwrap().passes_everything = Ok(true);
    let expected = "warning through_vip probes: probes through VIPs are suspended, and change no \
                    verdict: this host is another director's backup, with \
                    net.ipv4.vs.backup_only | none while it is the backup; where it is to serve: \
                    ipvsadm --stop-daemon backup";
    assert_eq!(findings(&facts), [expected, OK]);
    let refused = KernelError::new("list", Cause::Errno(22));
    facts.vip_probes.as_mut().unwrap().passes_everything = Err(refused);
    let found = findings(&facts);
    assert!(
        found[0].starts_with("warning through_vip probes: it is not known whether IPVS takes"),
        "{found:?}"
    );
    assert!(found[0].contains(" | ask again: "), "{found:?}");
}
