use std::fmt::Write as _;
use std::net::SocketAddr;

use proptest::prelude::*;

use crate::config::{CheckKind, Config, RealServer};
use crate::import::Format;
use crate::import::tests::{has_note, imported, refused};
use crate::model::{
    Checksum, Family, Forwarding, Persistence, Protocol, RealServerKey, ServiceFlags, ServiceKey,
    Tunnel,
};

fn read(table: &str) -> (Config, crate::import::Imported) {
    imported(Format::Ipvsadm, table)
}

/// The table with one service by these options, and one real server by those.
fn one(service: &str, server: &str) -> (Config, crate::import::Imported) {
    let key = "-t 192.168.11.200:80";
    read(&format!(
        "-A {key} {service}\n-a {key} -r 10.0.0.1:80 {server}\n"
    ))
}

#[test]
fn table_of_ipvsadm_is_imported() {
    let table = "\
        -A -t 192.168.11.200:80 -s mh -p 600 -M 255.255.255.0 -b mh-fallback,mh-port\n\
        -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 3\n\
        -A -u [2001:db8::200]:5060 -s wlc -p 90 -M 64 --pe sip\n\
        -a -u [2001:db8::200]:5060 -r [2001:db8::21]:5060 -g -w 1\n\
        -A -f 7 -s rr -o\n\
        -a -f 7 -r 192.168.11.21:0 -g -w 0 -x 100 -y 80\n\
        -A --sctp-service 192.168.11.200:3868 -s wlc\n\
        -a --sctp-service 192.168.11.200:3868 -r 192.168.11.21:3869 -m -w 1\n";
    let (config, imported) = read(table);
    let [mh, sip, mark, sctp] = &*config.virtual_services else {
        panic!("{}", imported.yaml);
    };
    assert_eq!(mh.scheduler.as_str(), "mh");
    assert_eq!(mh.flags, ServiceFlags::FALLBACK.union(ServiceFlags::PORT));
    let kept = |timeout_seconds, netmask, engine: Option<&str>| {
        Some(Persistence {
            timeout_seconds,
            netmask,
            engine: engine.map(str::to_owned),
        })
    };
    assert_eq!(mh.persistence, kept(600, 0xffff_ff00, None));
    assert_eq!(sip.persistence, kept(90, 64, Some("sip")));
    assert_eq!(mark.key.family(), Family::Ipv4);
    assert_eq!(mark.flags, ServiceFlags::ONE_PACKET);
    let server = &mark.real_servers[0];
    assert_eq!((server.upper_threshold, server.lower_threshold), (100, 80));
    assert_eq!(sctp.forwarding, Forwarding::Masquerade);
    assert_eq!(sctp.real_servers[0].key.0.port(), 3869);
}

#[test]
fn tunnels_are_imported() {
    let port = 6080.try_into().unwrap();
    for (options, tunnel) in [
        ("-i", Tunnel::Ipip),
        ("-i --tun-type ipip", Tunnel::Ipip),
        (
            "-i --tun-type gue --tun-port 6080 --tun-nocsum",
            Tunnel::Gue {
                port,
                checksum: Checksum::None,
            },
        ),
        (
            "-i --tun-type gue --tun-port 6080 --tun-remcsum",
            Tunnel::Gue {
                port,
                checksum: Checksum::Remote,
            },
        ),
        (
            "-i --tun-type gre --tun-csum",
            Tunnel::Gre { checksum: true },
        ),
    ] {
        let (config, _) = one("", options);
        let forwarding = config.virtual_services[0].forwarding;
        assert_eq!(forwarding, Forwarding::Tunnel(tunnel), "{options}");
    }
    for (options, expected) in [
        ("-i --tun-type gue", "needs `--tun-port`"),
        ("-i --tun-type odd", "none of ipip, gue and gre"),
        ("-w", "`-w` has no value"),
        ("-w many", "`-w many` is no number"),
    ] {
        let table = format!("-A -t 10.1.0.1:80\n-a -t 10.1.0.1:80 -r 10.0.0.1 {options}\n");
        let text = refused(Format::Ipvsadm, &table);
        assert!(
            text.starts_with("test:2: ") && text.contains(expected),
            "{text}"
        );
    }
}

