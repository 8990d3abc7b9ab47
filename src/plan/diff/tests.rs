use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use expect_test::expect;
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;

use super::*;
use crate::model::{
    Destination, Forwarding, LocalAddress, Persistence, Protocol, RealServerKey, Service,
    ServiceFlags, Timeout, Tunnel, Weight,
};

#[test]
fn the_how_to_from_nothing() {
    expect![[r"
        ~ sysctl net.ipv4.conf.all.arp_ignore: 0 -> 1
        + virtual service tcp 192.168.11.200:80 scheduler wlc
        + real server 192.168.11.21:80 of tcp 192.168.11.200:80 forwarding direct weight 1
        + address 192.168.11.200/32 on eth0
    "]]
    .assert_eq(&text(&diff(&how_to(), &before())));
}

#[test]
fn the_how_to_taken_away() {
    expect![[r"
        - address 192.168.11.200/32 on eth0
        - virtual service tcp 192.168.11.200:80
    "]]
    .assert_eq(&text(&diff(&State::default(), &how_to())));
}

#[test]
fn only_what_differs_is_shown() {
    let mut changed = how_to();
    let state = changed.services.values_mut().next().unwrap();
    state.service.scheduler = "rr".parse().unwrap();
    state.service.persistence = Some(Persistence {
        timeout_seconds: 300,
        netmask: u32::MAX,
        engine: None,
    });
    state.destinations.iter_mut().next().unwrap().1.weight = Weight::ZERO;
    expect![[r"
        ~ virtual service tcp 192.168.11.200:80: scheduler rr -> wlc, persistence 300s -> none, netmask 255.255.255.255 -> none
        ~ real server 192.168.11.21:80 of tcp 192.168.11.200:80: weight 0 -> 1
    "]]
    .assert_eq(&text(&diff(&how_to(), &changed)));
}

#[test]
fn a_fallback_goes_after_those_whose_clients_it_takes() {
    let mut with_fallback = how_to();
    let state = with_fallback.services.values_mut().next().unwrap();
    state.service.flags = ServiceFlags::FALLBACK;
    let leaving = "192.168.11.29:80".parse().unwrap();
    let mut idle = *state.destinations.values().next().unwrap();
    idle.weight = Weight::ZERO;
    state.destinations.insert(leaving, idle);
    expect![[r"
        - real server 192.168.11.29:80 of tcp 192.168.11.200:80
        ~ virtual service tcp 192.168.11.200:80: flags flag-1 -> none
    "]]
    .assert_eq(&text(&diff(&how_to(), &with_fallback)));
    expect![[r"
        ~ virtual service tcp 192.168.11.200:80: flags none -> flag-1
        + real server 192.168.11.29:80 of tcp 192.168.11.200:80 forwarding direct weight 0
    "]]
    .assert_eq(&text(&diff(&with_fallback, &how_to())));
}

#[test]
fn time_outs_and_tunnels_are_shown() {
    let mut changed = how_to();
    let state = changed.services.values_mut().next().unwrap();
    state.service.flags = ServiceFlags::ONE_PACKET.union(ServiceFlags::FALLBACK);
    let port = std::num::NonZeroU16::new(6080).unwrap();
    let checksum = crate::model::Checksum::Sum;
    let (_, destination) = state.destinations.iter_mut().next().unwrap();
    destination.forwarding = Forwarding::Tunnel(Tunnel::Gue { port, checksum });
    changed.timeouts = [(Timeout::TcpFin, 30)].into();
    let mut before = how_to();
    before.timeouts = [(Timeout::TcpFin, 120)].into();
    expect![[r"
        ~ time-out tcpfin: 120s -> 30s
        ~ virtual service tcp 192.168.11.200:80: flags none -> one-packet,flag-1
        ~ real server 192.168.11.21:80 of tcp 192.168.11.200:80: forwarding direct -> tunnel, tunnel none -> gue port 6080 checksum sum
    "]]
    .assert_eq(&text(&diff(&changed, &before)));
}

#[test]
fn a_service_is_never_without_a_real_server_in_between() {
    let mut desired = how_to();
    let destinations = &mut desired.services.values_mut().next().unwrap().destinations;
    let destination = *destinations.values().next().unwrap();
    *destinations = [("192.168.11.22:80".parse().unwrap(), destination)]
        .into_iter()
        .collect();
    let mut actual = how_to();
    for step in diff(&desired, &actual.clone()) {
        actual.apply(&step);
        assert!(
            actual
                .services
                .values()
                .all(|service| !service.destinations.is_empty())
        );
    }
}

proptest! {
    #[test]
    fn applying_the_difference_gives_what_is_desired(desired in state(), mut actual in state()) {
        actual.sysctls.retain(|key, _| desired.sysctls.contains_key(key));
        actual.timeouts.retain(|key, _| desired.timeouts.contains_key(key));
        for step in diff(&desired, &actual.clone()) {
            actual.apply(&step);
        }
        for (key, want) in &desired.sysctls {
            let have = actual.sysctls.get_mut(key).expect("it is there");
            prop_assert!(key.is_satisfied(have, want), "{key} is {have}, not {want}");
            have.clone_from(want);
        }
        prop_assert_eq!(actual, desired);
    }

    #[test]
    fn no_arp_sysctl_is_set_to_a_less_strict_value(desired in state(), actual in state()) {
        for step in diff(&desired, &actual) {
            if let Step::SetSysctl { from: Some(from), to, .. } = step {
                prop_assert!((&*from, &*to) != ("2", "1"));
            }
        }
    }

    #[test]
    fn nothing_differs_from_itself(state in state()) {
        prop_assert_eq!(diff(&state, &state), vec![]);
    }

    #[test]
    fn no_step_is_without_effect(desired in state(), mut actual in state()) {
        for step in diff(&desired, &actual.clone()) {
            let before = actual.clone();
            actual.apply(&step);
            prop_assert_ne!(&actual, &before, "{} changes nothing", step);
        }
    }

    #[test]
    fn the_vip_is_up_only_while_its_sysctls_and_its_table_are(desired in state(), actual in state()) {
        let steps = diff(&desired, &actual);
        let last = |wanted: fn(&Step) -> bool| steps.iter().rposition(wanted);
        let first = |wanted: fn(&Step) -> bool| steps.iter().position(wanted);
        let added = first(|step| matches!(step, Step::AddAddress(_))).unwrap_or(usize::MAX);
        let removed = last(|step| matches!(step, Step::RemoveAddress(_)));
        let set = last(|step| matches!(step, Step::SetSysctl { .. }));
        let filled = last(|step| matches!(step, Step::AddDestination { .. }));
        prop_assert!(set < Some(added) && filled < Some(added));
        let gone = first(|step| matches!(step, Step::RemoveService { .. })).unwrap_or(usize::MAX);
        prop_assert!(removed < Some(gone));
    }
}

fn text(steps: &[Step]) -> String {
    let lines: Vec<_> = steps.iter().map(ToString::to_string).collect();
    lines.join("\n") + "\n"
}

fn before() -> State {
    State {
        sysctls: [(
            "net.ipv4.conf.all.arp_ignore".parse().unwrap(),
            "0".to_owned(),
        )]
        .into(),
        ..State::default()
    }
}

fn how_to() -> State {
    let destination = Destination {
        forwarding: Forwarding::Direct,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let service = ServiceState {
        service: Service {
            scheduler: "wlc".parse().unwrap(),
            flags: ServiceFlags::default(),
            persistence: None,
        },
        destinations: [("192.168.11.21:80".parse().unwrap(), destination)]
            .into_iter()
            .collect(),
    };
    State {
        services: [("tcp 192.168.11.200:80".parse().unwrap(), service)].into(),
        addresses: [address(200)].into(),
        sysctls: [(
            "net.ipv4.conf.all.arp_ignore".parse().unwrap(),
            "1".to_owned(),
        )]
        .into(),
        ..State::default()
    }
}

fn address(host: u8) -> LocalAddress {
    let address = IpAddr::V4(Ipv4Addr::new(192, 168, 11, host));
    LocalAddress {
        interface: "eth0".to_owned(),
        address,
    }
}

/// Few enough distinct keys that two states share many.
fn state() -> impl Strategy<Value = State> {
    let sysctl = (0..3u8).prop_map(|n| format!("net.ipv4.conf.eth{n}.arp_ignore").parse().unwrap());
    let timeout = prop::sample::select(Timeout::ALL.to_vec());
    let value = (0..3u8).prop_map(|value| value.to_string());
    (
        btree_map(service_key(), service_state(), 0..4),
        btree_set((200..204u8).prop_map(address), 0..4),
        btree_map(sysctl, value, 0..3),
        btree_map(timeout, 1..4_u32, 0..3),
    )
        .prop_map(|(services, addresses, sysctls, timeouts)| State {
            services,
            addresses,
            sysctls,
            timeouts,
        })
}

fn socket(host: u8) -> SocketAddr {
    (Ipv4Addr::new(192, 168, 11, host), 80).into()
}

fn service_key() -> impl Strategy<Value = ServiceKey> {
    (200..204u8).prop_map(|host| ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: socket(host),
    })
}

fn service_state() -> impl Strategy<Value = ServiceState> {
    let key = (21..25u8).prop_map(|host| RealServerKey(socket(host)));
    (
        0..3u32,
        prop::bool::ANY,
        btree_map(key, destination(), 0..4),
    )
        .prop_map(|(flags, persistent, destinations)| ServiceState {
            service: Service {
                scheduler: "rr".parse().unwrap(),
                flags: ServiceFlags::from_bits(flags << 2),
                persistence: persistent.then_some(Persistence {
                    timeout_seconds: 300,
                    netmask: u32::MAX,
                    engine: None,
                }),
            },
            destinations: destinations.into_iter().collect(),
        })
}

fn destination() -> impl Strategy<Value = Destination> {
    let gre = Tunnel::Gre { checksum: true };
    let forwarding = prop::sample::select(vec![
        Forwarding::Direct,
        Forwarding::Masquerade,
        Forwarding::Tunnel(Tunnel::Ipip),
        Forwarding::Tunnel(gre),
    ]);
    (forwarding, 0..3u32, 0..2u32).prop_map(|(forwarding, weight, upper_threshold)| Destination {
        forwarding,
        weight: Weight::new(weight).unwrap(),
        upper_threshold,
        lower_threshold: 0,
    })
}
