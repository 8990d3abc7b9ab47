use std::net::SocketAddr;
use std::num::NonZeroU16;

use crate::doctor::fixture::{VIP, address, config, facts, interface, lines};
use crate::kernel::Route;
use crate::model::{RealServerKey, Role};
use crate::readiness::served;

use super::*;

fn tunneled(tunnel: Tunnel) -> Config {
    let mut config = config();
    config.virtual_services[0].forwarding = Forwarding::Tunnel(tunnel);
    config.virtual_services[0].real_servers.truncate(1);
    config
}

#[test]
fn tunnel_of_one_real_server_is_examined_alone() {
    let mut config = config();
    config.virtual_services[0].real_servers[0].forwarding = Some(Forwarding::Tunnel(Tunnel::Ipip));
    let mut facts = facts(Role::Director);
    let route = |end: &str| {
        let route = Route {
            interface: 2,
            mtu: Some(1520),
        };
        (address(end), Ok(route))
    };
    facts.routes = ["192.168.11.21", "192.168.11.22"]
        .into_iter()
        .map(route)
        .collect();
    assert_eq!(
        lines(&examine_director(&config, &facts)),
        ["ok tunnel 192.168.11.21: packets of 1500 bytes fit: 1520 less 20"]
    );
}

#[test]
fn the_header_of_the_tunnel_must_fit() {
    let gre = Tunnel::Gre { checksum: false };
    let gue = Tunnel::Gue {
        port: 6080.try_into().unwrap(),
        checksum: Checksum::Remote,
    };
    for (tunnel, mtu, expected) in [
        (
            Tunnel::Ipip,
            1520,
            "ok tunnel 192.168.11.21: packets of 1500 bytes fit: 1520 less 20",
        ),
        (
            Tunnel::Ipip,
            1500,
            "warning tunnel 192.168.11.21: packets of clients have up to 1500 bytes, and 1480 fit \
             into the tunnel (1500 less 20): larger ones wait for path MTU discovery, which \
             firewalls often break | on 192.168.11.21: ip route change default via GATEWAY advmss \
             1440",
        ),
        (
            gre,
            1524,
            "ok tunnel 192.168.11.21: packets of 1500 bytes fit: 1524 less 24",
        ),
        (
            gue,
            9000,
            "ok tunnel 192.168.11.21: packets of 1500 bytes fit: 9000 less 40",
        ),
    ] {
        let mut facts = facts(Role::Director);
        let route = Route {
            interface: 2,
            mtu: Some(mtu),
        };
        facts.routes = [(address("192.168.11.21"), Ok(route))].into();
        assert_eq!(
            lines(&examine_director(&tunneled(tunnel), &facts)),
            [expected]
        );
    }
    assert_eq!(overhead(Tunnel::Ipip, Family::Ipv6), 40);
}

#[test]
fn the_interface_tells_where_the_route_does_not() {
    let mut facts = facts(Role::Director);
    let route = Route {
        interface: 2,
        mtu: None,
    };
    facts.routes = [(address("192.168.11.21"), Ok(route))].into();
    let lines_of = |facts: &Facts| lines(&examine_director(&tunneled(Tunnel::Ipip), facts));
    assert!(lines_of(&facts)[0].contains("1480 fit"));
    facts.routes = [(
        address("192.168.11.21"),
        Err("network unreachable".to_owned()),
    )]
    .into();
    assert_eq!(
        lines_of(&facts),
        ["problem tunnel 192.168.11.21: network unreachable | ip route get 192.168.11.21"]
    );
    assert_eq!(
        examine_director(&config(), &facts),
        [],
        "direct routing has no tunnel"
    );
}

const NONE_UP: &str = "problem tunnel web: no interface that unpacks its tunnel is up: what the director sends is lost";

