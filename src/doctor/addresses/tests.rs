use std::collections::BTreeMap;

use crate::doctor::fixture::{VIP, address, config, facts, held, lines};
use crate::model::{MacAddress, Role};
use crate::status::{ArpRecord, ConflictRecord, fixture};

use super::*;

#[test]
fn where_a_vip_is_and_where_it_should_not_be() {
    let scoped = HostAddress {
        host_scope: true,
        ..held("eth0", VIP, 32)
    };
    for (addresses, expected) in [
        (
            vec![held("eth0", VIP, 32)],
            vec!["ok vip 192.168.11.200: it is on eth0"],
        ),
        (
            vec![],
            vec![
                "problem vip 192.168.11.200: it is not on eth0: clients reach nobody | \
                 ip address add 192.168.11.200/32 dev eth0",
            ],
        ),
        (
            vec![held("eth0", VIP, 24)],
            vec![
                "warning vip 192.168.11.200: it is on eth0 as /24, and configured as /32 | \
                 ip address del 192.168.11.200/24 dev eth0",
            ],
        ),
        (
            vec![held("eth0", VIP, 32), held("lo", VIP, 32)],
            vec![
                "ok vip 192.168.11.200: it is on eth0",
                "warning vip 192.168.11.200: it is on lo, too | \
                 ip address del 192.168.11.200/32 dev lo",
            ],
        ),
        (
            vec![scoped],
            vec![
                "warning vip 192.168.11.200: its scope on eth0 is `host` | \
                 ip address change 192.168.11.200/32 dev eth0 scope global",
            ],
        ),
    ] {
        let mut facts = facts(Role::Director);
        facts.host.addresses = addresses;
        assert_eq!(lines(&examine(&config(), &facts)), expected);
    }
}

#[test]
fn without_an_interface_any_will_do() {
    let mut config = config();
    config.director.interface = None;
    config.director.link = None;
    let mut facts = facts(Role::Director);
    assert_eq!(
        lines(&examine(&config, &facts)),
        ["ok vip 192.168.11.200: it is on eth0"]
    );
    facts.host.addresses.clear();
    let findings = lines(&examine(&config, &facts));
    assert!(findings[0].starts_with("warning vip"), "{findings:?}");
    assert!(!findings[0].contains("ip address add"), "{findings:?}");
}

#[test]
fn the_standby_of_a_pair_is_not_told_to_take_the_vip() {
    let mut config = config();
    config.director.interface = None;
    let mut facts = facts(Role::Director);
    facts.host.addresses.clear();
    let vips = BTreeMap::from([(address(VIP), BTreeMap::new())]);
    let peer = MacAddress([2, 0, 0, 0, 0, 0x11]);
    facts.claims = Some(ArpRecord {
        vips: vips.clone(),
        peers: [(address(VIP), peer)].into(),
        ..ArpRecord::default()
    });
    assert_eq!(
        lines(&examine(&config, &facts)),
        [
            "ok vip 192.168.11.200: another host of the link has it, 02:00:00:00:00:11: this one \
             is the standby"
        ]
    );
    facts.claims = Some(ArpRecord {
        vips,
        ..ArpRecord::default()
    });
    let findings = lines(&examine(&config, &facts));
    let nobody = "problem vip 192.168.11.200: it is on no interface of this host, and no other \
                  director answers for it on eth0 | let what owns the VIPs put it";
    assert!(findings[0].starts_with(nobody), "{findings:?}");
    assert!(!findings[0].contains("ip address add"), "{findings:?}");
}

#[test]
fn a_link_that_is_not_there_and_another_name_of_an_interface() {
    let mut config = config();
    config.director.link = Some("eth9".to_owned());
    let mut facts = facts(Role::Director);
    assert_eq!(
        lines(&examine(&config, &facts)),
        [
            "problem interface eth9: this host has no such interface, so nothing is known of the \
             link of the clients: all weights stay as they are | see `ip -brief link`, and correct \
             `director.link`"
        ]
    );
    facts.host.interfaces[1].other_names = vec!["eth9".to_owned()];
    assert_eq!(
        lines(&examine(&config, &facts)),
        [
            "problem interface eth9: it is another name of interface eth0, which the agent \
             refuses | write `director.link: eth0` in the configuration"
        ]
    );
}

#[test]
fn others_that_answer_for_the_vip() {
    let mut facts = facts(Role::Director);
    facts.permissions.effective = 0;
    let mut reported = |error: Option<&str>, conflicts| {
        facts.claims = Some(ArpRecord {
            error: error.map(str::to_owned),
            vips: [(address(VIP), conflicts)].into(),
            ..ArpRecord::default()
        });
        lines(&examine(&config(), &facts)).remove(1)
    };
    let conflict = |real_servers| {
        let mac = MacAddress([2, 0, 0, 0, 0, 0x21]);
        let since = fixture::start();
        [(
            mac,
            ConflictRecord {
                since,
                real_servers,
            },
        )]
        .into()
    };
    let conflicting = conflict([(address("192.168.11.21"), "rs1".into())].into());
    let problem = reported(None, conflicting);
    assert!(
        problem.starts_with(
            "problem duplicate_vip 192.168.11.200: rs1 (192.168.11.21) answers for it on the link, \
             as 02:00:00:00:00:21 | there, keep the VIP on lo alone: `ip -o address show to \
             192.168.11.200`"
        ),
        "{problem}"
    );
    assert_eq!(
        reported(None, conflict([].into())),
        "problem duplicate_vip 192.168.11.200: 02:00:00:00:00:21, which is no real server, \
         answers for it on the link | find the host with this MAC address, and take the VIP away \
         there"
    );
    assert_eq!(
        reported(None, [].into()),
        "ok duplicate_vip 192.168.11.200: nobody else on the link answers for it"
    );
    assert_eq!(
        reported(Some("it needs CAP_NET_RAW"), [].into()),
        "warning duplicate_vip 192.168.11.200: nobody on the link could be asked who has it: it \
         needs CAP_NET_RAW | run it as root"
    );
}

#[test]
fn nobody_can_be_asked_over_a_link_that_is_down() {
    let mut facts = facts(Role::Director);
    facts.permissions.effective = u64::MAX;
    facts.claims = Some(ArpRecord {
        error: Some("the kernel answered: Network is down (os error 100)".to_owned()),
        ..ArpRecord::default()
    });
    let reported = |facts: &Facts| lines(&examine(&config(), facts)).remove(1);
    let asked = "warning duplicate_vip 192.168.11.200: nobody on the link could be asked who has \
                 it: the kernel answered: Network is down (os error 100)";
    let down = format!("{asked} | ip -brief link show eth0");
    assert_eq!(reported(&facts), down, "no carrier, or gone since");
    facts.host.interfaces[1].up = false;
    let down = format!("{asked} | eth0 is down: ip link set eth0 up");
    assert_eq!(reported(&facts), down);
    facts.permissions.effective = 0;
    assert_eq!(reported(&facts), format!("{asked} | run it as root"));
}

#[test]
fn an_interface_that_is_not_there() {
    let mut facts = facts(Role::Director);
    facts.host.interfaces.retain(|found| found.name != "eth0");
    assert_eq!(
        lines(&examine(&config(), &facts)),
        [
            "problem interface eth0: this host has no such interface, so it has no VIP: clients \
             reach nobody | see `ip -brief link`, and correct `director.interface`"
        ]
    );
}
