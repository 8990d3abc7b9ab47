use crate::doctor::fixture::{VIP, address, config, facts, interface, lines};
use crate::kernel::Route;
use crate::readiness::served;
use crate::snapshot::Mode;

use super::*;

fn tunneled(tunnel: Tunnel) -> Config {
    let mut config = config();
    config.virtual_services[0].forwarding = Forwarding::Tunnel(tunnel);
    config.virtual_services[0].real_servers.truncate(1);
    config
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
        let mut facts = facts(Mode::Director);
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
    let mut facts = facts(Mode::Director);
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

#[test]
fn a_real_server_unpacks_without_a_strict_filter() {
    let config = tunneled(Tunnel::Ipip);
    let mut facts = facts(Mode::RealServer);
    let own = [address("192.168.11.21")].into();
    let served = served(&config, &own, &[address(VIP)].into()).into_iter();
    facts.services = served
        .map(|service| facts.host.judge(service, "lo"))
        .collect();
    assert_eq!(
        lines(&examine_real_server(&config, &facts)),
        [
            "problem tunnel web: no tunnel interface is up: nobody unpacks what the director sends | \
          modprobe ipip && ip link set tunl0 up"
        ]
    );
    let mut tunnel = interface(3, "tunl0");
    tunnel.kind = Some("ipip".to_owned());
    facts.host.interfaces.push(tunnel);
    assert_eq!(
        lines(&examine_real_server(&config, &facts)),
        ["ok tunnel web: tunl0 unpacks"]
    );
    let key = "net.ipv4.conf.tunl0.rp_filter".parse().unwrap();
    facts.sysctls = [(key, "1".to_owned())].into();
    assert_eq!(
        lines(&examine_real_server(&config, &facts)),
        [
            "problem tunnel web: rp_filter is 1 on tunl0: what is unpacked there is dropped | sysctl \
          -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0"
        ]
    );
}
