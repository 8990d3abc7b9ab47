use super::*;
use crate::model::{HostAddress, Interface};

fn facts(values: (u32, u32), held: &[(&str, bool)]) -> HostFacts {
    let interface = |index, name: &str, loopback| Interface {
        index,
        name: name.to_owned(),
        up: true,
        loopback,
        no_arp: false,
        other_names: Vec::new(),
        enslaved: false,
        mtu: 1500,
        kind: None,
    };
    let held = held.iter().map(|&(interface, host_scope)| HostAddress {
        interface: interface.to_owned(),
        address: "192.168.11.200".parse().unwrap(),
        prefix_length: 32,
        host_scope,
    });
    let (ignore, announce) = values;
    HostFacts {
        interfaces: vec![interface(1, "lo", true), interface(2, "eth0", false)],
        addresses: held.collect(),
        arp: [("eth0".to_owned(), ArpValues { ignore, announce })].into(),
        ..HostFacts::default()
    }
}

#[test]
fn which_values_keep_a_host_silent() {
    let vip: IpAddr = "192.168.11.200".parse().unwrap();
    let on_lo: &[_] = &[("lo", false)];
    for (values, held, expected) in [
        ((1, 2), on_lo, vec![]),
        ((2, 2), on_lo, vec![]),
        ((8, 2), on_lo, vec![]),
        ((0, 2), on_lo, vec!["arp_ignore is 0"]),
        ((4, 2), on_lo, vec!["arp_ignore is 4"]),
        // 3 is silent about addresses of the scope `host` alone.
        ((3, 2), on_lo, vec!["arp_ignore is 3"]),
        ((3, 2), &[("lo", true)], vec![]),
        ((1, 0), on_lo, vec!["arp_announce is 0"]),
        ((1, 1), on_lo, vec!["arp_announce is 1"]),
        ((1, 3), on_lo, vec!["arp_announce is 3"]),
        ((0, 0), on_lo, vec!["arp_ignore is 0", "arp_announce is 0"]),
        // Of its own address an interface speaks whatever the values are.
        (
            (1, 2),
            &[("lo", false), ("eth0", false)],
            vec!["the VIP 192.168.11.200 is on eth0"],
        ),
        // It would speak as soon as the VIP is there.
        ((0, 2), &[], vec!["arp_ignore is 0"]),
    ] {
        let found = issues(&facts(values, held), vip);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let fits = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(f, e)| f.starts_with(e));
        assert!(fits, "{values:?} {held:?}: {found:?}");
    }
}

#[test]
fn ipv6_is_silent_unless_the_vip_is_on_the_lan() {
    let vip: IpAddr = "2001:db8::200".parse().unwrap();
    let mut facts = facts((0, 0), &[]);
    assert_eq!(issues(&facts, vip), []);
    facts.addresses.push(HostAddress {
        interface: "eth0".to_owned(),
        address: vip,
        prefix_length: 128,
        host_scope: false,
    });
    let found = issues(&facts, vip);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].fix(), "ip address del 2001:db8::200/128 dev eth0");
}
