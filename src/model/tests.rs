use super::*;

fn round_trip<T>(text: &str)
where
    T: std::str::FromStr<Err = ParseError> + std::fmt::Display,
{
    assert_eq!(text.parse::<T>().unwrap().to_string(), text);
}

#[test]
fn display_and_from_str_are_inverse() {
    for text in [
        "tcp 192.168.11.200:80",
        "udp [2001:db8::200]:53",
        "fwmark 10 ipv6",
    ] {
        round_trip::<ServiceKey>(text);
    }
    round_trip::<RealServerKey>("[2001:db8::21]:80");
    round_trip::<Protocol>("sctp");
    round_trip::<Forwarding>("masquerade");
    round_trip::<Timeout>("tcpfin");
    round_trip::<Scheduler>("wlc");
    round_trip::<SysctlKey>("net.ipv4.conf.eth0/100.arp_ignore");
    round_trip::<Weight>("2147483647");
}

#[test]
fn refuses_values_that_the_kernel_would_refuse() {
    assert!("2147483648".parse::<Weight>().is_err());
    assert!("-1".parse::<Weight>().is_err());
    assert!("abcdefghijklmnop".parse::<Scheduler>().is_err());
    assert!("".parse::<Scheduler>().is_err());
    assert!("fwmark 0 ipv4".parse::<ServiceKey>().is_err());
    assert!("local".parse::<Forwarding>().is_err());
}

#[test]
fn a_sysctl_key_cannot_leave_proc_sys() {
    for text in [
        "net..ipv4",
        "net./.x",
        "net",
        "net.ipv4.",
        "net.ipv4.a b",
        "net.//.x",
    ] {
        assert!(text.parse::<SysctlKey>().is_err(), "{text}");
    }
    let key: SysctlKey = "net.ipv4.conf.eth0/100.arp_ignore".parse().unwrap();
    let components: Vec<_> = key.path_components().collect();
    assert_eq!(
        components,
        ["net", "ipv4", "conf", "eth0.100", "arp_ignore"]
    );
}

#[test]
fn a_tunnel_says_what_it_is_made_of() {
    let port = std::num::NonZeroU16::new(6080).unwrap();
    let checksum = Checksum::Remote;
    for (tunnel, text) in [
        (Tunnel::Ipip, "ipip"),
        (
            Tunnel::Gue { port, checksum },
            "gue port 6080 checksum remote",
        ),
        (Tunnel::Gre { checksum: true }, "gre checksum sum"),
    ] {
        assert_eq!(tunnel.to_string(), text);
        assert_eq!(Forwarding::Tunnel(tunnel).to_string(), "tunnel");
    }
}

#[test]
fn a_destination_stays_small() {
    assert!(size_of::<Destination>() <= 20);
}

#[test]
fn flags_are_named_as_ipvsadm_names_them() {
    let flags = ServiceFlags::ONE_PACKET
        .union(ServiceFlags::FALLBACK)
        .union(ServiceFlags::PORT);
    assert_eq!(flags.to_string(), "one-packet,flag-1,flag-2");
    assert_eq!(ServiceFlags::default().to_string(), "");
}

#[test]
fn stricter_arp_value_satisfies_and_no_other_one_does() {
    let ignore: SysctlKey = "net.ipv4.conf.all.arp_ignore".parse().unwrap();
    let announce: SysctlKey = "net.ipv4.conf.eth0/91.arp_announce".parse().unwrap();
    let filter: SysctlKey = "net.ipv4.conf.all.rp_filter".parse().unwrap();
    for (key, have, want, expected) in [
        (&ignore, "1", "1", true),
        (&ignore, "2", "1", true),
        (&ignore, "8", "1", true),
        (&ignore, "8", "2", true),
        (&ignore, "1", "2", false),
        (&ignore, "3", "1", false),
        (&ignore, "4", "1", false),
        (&ignore, "1", "0", false),
        (&announce, "2", "1", true),
        (&announce, "3", "1", false),
        (&announce, "1", "2", false),
        (&filter, "2", "1", false),
    ] {
        assert_eq!(
            key.is_satisfied(have, want),
            expected,
            "{key} {have} {want}"
        );
    }
}

#[test]
fn sysctl_of_dotted_interface_is_corrected() {
    for (wrong, right) in [
        (
            "net.ipv4.conf.bond0.91.arp_ignore",
            Some("net.ipv4.conf.bond0/91.arp_ignore"),
        ),
        (
            "net.ipv6.neigh.a.b.c.gc_stale_time",
            Some("net.ipv6.neigh.a/b/c.gc_stale_time"),
        ),
        ("net.ipv4.conf.bond0/91.arp_ignore", None),
        ("net.ipv4.conf.all.arp_ignore", None),
        ("net.ipv4.vs.conntrack", None),
    ] {
        let key: SysctlKey = wrong.parse().unwrap();
        let found = key.of_dotted_interface();
        assert_eq!(found.as_ref().map(SysctlKey::as_str), right, "{wrong}");
    }
}

#[test]
fn network_of_address_contains_its_hosts() {
    for (address, prefix_length, other, expected) in [
        ("192.168.11.200", 24, "192.168.11.21", true),
        ("192.168.11.200", 32, "192.168.11.200", true),
        ("192.168.11.200", 32, "192.168.11.201", false),
        ("192.168.11.200", 30, "192.168.11.21", false),
        ("10.0.0.1", 0, "192.168.11.21", true),
        ("2001:db8::1", 64, "2001:db8::ffff", true),
        ("2001:db8::1", 64, "2001:db8:1::1", false),
        ("::", 0, "192.168.11.21", false),
    ] {
        let held = HostAddress {
            interface: "lo".to_owned(),
            address: address.parse().unwrap(),
            prefix_length,
            host_scope: false,
        };
        let found = held.contains(other.parse().unwrap());
        assert_eq!(found, expected, "{address}/{prefix_length} {other}");
    }
}