#[test]
fn forwarding_of_each_real_server_is_imported_as_it_is() {
    let key = "-t 192.168.11.200:80";
    let table = format!(
        "-A {key}\n-a {key} -r 10.0.0.1:8080 -m\n-a {key} -r 10.0.0.2:80 -g\n\
         -a {key} -r 10.0.0.3:80 -g\n-a {key} -r 10.0.0.4:80 -i --tun-type gre\n"
    );
    let (config, imported) = read(&table);
    let service = &config.virtual_services[0];
    assert_eq!(service.forwarding, Forwarding::Direct);
    let forwarding = |server: &RealServer| (server.forwarding, server.key.0.port());
    let gre = Forwarding::Tunnel(Tunnel::Gre { checksum: false });
    assert_eq!(
        service
            .real_servers
            .iter()
            .map(forwarding)
            .collect::<Vec<_>>(),
        [
            (Some(Forwarding::Masquerade), 8080),
            (None, 80),
            (None, 80),
            (Some(gre), 80)
        ]
    );
    assert_eq!(imported.notes.len(), 1, "{:#?}", imported.notes);
}

#[test]
fn tunnel_of_each_real_server_is_imported_as_it_is() {
    let key = "-t 192.168.11.200:80";
    let gue = "-i --tun-type gue --tun-port 6080 --tun-nocsum";
    let table = format!(
        "-A {key}\n-a {key} -r 10.0.0.1:80 {gue}\n-a {key} -r 10.0.0.2:80 {gue}\n\
         -a {key} -r 10.0.0.3:80 -i\n"
    );
    let (config, imported) = read(&table);
    let service = &config.virtual_services[0];
    let members = service.members().map(|member| member.forwarding);
    let members: Vec<_> = members.collect();
    assert_eq!(members[0], members[1], "{}", imported.yaml);
    assert!(matches!(members[0], Forwarding::Tunnel(Tunnel::Gue { .. })));
    assert_eq!(members[2], Forwarding::Tunnel(Tunnel::Ipip));
}

#[test]
fn table_has_no_checks_and_each_protocol_gets_one() {
    let line = |option: &str, address: &str| {
        format!("-A {option} {address}\n-a {option} {address} -r 10.0.0.1\n")
    };
    let table = line("-t", "10.1.0.1:80")
        + &line("-u", "10.1.0.1:80")
        + &line("--sctp-service", "10.1.0.1:80")
        + &line("-f", "1");
    let (config, imported) = read(&table);
    let kinds: Vec<_> = config
        .virtual_services
        .iter()
        .map(|one| &one.check.kind)
        .collect();
    assert!(matches!(
        &*kinds,
        [
            CheckKind::Stream(_),
            CheckKind::Udp(_),
            CheckKind::Ping,
            CheckKind::Ping
        ]
    ));
    for number in [1, 3, 5, 7] {
        assert!(
            has_note(&imported, number, "have no check there"),
            "{:#?}",
            imported.notes
        );
    }
}

#[test]
fn lines_outside_of_services_are_noted_or_imported() {
    let table = "# by hand\nipvsadm -C\n/sbin/ipvsadm --set 900 0 300\n\
                 --start-daemon master --mcast-interface eth0\n\
                 -A -t 10.1.0.1:80 -s rr --persistent=60 --odd\n\
                 -a -t 10.1.0.1:80 -r 10.0.0.1 -w 2\n-e -t 10.1.0.1:80 -r 10.0.0.1 -w 3\n\
                 -A -t 10.1.0.1:0\n-a -t 10.1.0.1:0 -r 10.0.0.1\n\
                 -A -t www:http\n-a -t www:http -r 10.0.0.1\n";
    let (config, imported) = read(table);
    let timeouts: Vec<_> = config.director.timeouts.values().copied().collect();
    assert_eq!(timeouts, [900, 300], "{}", imported.yaml);
    assert_eq!(config.virtual_services.len(), 1);
    for (line, expected) in [
        (4, "`--start-daemon` is left out"),
        (5, "`--odd` is left out"),
        (7, "it changes what lines before it made"),
        (8, "every port of 10.1.0.1 is left out"),
        (10, "names are not looked up"),
        (11, "left out, like its service"),
    ] {
        assert!(
            has_note(&imported, line, expected),
            "{line} {:#?}",
            imported.notes
        );
    }
}

