use std::collections::BTreeMap;

use crate::doctor::fixture::{VIP, address, config, facts, held, lines};
use crate::model::{Listener, Protocol, Role};
use crate::readiness::{ArpValues, HostFacts, SelfTest, served};

use super::*;

/// The findings on rs1, where the host is as in the how-to but for `spoil`.
fn findings(spoil: impl FnOnce(&mut HostFacts)) -> Vec<String> {
    let mut facts = facts(Role::RealServer);
    let own = [address("192.168.11.21")].into();
    let served = served(&config(), &own, &[address(VIP)].into());
    let listener = Listener {
        protocol: Protocol::Tcp,
        address: address("0.0.0.0"),
        port: 80,
        v6_only: false,
        interface: None,
    };
    let silent = ArpValues {
        ignore: 1,
        announce: 2,
    };
    facts.host.addresses = vec![held("lo", VIP, 32), held("eth0", "192.168.11.21", 24)];
    facts.host.arp = [("eth0".to_owned(), silent)].into();
    facts.host.listeners = [(Protocol::Tcp, Some(vec![listener]))].into();
    let passed = |failure| (served[0].key(), SelfTest { failure });
    facts.host.self_tests = BTreeMap::from([passed(None)]);
    spoil(&mut facts.host);
    let services = served.into_iter();
    let services = services.map(|service| facts.host.judge(service, "lo"));
    facts.services = services.collect();
    lines(&examine(&facts))
}

const GOOD: [&str; 4] = [
    "ok vip 192.168.11.200: it is on lo",
    "ok arp eth0: arp_ignore is 1 and arp_announce 2 there",
    "ok listening web (tcp 192.168.11.200:80): something listens on VIP and port",
    "ok self_test web (tcp 192.168.11.200:80): a connection from this host itself is accepted",
];

/// The good lines with one in place of another.
fn good_but(place: usize, line: &'static str) -> Vec<&'static str> {
    let mut lines = GOOD.to_vec();
    lines[place] = line;
    lines
}

#[test]
fn a_real_server_as_in_the_how_to() {
    assert_eq!(findings(|_| {}), GOOD);
}

#[test]
fn each_theme_tells_its_own() {
    let missing = findings(|host| {
        host.addresses.remove(0);
        host.self_tests.clear();
    });
    let line = "problem vip 192.168.11.200: the VIP 192.168.11.200 is on no interface, and \
                belongs on lo | ip address add 192.168.11.200/32 dev lo";
    assert_eq!(missing, good_but(0, line)[..3]);

    let wide = findings(|host| host.addresses[0].prefix_length = 24);
    let fix = "ip address replace 192.168.11.200/32 dev lo && ip address del \
                192.168.11.200/24 dev lo";
    let line = format!(
        "problem vip 192.168.11.200: the VIP 192.168.11.200 is on lo as /24, so that this host \
         takes its whole LAN for itself and answers nobody there | {fix}"
    );
    assert_eq!(wide[0], line);
    assert_eq!(wide[1..], GOOD[1..]);
    let wide = findings(|host| host.addresses[0].prefix_length = 30);
    let line = format!(
        "problem vip 192.168.11.200: it is on lo as /30: on lo, the kernel takes that whole \
         network for itself | {}",
        fix.replace("/24", "/30")
    );
    assert_eq!(wide[0], line, "the LAN is outside");

    let directed = findings(|host| {
        host.directed.insert(host.addresses[0].address);
        host.addresses.push(held("eth0", "192.168.11.200", 32));
    });
    let line = "ok vip 192.168.11.200: it is on eth0";
    assert_eq!((&*directed[1], directed.len()), (line, GOOD.len() + 1));

    let loud = findings(|host| {
        host.arp.insert("eth0".to_owned(), ArpValues::default());
    });
    assert_eq!(
        loud[1..3],
        [
            "problem arp eth0: arp_ignore is 0 on eth0: this host answers ARP for the VIP | \
             sysctl -w net.ipv4.conf.all.arp_ignore=1",
            "problem arp eth0: arp_announce is 0 on eth0: this host announces the VIP as its own \
             | sysctl -w net.ipv4.conf.all.arp_announce=2",
        ]
    );

    let unbound = findings(|host| {
        host.listeners.insert(Protocol::Tcp, Some(Vec::new()));
        host.self_tests.clear();
    });
    assert!(
        unbound[2].starts_with("problem listening web (tcp 192.168.11.200:80): nothing listens"),
        "{unbound:?}"
    );

    let refused = findings(|host| {
        for test in host.self_tests.values_mut() {
            test.failure = Some("Connection refused (os error 111)".to_owned());
        }
    });
    assert!(
        refused[3].starts_with("problem self_test web (tcp 192.168.11.200:80): a connection"),
        "{refused:?}"
    );
}

#[test]
fn a_host_that_serves_nothing() {
    let lines = lines(&examine(&facts(Role::RealServer)));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("warning vip none: no virtual service lists"));
}
