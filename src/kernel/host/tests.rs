//! Against `ip` of the host's own kernel; they need root.

use super::*;
use crate::kernel::namespace::{in_namespace, run};
use crate::model::{Family, MarkRule};

#[test]
#[ignore = "needs root: tests/run.sh netns"]
fn netns_interfaces_addresses_rules_and_routes_are_as_ip_made_them() {
    in_namespace(async || {
        for line in [
            "link add mute0 type veth peer name mute1",
            "link add br0 type bridge",
            "link add veth0 type veth peer name veth1",
            "link set veth1 master br0",
            "link set mute0 up arp off mtu 1400",
            "link set veth0 up",
            "link set br0 up",
            "address add 192.0.2.1/24 dev veth0",
            "address add 192.0.2.200/32 dev lo",
            "address add 192.0.2.201/32 scope host dev lo",
            "-6 address add 2001:db8::200/128 dev lo nodad",
            "route add 198.51.100.0/24 via 192.0.2.9 mtu 1300",
            "rule add fwmark 0x10/0xf0 lookup 100 priority 77",
            "-6 rule add fwmark 5 lookup 101 priority 78",
            "rule add from 192.0.2.7 lookup 102 priority 79",
        ] {
            run("ip", line);
        }
        let mut host = Host::new();
        let interfaces = host.interfaces().await.unwrap();
        let named = |name: &str| {
            let found = interfaces.iter().find(|interface| interface.name == name);
            found.unwrap_or_else(|| panic!("no {name} in {interfaces:?}"))
        };
        let (lo, mute0, veth0, veth1) =
            (named("lo"), named("mute0"), named("veth0"), named("veth1"));
        assert!(lo.loopback && lo.up && !lo.is_asked());
        assert!(mute0.no_arp && mute0.up && !mute0.is_asked());
        assert_eq!((mute0.mtu, mute0.kind.as_deref()), (1400, Some("veth")));
        assert!(veth0.is_asked());
        assert!(veth1.enslaved && !veth1.is_asked());
        assert!(named("br0").is_asked());

        let found = host.addresses(&interfaces).await.unwrap();
        let address = |interface: &str, text: &str, prefix_length, host_scope| HostAddress {
            interface: interface.to_owned(),
            address: text.parse().unwrap(),
            prefix_length,
            host_scope,
        };
        for wanted in [
            address("veth0", "192.0.2.1", 24, false),
            address("lo", "127.0.0.1", 8, true),
            address("lo", "192.0.2.200", 32, false),
            address("lo", "192.0.2.201", 32, true),
            address("lo", "2001:db8::200", 128, false),
        ] {
            assert!(found.contains(&wanted), "no {wanted:?} in {found:#?}");
        }

        let rule = |family, priority, mark, mask, table| MarkRule {
            family,
            priority,
            mark,
            mask,
            table,
        };
        assert_eq!(
            host.mark_rules().await.unwrap(),
            [
                rule(Family::Ipv4, 77, 0x10, 0xf0, 100),
                rule(Family::Ipv6, 78, 5, u32::MAX, 101),
            ]
        );

        let near = host.route("192.0.2.9".parse().unwrap()).await.unwrap();
        assert_eq!((near.interface, near.mtu), (veth0.index, None));
        let far = host.route("198.51.100.7".parse().unwrap()).await.unwrap();
        assert_eq!((far.interface, far.mtu), (veth0.index, Some(1300)));
        let nowhere = host.route("203.0.113.1".parse().unwrap()).await;
        assert!(nowhere.is_err(), "{nowhere:?}");
    });
}
