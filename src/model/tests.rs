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
fn what_the_kernel_would_refuse_is_refused() {
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
