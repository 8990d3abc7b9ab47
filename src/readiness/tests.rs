use super::*;
use crate::status::fixture;

const VIP: &str = "192.168.11.200";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn interface(index: u32, name: &str) -> Interface {
    Interface {
        index,
        name: name.to_owned(),
        up: true,
        loopback: name == "lo",
        no_arp: false,
        other_names: Vec::new(),
        enslaved: false,
        mtu: 1500,
        kind: None,
    }
}

fn held(interface: &str, text: &str, prefix_length: u8) -> HostAddress {
    HostAddress {
        interface: interface.to_owned(),
        address: address(text),
        prefix_length,
        host_scope: false,
    }
}

fn listener(text: &str, interface: Option<u32>) -> Listener {
    Listener {
        protocol: Protocol::Tcp,
        address: address(text),
        port: 80,
        v6_only: false,
        interface,
    }
}

/// As the how-to has it.
fn good() -> HostFacts {
    let silent = ArpValues {
        ignore: 1,
        announce: 2,
    };
    HostFacts {
        directed: BTreeSet::new(),
        interfaces: vec![interface(1, "lo"), interface(2, "eth0")],
        addresses: vec![held("lo", VIP, 32), held("eth0", "192.168.11.21", 24)],
        arp: [("eth0".to_owned(), silent)].into(),
        listeners: [(Protocol::Tcp, Some(vec![listener("0.0.0.0", None)]))].into(),
        self_tests: BTreeMap::new(),
    }
}

fn web() -> ServedService {
    let config = fixture::config();
    let own = [address("192.168.11.21")].into();
    let served = served(&config, &own, &[address(VIP)].into());
    let [web] = served.as_slice() else {
        panic!("{served:?}")
    };
    web.clone()
}

fn reasons(facts: &HostFacts) -> Vec<String> {
    let judged = facts.judge(web(), "lo");
    assert_eq!(judged.ready(), judged.issues.is_empty());
    judged.issues.iter().map(ToString::to_string).collect()
}

#[test]
fn all_in_order_is_ready() {
    let judged = good().judge(web(), "lo");
    assert!(judged.ready(), "{judged:?}");
    assert!(judged.vip_configured);
    assert_eq!(judged.listening, Some(true));
}

#[test]
fn each_issue_is_named_with_its_fix() {
    let nothing_there = good().judge(web(), "lo");
    assert!(nothing_there.ready());
    let listening = |listeners: Option<Vec<Listener>>| HostFacts {
        listeners: [(Protocol::Tcp, listeners)].into(),
        ..good()
    };
    let failed = SelfTest {
        failure: Some("connection refused".to_owned()),
    };
    for (facts, reason, fix) in [
        (
            HostFacts {
                addresses: vec![held("eth0", "192.168.11.21", 24)],
                ..good()
            },
            "the VIP 192.168.11.200 is on no interface, and belongs on lo",
            "ip address add 192.168.11.200/32 dev lo",
        ),
        (
            listening(Some(Vec::new())),
            "nothing listens on tcp 192.168.11.200:80",
            "let the server listen on 192.168.11.200:80 or on all addresses; \
             what listens now: `ss -ltnp 'sport = :80'`",
        ),
        (
            listening(Some(vec![listener("192.168.11.21", None)])),
            "nothing listens on tcp 192.168.11.200:80, only on 192.168.11.21:80",
            "let the server listen on 192.168.11.200:80 or on all addresses; \
             what listens now: `ss -ltnp 'sport = :80'`",
        ),
        (
            // Clients come in on the LAN, never on lo.
            listening(Some(vec![listener("0.0.0.0", Some(1))])),
            "nothing listens on tcp 192.168.11.200:80, only on 0.0.0.0:80",
            "let the server listen on 192.168.11.200:80 or on all addresses; \
             what listens now: `ss -ltnp 'sport = :80'`",
        ),
        (
            listening(None),
            "this kernel does not tell which tcp sockets listen",
            "modprobe tcp_diag",
        ),
        (
            HostFacts {
                self_tests: [(web().key(), failed)].into(),
                ..good()
            },
            "a connection from this host to 192.168.11.200:80 failed: connection refused",
            "see whether the server takes connections (`ss -ltn 'sport = :80'`: Recv-Q beside \
             Send-Q, and its log), and what a firewall here refuses (`nft list ruleset`); `nc -vz \
             192.168.11.200 80` tries it again",
        ),
    ] {
        assert_eq!(reasons(&facts), [reason]);
        let judged = facts.judge(web(), "lo");
        assert_eq!(judged.issues[0].fix(), fix);
    }
    assert_eq!(
        reasons(&listening(Some(vec![listener("0.0.0.0", Some(2))]))),
        Vec::<String>::new(),
        "bound to the LAN's interface"
    );
}

#[test]
fn fix_of_arp_issue_fits_the_value() {
    let ignore = |value| ReadinessIssue::ArpIgnore {
        interface: "eth0.7".to_owned(),
        value,
    };
    assert_eq!(ignore(0).fix(), "sysctl -w net.ipv4.conf.all.arp_ignore=1");
    assert_eq!(
        ignore(3).fix(),
        "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.eth0/7.arp_ignore=1"
    );
}

#[test]
fn a_host_serves_what_lists_it_and_what_it_is_told_to() {
    let config = fixture::config();
    let vips = [address(VIP)].into();
    let names = |addresses: &[&str], vips: &BTreeSet<IpAddr>| {
        let addresses = addresses.iter().map(|text| address(text)).collect();
        let served = served(&config, &addresses, vips);
        let names = served.iter().map(|s| (s.name.to_string(), s.own));
        names.collect::<Vec<_>>()
    };
    assert_eq!(
        names(&["192.168.11.22"], &vips),
        [("web".to_owned(), Some(address("192.168.11.22")))]
    );
    // `real_server.vips`, or a host whose interface is down.
    assert_eq!(names(&[], &vips), [("web".to_owned(), None)]);
    assert_eq!(names(&["192.168.11.22"], &BTreeSet::new()), []);

    let mut config = config;
    config.virtual_services[0].forwarding = Forwarding::Masquerade;
    let own = [address("192.168.11.22")].into();
    assert_eq!(served(&config, &own, &vips), []);
    config.virtual_services[0].real_servers[1].forwarding = Some(Forwarding::Direct);
    assert_eq!(served(&config, &own, &vips).len(), 1);
    let other = [address("192.168.11.21")].into();
    assert_eq!(served(&config, &other, &vips), []);
}