#[test]
fn refuses_text_that_is_not_a_table_and_names_the_line() {
    for (table, expected) in [
        (
            "IP Virtual Server version 1.2.1\n",
            "begins no line of `ipvsadm -S -n`",
        ),
        (
            "-a -t 10.1.0.1:80 -r 10.0.0.1:80\n",
            "has no line `-A` before",
        ),
        ("-A -s rr\n", "names no service"),
        (
            "-A -t 10.1.0.1:80\n-a -t 10.1.0.1:80\n",
            "names no real server",
        ),
        ("--set 1 2\n", "three numbers"),
    ] {
        let text = refused(Format::Ipvsadm, table);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn numbers_above_our_maximum_are_limited_or_noted() {
    let (config, imported) = one("-p 99999999999999999999", "-w 99999999999");
    let service = &config.virtual_services[0];
    assert_eq!(
        service.persistence.as_ref().unwrap().timeout_seconds,
        24 * 24 * 3600
    );
    assert!(
        has_note(&imported, 1, "24days is written"),
        "{:#?}",
        imported.notes
    );
    assert_eq!(
        service.real_servers[0].weight.get(),
        i32::MAX.unsigned_abs()
    );
}

/// A service as the kernel has it.
#[derive(Debug, Clone)]
struct Planned {
    key: ServiceKey,
    scheduler: &'static str,
    flags: ServiceFlags,
    persistence: Option<Persistence>,
    forwarding: Forwarding,
    /// The last number of its address, its port and its weight.
    real_servers: Vec<(u8, u16, u32)>,
}

fn forwardings() -> impl Strategy<Value = Forwarding> {
    let port = (1_u16..).prop_map(|port| port.try_into().unwrap());
    let checksums = prop_oneof![
        Just(Checksum::None),
        Just(Checksum::Sum),
        Just(Checksum::Remote)
    ];
    prop_oneof![
        Just(Forwarding::Direct),
        Just(Forwarding::Masquerade),
        Just(Forwarding::Tunnel(Tunnel::Ipip)),
        any::<bool>().prop_map(|checksum| Forwarding::Tunnel(Tunnel::Gre { checksum })),
        (port, checksums)
            .prop_map(|(port, checksum)| Forwarding::Tunnel(Tunnel::Gue { port, checksum })),
    ]
}

fn keys() -> impl Strategy<Value = ServiceKey> {
    let protocols = prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Sctp)
    ];
    prop_oneof![
        (protocols, any::<bool>(), 1_u16..).prop_map(|(protocol, is_ipv6, port)| {
            let host = if is_ipv6 {
                "2001:db8::c8"
            } else {
                "192.168.11.200"
            };
            let address = SocketAddr::new(host.parse().unwrap(), port);
            ServiceKey::Address { protocol, address }
        }),
        (1_u32.., any::<bool>()).prop_map(|(mark, is_ipv6)| ServiceKey::Fwmark {
            mark: mark.try_into().unwrap(),
            family: if is_ipv6 { Family::Ipv6 } else { Family::Ipv4 },
        }),
    ]
}

fn planned() -> impl Strategy<Value = Planned> {
    let servers = proptest::collection::btree_map(1_u8..100, (1_u16.., 0_u32..70_000), 1..5);
    let persistences = proptest::option::of((1_u32..1000, 1_u8..=32));
    let schedulers = prop_oneof![Just("wlc"), Just("rr"), Just("sh"), Just("mh")];
    (
        keys(),
        schedulers,
        0_u32..4,
        persistences,
        forwardings(),
        servers,
    )
        .prop_map(|(key, scheduler, bits, persistence, forwarding, servers)| {
            let is_of_flags = ["sh", "mh"].contains(&scheduler);
            let port = match key {
                ServiceKey::Address { address, .. } => address.port(),
                ServiceKey::Fwmark { .. } => 0,
            };
            let real_servers = servers.into_iter().map(|(last, (own, weight))| {
                let translates = forwarding.translates_ports();
                (last, if translates { own } else { port }, weight)
            });
            Planned {
                key,
                scheduler,
                flags: ServiceFlags::from_bits(if is_of_flags { bits << 3 } else { 0 }),
                persistence: persistence.map(|(timeout_seconds, length)| Persistence {
                    timeout_seconds,
                    netmask: match key.family() {
                        Family::Ipv4 => u32::MAX << (32 - u32::from(length)),
                        Family::Ipv6 => length.into(),
                    },
                    engine: None,
                }),
                forwarding,
                real_servers: real_servers.collect(),
            }
        })
}