/// A real server of the one service, at `own`, behind a tunnel to `vip`.
fn unpacking(tunnel: Tunnel, vip: &str, own: &str) -> (Config, Facts) {
    let mut config = tunneled(tunnel);
    let service = &mut config.virtual_services[0];
    service.key = format!("tcp {}", SocketAddr::new(address(vip), 80))
        .parse()
        .unwrap();
    let own = SocketAddr::new(address(own), 80);
    service.real_servers[0].key = RealServerKey(own);
    let mut facts = facts(Role::RealServer);
    let served = served(&config, &[own.ip()].into(), &[address(vip)].into()).into_iter();
    facts.services = served
        .map(|service| facts.host.judge(service, "lo"))
        .collect();
    (config, facts)
}

fn add(facts: &mut Facts, name: &str, kind: &str) {
    let mut tunnel = interface(3, name);
    tunnel.kind = Some(kind.to_owned());
    facts.host.interfaces.push(tunnel);
}

fn filter(facts: &mut Facts, place: &str) {
    let key = format!("net.ipv4.conf.{place}.rp_filter").parse().unwrap();
    facts.sysctls = [(key, "1".to_owned())].into();
}

/// Each that unpacks something, by its kind.
const ENDS: [(&str, &str); 5] = [
    ("tunl0", "ipip"),
    ("sit0", "sit"),
    ("ip6tnl0", "ip6tnl"),
    ("gre0", "gre"),
    ("ip6gre0", "ip6gre"),
];

const GUE: Tunnel = Tunnel::Gue {
    port: NonZeroU16::new(6080).unwrap(),
    checksum: Checksum::None,
};

#[test]
fn each_tunnel_has_its_own_end() {
    let (vip6, own6) = ("2001:db8::200", "2001:db8::21");
    let own = "192.168.11.21";
    let gre = |checksum| Tunnel::Gre { checksum };
    for (tunnel, vip, own, end, fix) in [
        (
            Tunnel::Ipip,
            VIP,
            own,
            Some("tunl0"),
            "modprobe ipip && ip link set tunl0 up",
        ),
        (
            Tunnel::Ipip,
            vip6,
            own,
            Some("sit0"),
            "modprobe sit && ip link set sit0 up",
        ),
        (
            Tunnel::Ipip,
            VIP,
            own6,
            Some("ip6tnl0"),
            "modprobe ip6_tunnel && ip -6 tunnel change ip6tnl0 mode any && ip link set ip6tnl0 up",
        ),
        (
            Tunnel::Ipip,
            vip6,
            own6,
            Some("ip6tnl0"),
            "modprobe ip6_tunnel && ip link set ip6tnl0 up",
        ),
        (
            GUE,
            vip6,
            own,
            Some("sit0"),
            "modprobe sit && ip link set sit0 up && modprobe fou && ip fou add port 6080 gue",
        ),
        (
            GUE,
            vip6,
            own6,
            Some("ip6tnl0"),
            "modprobe ip6_tunnel && ip link set ip6tnl0 up && modprobe -a fou fou6 && \
             ip -6 fou add port 6080 gue",
        ),
        (
            gre(false),
            vip6,
            own,
            Some("gre0"),
            "modprobe ip_gre && ip link set gre0 up",
        ),
        (
            gre(false),
            VIP,
            own6,
            Some("ip6gre0"),
            "modprobe ip6_gre && ip link set ip6gre0 up",
        ),
        (
            gre(true),
            vip6,
            own6,
            None,
            "modprobe ip6_gre && ip link add lvs-ip6gre type ip6gre local 2001:db8::21 remote any \
             icsum && ip link set lvs-ip6gre up",
        ),
    ] {
        let (config, mut facts) = unpacking(tunnel, vip, own);
        for (name, kind) in ENDS.iter().filter(|(name, _)| Some(*name) != end) {
            add(&mut facts, name, kind);
        }
        let expected = format!("{NONE_UP} | {fix}");
        let found = lines(&examine_real_server(&config, &facts));
        assert_eq!(found, [expected], "{tunnel} from {vip} to {own}");

        let kinds = ENDS.iter().filter(|(name, _)| Some(*name) == end);
        for (name, kind) in kinds {
            add(&mut facts, name, kind);
            let found = lines(&examine_real_server(&config, &facts));
            let [found] = found.as_slice() else {
                panic!("{found:?}")
            };
            assert!(
                found.starts_with(&format!("ok tunnel web: {name} ")),
                "{found}"
            );
        }
    }
}

