use std::io::Cursor;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};

use neli::ToBytes;
use proptest::prelude::*;

use super::*;
use crate::kernel::ObservedDestination;
use crate::model::{
    Checksum, Connections, Destination, Family, Forwarding, Persistence, Protocol, RealServerKey,
    Scheduler, Service, ServiceFlags, ServiceKey, Statistics, SyncDaemon, SyncState, Timeout,
    Tunnel, Weight,
};
use crate::plan::Step;

proptest! {
    #[test]
    fn a_service_comes_back_as_it_was_written(
        (key, service) in services(),
        set in any::<bool>(),
    ) {
        let write = if set {
            Step::SetService { key, from: service.clone(), to: service.clone() }
        } else {
            Step::AddService { key, service: service.clone() }
        };
        // An item of a dump is laid out as the command that adds it.
        let message = as_command(bytes(&encoded(&write)), 1);
        let (found, observed) = super::service(&message).unwrap().unwrap();
        prop_assert_eq!(found, key);
        prop_assert_eq!(observed.service, service);
        prop_assert_eq!(observed.statistics, Statistics::default());
    }

    #[test]
    fn a_destination_comes_back_as_it_was_written(
        service in keys(),
        key in addresses().prop_map(RealServerKey),
        destination in destinations(),
    ) {
        let write = Step::AddDestination { service, key, destination };
        let message = bytes(&encoded(&write));
        let found = super::destination(&message, service.family()).unwrap();
        let expected = ObservedDestination {
            destination,
            connections: Connections::default(),
            statistics: Statistics::default(),
        };
        prop_assert_eq!(found, (key, expected));
    }

    #[test]
    fn no_bytes_make_decoding_panic(message in proptest::collection::vec(any::<u8>(), 0..256)) {
        for command in [1, 5, 9, 12, 14] {
            let message = as_command(message.clone(), command);
            let _ = super::service(&message);
            let _ = super::destination(&message, Family::Ipv4);
            let _ = super::info(&message);
            let _ = super::timeouts(&message);
            let _ = super::sync_daemon(&message);
        }
    }

    #[test]
    fn no_change_of_a_byte_makes_decoding_panic(
        (key, service) in services(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut message = bytes(&encoded(&Step::AddService { key, service }));
        let at = at.index(message.len());
        message[at] = value;
        let _ = super::service(&message);
    }

    #[test]
    fn a_message_cut_short_is_an_error_and_not_another_service((key, service) in services()) {
        let message = bytes(&encoded(&Step::AddService { key, service }));
        for length in 0..message.len() {
            prop_assert!(super::service(&message[..length]).is_err(), "{} bytes", length);
        }
    }
}

/// `ipvsadm -A -t 192.168.11.200:80 -s wlc`, byte by byte by `linux/ip_vs.h`.
#[test]
fn a_service_is_laid_out_as_the_header_says() {
    let key = "tcp 192.168.11.200:80".parse().unwrap();
    let service = Service {
        scheduler: Scheduler::default(),
        flags: ServiceFlags::default(),
        persistence: None,
    };
    let message = bytes(&encoded(&Step::AddService { key, service }));
    let inner = [
        attribute(1, &2_u16.to_ne_bytes()),
        attribute(2, &6_u16.to_ne_bytes()),
        attribute(3, &[192, 168, 11, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        attribute(4, &[0, 80]),
        attribute(6, b"wlc\0"),
        attribute(7, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        attribute(8, &[0; 4]),
        attribute(9, &[0xff; 4]),
    ]
    .concat();
    let expected = [vec![1, 1, 0, 0], attribute(NESTED + 1, &inner)].concat();
    assert_eq!(message, expected);
}

#[test]
fn a_netmask_is_in_network_order_for_ipv4_and_a_prefix_length_for_ipv6() {
    let persistence = |netmask| Persistence {
        timeout_seconds: 300,
        netmask,
        engine: None,
    };
    for (key, netmask, wire) in [
        ("tcp 192.168.11.200:80", 0xffff_ff00, [255, 255, 255, 0]),
        ("tcp [2001:db8::200]:80", 64, 64_u32.to_ne_bytes()),
        ("fwmark 10 ipv6", 128, 128_u32.to_ne_bytes()),
    ] {
        let service = Service {
            scheduler: Scheduler::default(),
            flags: ServiceFlags::default(),
            persistence: Some(persistence(netmask)),
        };
        let key = key.parse().unwrap();
        let message = bytes(&encoded(&Step::AddService { key, service }));
        assert!(contains(&message, &attribute(9, &wire)), "{key}");
        let flags = [1_u32.to_ne_bytes(), [0xff; 4]].concat();
        assert!(contains(&message, &attribute(7, &flags)), "{key}");
    }
}

#[test]
fn without_persistence_an_ipv6_service_is_sent_a_prefix_length_that_the_kernel_takes() {
    let key = "tcp [2001:db8::200]:80".parse().unwrap();
    let service = Service {
        scheduler: Scheduler::default(),
        flags: ServiceFlags::default(),
        persistence: None,
    };
    let message = bytes(&encoded(&Step::AddService { key, service }));
    assert!(contains(&message, &attribute(9, &128_u32.to_ne_bytes())));
}

/// As `ip_vs_genl_fill_service` writes it.
fn kernel_service(extra: &[Vec<u8>]) -> Vec<u8> {
    let head = [
        attribute(1, &2_u16.to_ne_bytes()),
        attribute(2, &6_u16.to_ne_bytes()),
        attribute(3, &[192, 168, 11, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        attribute(4, &[0, 80]),
        attribute(6, b"wlc\0"),
    ]
    .concat();
    let inner = [head, extra.concat()].concat();
    [vec![1, 1, 0, 0], attribute(NESTED + 1, &inner)].concat()
}

#[test]
fn flags_of_the_kernel_are_masked() {
    // HASHED, with the timeout and mask that it reports without persistence.
    let message = kernel_service(&[
        attribute(7, &[2_u32.to_ne_bytes(), [0xff; 4]].concat()),
        attribute(8, &360_u32.to_ne_bytes()),
        attribute(9, &[0xff; 4]),
        attribute(99, b"from a newer kernel"),
    ]);
    let (key, observed) = super::service(&message).unwrap().unwrap();
    assert_eq!(key, "tcp 192.168.11.200:80".parse().unwrap());
    assert_eq!(
        observed.service,
        Service {
            scheduler: Scheduler::default(),
            flags: ServiceFlags::default(),
            persistence: None,
        }
    );
}

#[test]
fn wide_counters_are_preferred_to_narrow_ones() {
    let flags = attribute(7, &[2_u32.to_ne_bytes(), [0xff; 4]].concat());
    let narrow = [
        attribute(1, &1_u32.to_ne_bytes()),
        attribute(2, &2_u32.to_ne_bytes()),
        attribute(3, &3_u32.to_ne_bytes()),
        attribute(4, &4_u64.to_ne_bytes()),
        attribute(5, &5_u64.to_ne_bytes()),
    ]
    .concat();
    let wide: Vec<u8> = (1..=5_u16)
        .flat_map(|kind| attribute(kind, &(u64::from(kind) << 33).to_ne_bytes()))
        .collect();
    let statistics = |factor: u64| Statistics {
        connections: factor,
        incoming_packets: 2 * factor,
        outgoing_packets: 3 * factor,
        incoming_bytes: 4 * factor,
        outgoing_bytes: 5 * factor,
    };
    let old = kernel_service(&[flags.clone(), attribute(NESTED + 10, &narrow)]);
    let new = kernel_service(&[
        flags,
        attribute(NESTED + 10, &narrow),
        attribute(NESTED + 12, &wide),
    ]);
    assert_eq!(
        super::service(&old).unwrap().unwrap().1.statistics,
        statistics(1)
    );
    assert_eq!(
        super::service(&new).unwrap().unwrap().1.statistics,
        statistics(1 << 33)
    );
}

#[test]
fn a_synchronization_daemon_has_a_state_an_interface_and_an_id() {
    let daemon = |state: u32| {
        let inner = [
            attribute(1, &state.to_ne_bytes()),
            attribute(2, b"eth0\0"),
            attribute(3, &7_u32.to_ne_bytes()),
            attribute(99, b"from a newer kernel"),
        ]
        .concat();
        [vec![9, 1, 0, 0], attribute(NESTED + 3, &inner)].concat()
    };
    for (number, state) in [(1, SyncState::Master), (2, SyncState::Backup)] {
        let expected = SyncDaemon {
            state,
            interface: "eth0".to_owned(),
            sync_id: 7,
        };
        assert_eq!(super::sync_daemon(&daemon(number)).unwrap(), expected);
    }
    assert!(super::sync_daemon(&daemon(3)).is_err());
}

#[test]
fn a_service_of_a_foreign_protocol_is_left_out() {
    let inner = [
        attribute(1, &2_u16.to_ne_bytes()),
        attribute(2, &51_u16.to_ne_bytes()),
        attribute(3, &[0; 16]),
        attribute(4, &[0, 0]),
        attribute(6, b"rr\0"),
        attribute(7, &[0; 8]),
    ]
    .concat();
    let message = [vec![1, 1, 0, 0], attribute(NESTED + 1, &inner)].concat();
    assert!(super::service(&message).unwrap().is_none());
}

#[test]
fn an_old_kernels_destination_is_of_its_services_family() {
    let inner = [
        attribute(1, &[192, 168, 11, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        attribute(2, &[0, 80]),
        attribute(3, &3_u32.to_ne_bytes()),
        attribute(4, &7_u32.to_ne_bytes()),
        attribute(5, &0_u32.to_ne_bytes()),
        attribute(6, &0_u32.to_ne_bytes()),
        attribute(7, &11_u32.to_ne_bytes()),
        attribute(8, &12_u32.to_ne_bytes()),
        attribute(9, &13_u32.to_ne_bytes()),
    ]
    .concat();
    let message = [vec![5, 1, 0, 0], attribute(NESTED + 2, &inner)].concat();
    let (key, observed) = super::destination(&message, Family::Ipv4).unwrap();
    assert_eq!(key, "192.168.11.21:80".parse().unwrap());
    assert_eq!(observed.destination.forwarding, Forwarding::Direct);
    assert_eq!(observed.destination.weight.get(), 7);
    assert_eq!(
        observed.connections,
        Connections {
            active: 11,
            inactive: 12,
            persistent: 13
        }
    );
}

#[test]
fn a_number_of_a_wrong_length_is_an_error() {
    let message = kernel_service(&[attribute(7, &[0; 3])]);
    let error = super::service(&message).unwrap_err();
    assert_eq!(error.to_string(), "FLAGS cannot be 00 00 00");
}

/// `ipvsadm -a … -i --tun-type gue --tun-port 6080 --tun-csum`, by the header.
#[test]
fn a_tunnel_is_laid_out_as_the_header_says() {
    let port = NonZeroU16::new(6080).unwrap();
    let checksum = Checksum::Sum;
    let destination = |tunnel| Destination {
        forwarding: Forwarding::Tunnel(tunnel),
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let message = |tunnel| {
        let write = Step::AddDestination {
            service: "tcp 192.168.11.200:80".parse().unwrap(),
            key: "192.168.11.21:80".parse().unwrap(),
            destination: destination(tunnel),
        };
        bytes(&encoded(&write))
    };
    let gue = message(Tunnel::Gue { port, checksum });
    for part in [
        attribute(13, &[1]),
        attribute(14, &[0x17, 0xc0]),
        attribute(15, &1_u16.to_ne_bytes()),
    ] {
        assert!(contains(&gue, &part), "{part:?}");
    }
    let gre = message(Tunnel::Gre { checksum: false });
    assert!(contains(&gre, &attribute(13, &[2])));
    let ipip = message(Tunnel::Ipip);
    assert!(ipip.len() + 3 * 8 == gue.len(), "an old kernel's tunnel");
}

#[test]
fn a_time_out_is_set_alone_and_all_are_read() {
    let write = Step::SetTimeout {
        timeout: Timeout::TcpFin,
        from: None,
        to: 30,
    };
    let message = bytes(&encoded(&write));
    let expected = [vec![12, 1, 0, 0], attribute(5, &30_u32.to_ne_bytes())].concat();
    assert_eq!(message, expected);

    let message = [
        vec![12, 1, 0, 0],
        attribute(4, &900_u32.to_ne_bytes()),
        attribute(5, &120_u32.to_ne_bytes()),
        attribute(6, &300_u32.to_ne_bytes()),
    ]
    .concat();
    let expected = [
        (Timeout::Tcp, 900),
        (Timeout::TcpFin, 120),
        (Timeout::Udp, 300),
    ];
    assert_eq!(super::timeouts(&message).unwrap(), expected.into());
}

#[test]
fn the_version_is_three_numbers() {
    let message = [
        vec![14, 1, 0, 0],
        attribute(1, &0x01_02_01_u32.to_ne_bytes()),
        attribute(2, &4096_u32.to_ne_bytes()),
    ]
    .concat();
    let info = super::info(&message).unwrap();
    assert_eq!(info.to_string(), "IPVS 1.2.1, connection table of 4096");
}

/// `NLA_F_NESTED` of `linux/netlink.h`.
const NESTED: u16 = 0x8000;

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn bytes(message: &Message) -> Vec<u8> {
    let mut buffer = Cursor::new(Vec::new());
    message.to_bytes(&mut buffer).unwrap();
    buffer.into_inner()
}

fn as_command(mut message: Vec<u8>, command: u8) -> Vec<u8> {
    if let Some(first) = message.first_mut() {
        *first = command;
    }
    message
}

fn contains(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

fn addresses() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

fn keys() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let family = prop::sample::select(vec![Family::Ipv4, Family::Ipv6]);
    prop_oneof![
        (protocol, addresses())
            .prop_map(|(protocol, address)| ServiceKey::Address { protocol, address }),
        (any::<NonZeroU32>(), family)
            .prop_map(|(mark, family)| ServiceKey::Fwmark { mark, family }),
    ]
}

fn services() -> impl Strategy<Value = (ServiceKey, Service)> {
    let scheduler = "[a-z][a-z0-9_-]{0,14}".prop_map(|name| name.parse::<Scheduler>().unwrap());
    let engine = proptest::option::of("[a-z]{1,15}");
    let persistence =
        (any::<u32>(), any::<u32>(), engine).prop_map(|(timeout_seconds, netmask, engine)| {
            Persistence {
                timeout_seconds,
                netmask,
                engine,
            }
        });
    let service = (scheduler, any::<u32>(), proptest::option::of(persistence)).prop_map(
        |(scheduler, flags, persistence)| Service {
            scheduler,
            flags: ServiceFlags::from_bits(flags),
            persistence,
        },
    );
    (keys(), service)
}

fn tunnels() -> impl Strategy<Value = Tunnel> {
    let checksum = prop::sample::select(vec![Checksum::None, Checksum::Sum, Checksum::Remote]);
    prop_oneof![
        Just(Tunnel::Ipip),
        (any::<NonZeroU16>(), checksum).prop_map(|(port, checksum)| Tunnel::Gue { port, checksum }),
        any::<bool>().prop_map(|checksum| Tunnel::Gre { checksum }),
    ]
}

fn destinations() -> impl Strategy<Value = Destination> {
    let forwarding = prop::sample::select(vec![
        Forwarding::Masquerade,
        Forwarding::Local,
        Forwarding::Direct,
    ]);
    let forwarding = prop_oneof![forwarding, tunnels().prop_map(Forwarding::Tunnel)];
    let weight = (0..=Weight::MAX.get()).prop_map(|weight| Weight::new(weight).unwrap());
    (forwarding, weight, any::<u32>(), any::<u32>()).prop_map(
        |(forwarding, weight, upper_threshold, lower_threshold)| Destination {
            forwarding,
            weight,
            upper_threshold,
            lower_threshold,
        },
    )
}

fn encoded(step: &Step) -> super::Message {
    super::write(step).unwrap().unwrap()
}