/// The lines of `ipvsadm -S -n`, by its `print_service_entry` and `print_dest`.
fn saved(planned: &Planned) -> String {
    let name = match planned.key {
        ServiceKey::Address { protocol, address } => match protocol {
            Protocol::Tcp => format!("-t {address}"),
            Protocol::Udp => format!("-u {address}"),
            Protocol::Sctp => format!("--sctp-service {address}"),
        },
        ServiceKey::Fwmark {
            mark,
            family: Family::Ipv4,
        } => format!("-f {mark}"),
        ServiceKey::Fwmark {
            mark,
            family: Family::Ipv6,
        } => format!("-f {mark} -6"),
    };
    let mut text = format!("-A {name} -s {}", planned.scheduler);
    if let Some(Persistence {
        timeout_seconds,
        netmask,
        ..
    }) = &planned.persistence
    {
        let _ = write!(text, " -p {timeout_seconds}");
        let _ = match planned.key.family() {
            Family::Ipv4 => write!(text, " -M {}", std::net::Ipv4Addr::from(*netmask)),
            Family::Ipv6 => write!(text, " -M {netmask}"),
        };
    }
    let flags = [
        (ServiceFlags::FALLBACK, "fallback"),
        (ServiceFlags::PORT, "port"),
    ];
    let flags: Vec<_> = flags
        .into_iter()
        .filter(|(flag, _)| planned.flags.contains(*flag))
        .map(|(_, flag)| format!("{}-{flag}", planned.scheduler))
        .collect();
    if !flags.is_empty() {
        let _ = write!(text, " -b {}", flags.join(","));
    }
    for (last, port, weight) in &planned.real_servers {
        let address = real_server(planned, *last, *port).0;
        let _ = write!(
            text,
            " \n-a {name} -r {address} {} -w {weight}",
            method(planned)
        );
    }
    text + "\n"
}

fn method(planned: &Planned) -> String {
    match planned.forwarding {
        Forwarding::Masquerade => "-m".to_owned(),
        Forwarding::Local | Forwarding::Direct => "-g".to_owned(),
        Forwarding::Tunnel(Tunnel::Ipip) => "-i --tun-type ipip".to_owned(),
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            format!(
                "-i --tun-type gre --tun-{}",
                if checksum { "csum" } else { "nocsum" }
            )
        }
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            let checksum = match checksum {
                Checksum::None => "nocsum",
                Checksum::Sum => "csum",
                Checksum::Remote => "remcsum",
            };
            format!("-i --tun-type gue --tun-port {port} --tun-{checksum}")
        }
    }
}

fn real_server(planned: &Planned, last: u8, port: u16) -> RealServerKey {
    let address = match planned.key.family() {
        Family::Ipv4 => format!("10.0.0.{last}"),
        Family::Ipv6 => format!("2001:db8:1::{last}"),
    };
    RealServerKey(SocketAddr::new(address.parse().unwrap(), port))
}

proptest! {
    #[test]
    fn every_table_that_we_plan_is_the_same_when_it_is_imported(
        services in proptest::collection::vec(planned(), 1..5)
    ) {
        let mut services = services;
        let mut seen = std::collections::BTreeSet::new();
        services.retain(|service| seen.insert(service.key));
        let table: String = services.iter().map(saved).collect();
        let (config, imported) = read(&table);
        prop_assert_eq!(config.virtual_services.len(), services.len());
        for (found, planned) in config.virtual_services.iter().zip(&services) {
            prop_assert_eq!(found.key, planned.key, "{}", imported.yaml);
            prop_assert_eq!(found.scheduler.as_str(), planned.scheduler);
            prop_assert_eq!(found.flags, planned.flags);
            prop_assert_eq!(&found.persistence, &planned.persistence);
            prop_assert_eq!(found.forwarding, planned.forwarding);
            let servers: Vec<_> = found
                .real_servers
                .iter()
                .map(|server| (server.key, server.weight.get()))
                .collect();
            let wanted: Vec<_> = planned
                .real_servers
                .iter()
                .map(|(last, port, weight)| (real_server(planned, *last, *port), *weight))
                .collect();
            prop_assert_eq!(servers, wanted, "{}", imported.yaml);
        }
    }
}

#[test]
fn service_of_every_port_is_read_if_it_is_persistent() {
    let table = "-A -t 10.1.0.1:0 -s wrr -p 300\n-a -t 10.1.0.1:0 -r 10.0.0.1:0 -g -w 2\n";
    let (config, imported) = read(table);
    assert!(
        imported.yaml.contains("address: 10.1.0.1:*\n"),
        "{}",
        imported.yaml
    );
    let [service] = config.virtual_services.as_slice() else {
        panic!("{}", imported.yaml);
    };
    assert_eq!(service.key.to_string(), "tcp 10.1.0.1:0");
    assert_eq!(&*service.name, "10.1.0.1-every-port");
    let real_server = &service.real_servers[0];
    assert_eq!(real_server.key.to_string(), "10.0.0.1:0");
}