/// What the facts do not tell is not said to be well.
#[test]
fn reports_settings_that_depend_on_how_an_interface_was_made() {
    let mut found = Vec::new();
    for (tunnel, own, kind) in [
        (Tunnel::Ipip, "2001:db8::21", "ip6tnl"),
        (Tunnel::Gre { checksum: true }, "192.168.11.21", "gre"),
    ] {
        let (config, mut facts) = unpacking(tunnel, VIP, own);
        add(&mut facts, "unpack", kind);
        found.extend(lines(&examine_real_server(&config, &facts)));
    }
    assert_eq!(
        found,
        [
            "ok tunnel web: unpack is up, and unpacks IPv4 in its modes any and ipip6: \
             ip -d link show unpack",
            "ok tunnel web: unpack is up, and unpacks what has a checksum if it was made with \
             icsum: ip -d link show unpack",
        ]
    );
}

#[test]
fn an_interface_that_is_down_unpacks_nothing() {
    let (config, mut facts) = unpacking(Tunnel::Ipip, VIP, "192.168.11.21");
    add(&mut facts, "tunl0", "ipip");
    assert_eq!(
        lines(&examine_real_server(&config, &facts)),
        ["ok tunnel web: tunl0 unpacks"]
    );
    facts.host.interfaces.last_mut().unwrap().up = false;
    let found = lines(&examine_real_server(&config, &facts));
    assert!(found[0].starts_with(NONE_UP), "{found:?}");
}

#[test]
fn a_strict_filter_drops_ipv4_where_it_is_unpacked() {
    let (config, mut facts) = unpacking(Tunnel::Ipip, VIP, "192.168.11.21");
    let (config6, mut facts6) = unpacking(Tunnel::Ipip, "2001:db8::200", "2001:db8::21");
    for facts in [&mut facts, &mut facts6] {
        for (name, kind) in ENDS {
            add(facts, name, kind);
        }
        filter(facts, "all");
    }
    let strict = [
        "problem tunnel web: rp_filter is 1 on tunl0: what is unpacked there is dropped | sysctl \
         -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0",
    ];
    assert_eq!(lines(&examine_real_server(&config, &facts)), strict);
    filter(&mut facts, "tunl0");
    assert_eq!(lines(&examine_real_server(&config, &facts)), strict);
    assert_eq!(
        lines(&examine_real_server(&config6, &facts6)),
        ["ok tunnel web: ip6tnl0 unpacks"],
        "IPv6 has no such filter"
    );
}

/// As `real_server.vips` asks for: the other real servers tell what comes.
#[test]
fn a_host_that_is_not_listed_unpacks_as_the_others_do() {
    let (mut config, mut facts) = unpacking(Tunnel::Ipip, VIP, "2001:db8::21");
    let real_servers = &mut config.virtual_services[0].real_servers;
    let mut other = real_servers[0].clone();
    other.key = RealServerKey("192.168.11.22:80".parse().unwrap());
    real_servers.push(other);
    facts.services[0].service.own = None;
    let found = lines(&examine_real_server(&config, &facts));
    assert_eq!(
        found,
        [format!(
            "{NONE_UP} | modprobe ipip && ip link set tunl0 up; or modprobe ip6_tunnel && \
             ip -6 tunnel change ip6tnl0 mode any && ip link set ip6tnl0 up"
        )]
    );
    add(&mut facts, "tunl0", "ipip");
    assert_eq!(
        lines(&examine_real_server(&config, &facts)),
        ["ok tunnel web: tunl0 unpacks"]
    );
}
