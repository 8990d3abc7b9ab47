use super::*;
use crate::model::{Persistence, Scheduler, ServiceFlags};

#[test]
fn an_error_number_means_what_the_operation_makes_of_it() {
    let add = Step::AddService {
        key: key("tcp 192.168.11.200:80"),
        service: service("wlc", None),
    };
    let remove = Step::RemoveDestination {
        service: key("tcp 192.168.11.200:80"),
        key: real_server("192.168.11.21:80"),
    };
    let eperm = Errno::PERM.raw_os_error();
    let einval = Errno::INVAL.raw_os_error();
    for (write, number, cause) in [
        (&add, ENOENT, Cause::NoScheduler("wlc".to_owned())),
        (&add, EEXIST, Cause::Exists),
        (&add, ESRCH, Cause::Missing),
        (&remove, ENOENT, Cause::Missing),
        (&remove, ESRCH, Cause::Missing),
        (&remove, einval, Cause::Errno(einval)),
        (&remove, eperm, Cause::NotPermitted),
    ] {
        let found = Failure::Errno(number).cause(|number| write_refusal(write, number));
        assert_eq!(found, cause);
    }
}

#[test]
fn a_missing_module_may_be_the_persistence_engines() {
    let persistence = Persistence {
        timeout_seconds: 300,
        netmask: u32::MAX,
        engine: Some("sip".to_owned()),
    };
    let add = Step::AddService {
        key: key("udp 192.168.11.200:5060"),
        service: service("rr", Some(persistence)),
    };
    assert_eq!(
        write_refusal(&add, ENOENT),
        Cause::NoSchedulerOrEngine("rr".to_owned(), "sip".to_owned())
    );
}

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn real_server(text: &str) -> RealServerKey {
    text.parse().unwrap()
}

fn service(scheduler: &str, persistence: Option<Persistence>) -> Service {
    Service {
        scheduler: scheduler.parse::<Scheduler>().unwrap(),
        flags: ServiceFlags::default(),
        persistence,
    }
}

/// Against a kernel with IPVS, each in a network namespace of its own, with
/// ipvsadm(8) as the witness.
mod lab {
    use std::net::{Ipv4Addr, SocketAddr};

    use expect_test::expect;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::kernel::namespace::{drop_capabilities, give_way_after, in_namespace, run};
    use crate::model::{Destination, Forwarding, Tunnel, Weight};

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn every_kind_of_service_reaches_the_kernel_as_ipvsadm_shows_it() {
        in_namespace(async || {
            let mut table = KernelIpvs::new();
            let services = services();
            let writes: Vec<_> = services
                .iter()
                .map(|(key, service)| Step::AddService {
                    key: *key,
                    service: service.clone(),
                })
                .collect();
            assert_eq!(causes(&mut table, &writes).await, []);
            expect![[r"
                -A --sctp-service 192.168.11.200:3868 -s sh -b sh-fallback
                -A -f 10 -6 -s rr -p 120
                -A -f 10 -s rr
                -A -t 192.168.11.200:443 -s wlc -p 300
                -A -t 192.168.11.200:80 -s wlc
                -A -t 192.168.11.200:8080 -s wlc -p 60 -M 255.255.255.0
                -A -t [2001:db8::200]:443 -s wlc -p 300 -M 64
                -A -t [2001:db8::200]:80 -s wrr
                -A -u 192.168.11.200:5060 -s rr -p 90 --pe sip
                -A -u 192.168.11.200:53 -s rr -o
            "]]
            .assert_eq(&saved());
            assert_eq!(observed(&mut table).await, services);

            let rr = || service("rr", None);
            let writes: Vec<_> = services
                .keys()
                .map(|key| Step::SetService {
                    key: *key,
                    from: services[key].clone(),
                    to: rr(),
                })
                .collect();
            assert_eq!(causes(&mut table, &writes).await, []);
            let expected = services.keys().map(|key| (*key, rr())).collect();
            assert_eq!(observed(&mut table).await, expected);

            let writes: Vec<_> = services
                .keys()
                .map(|key| Step::RemoveService { key: *key })
                .collect();
            assert_eq!(causes(&mut table, &writes).await, []);
            assert_eq!(saved(), "");
        });
    }

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn every_kind_of_real_server_reaches_the_kernel_as_ipvsadm_shows_it() {
        in_namespace(async || {
            let mut table = KernelIpvs::new();
            let mut writes = Vec::new();
            let mut expected = BTreeMap::new();
            for (service_key, destinations) in destinations() {
                writes.push(Step::AddService {
                    key: service_key,
                    service: service("wlc", None),
                });
                for (key, destination) in &destinations {
                    writes.push(Step::AddDestination {
                        service: service_key,
                        key: *key,
                        destination: *destination,
                    });
                }
                expected.insert(service_key, destinations);
            }
            assert_eq!(causes(&mut table, &writes).await, []);
            expect![[r"
                -A -f 10 -s wlc
                -A -t 192.168.11.200:80 -s wlc
                -A -t [2001:db8::200]:80 -s wlc
                -a -f 10 -r 192.168.11.21:0 -g -w 4
                -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1
                -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w 2
                -a -t 192.168.11.200:80 -r 192.168.11.23:8080 -m -w 0
                -a -t 192.168.11.200:80 -r 192.168.11.24:80 -i -w 2147483647 --tun-type ipip
                -a -t [2001:db8::200]:80 -r 192.168.11.21:80 -i -w 1 --tun-type ipip
                -a -t [2001:db8::200]:80 -r [2001:db8::21]:80 -g -w 3
            "]]
            .assert_eq(&saved());
            // -S leaves the thresholds out.
            let thresholds = ipvsadm("-Ln -t 192.168.11.200:80 --thresholds");
            let limited = thresholds
                .lines()
                .find(|line| line.contains("192.168.11.22:80"))
                .map(|line| line.split_whitespace().skip(2).take(2).collect::<Vec<_>>());
            assert_eq!(limited, Some(vec!["100", "80"]), "{thresholds}");
            for (service, destinations) in expected {
                assert_eq!(real_servers(&mut table, &service).await, destinations);
                let writes: Vec<_> = destinations
                    .keys()
                    .map(|key| Step::SetDestination {
                        service,
                        key: *key,
                        from: direct(1),
                        to: direct(0),
                    })
                    .collect();
                // Another family than the service's is for tunnels only.
                if service.vip().is_none_or(|vip| vip.is_ipv4()) {
                    assert_eq!(causes(&mut table, &writes).await, []);
                    let quiesced = destinations.keys().map(|key| (*key, direct(0))).collect();
                    assert_eq!(real_servers(&mut table, &service).await, quiesced);
                }
                let writes: Vec<_> = destinations
                    .keys()
                    .map(|key| Step::RemoveDestination { service, key: *key })
                    .collect();
                assert_eq!(causes(&mut table, &writes).await, []);
                assert!(table.destinations(&service).await.unwrap().is_empty());
            }
        });
    }

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn a_refusal_says_why_and_does_not_stop_the_rest() {
        in_namespace(async || {
            let mut table = KernelIpvs::new();
            let vip = key("tcp 192.168.11.200:80");
            let rs1 = real_server("192.168.11.21:80");
            let add = |scheduler| Step::AddService {
                key: vip,
                service: service(scheduler, None),
            };
            let add_destination = |destination| Step::AddDestination {
                service: vip,
                key: rs1,
                destination,
            };
            let set_destination = |to| Step::SetDestination {
                service: vip,
                key: rs1,
                from: direct(1),
                to,
            };
            let remove_destination = || Step::RemoveDestination {
                service: vip,
                key: rs1,
            };
            let thresholds = Destination {
                lower_threshold: 5,
                ..direct(1)
            };
            let erange = Cause::Errno(Errno::RANGE.raw_os_error());
            let writes = [
                (
                    add("nonesuch"),
                    Some(Cause::NoScheduler("nonesuch".to_owned())),
                ),
                (add_destination(direct(1)), Some(Cause::Missing)),
                (set_destination(direct(1)), Some(Cause::Missing)),
                (remove_destination(), Some(Cause::Missing)),
                (Step::RemoveService { key: vip }, Some(Cause::Missing)),
                (add("wlc"), None),
                (add("wlc"), Some(Cause::Exists)),
                (set_destination(direct(1)), Some(Cause::Missing)),
                (remove_destination(), Some(Cause::Missing)),
                (add_destination(thresholds), Some(erange.clone())),
                (add_destination(direct(1)), None),
                (add_destination(direct(1)), Some(Cause::Exists)),
                (set_destination(thresholds), Some(erange)),
                (set_destination(direct(7)), None),
            ];
            let (writes, expected): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
            let found: Vec<_> = table
                .write(&writes)
                .await
                .into_iter()
                .map(|result| result.err().map(|error| error.cause))
                .collect();
            assert_eq!(found, expected);
            expect![[r"
                -A -t 192.168.11.200:80 -s wlc
                -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 7
            "]]
            .assert_eq(&saved());
        });
    }

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn changes_of_another_program_are_seen_and_an_empty_table_is_empty() {
        in_namespace(async || {
            let mut table = KernelIpvs::new();
            let vip = key("tcp 192.168.11.200:80");
            assert!(table.services().await.unwrap().is_empty());
            assert!(table.destinations(&vip).await.unwrap().is_empty());
            ipvsadm("-A -t 192.168.11.200:80 -s wlc");
            ipvsadm("-a -t 192.168.11.200:80 -r 192.168.11.21 -g");
            let expected = [(vip, service("wlc", None))].into();
            assert_eq!(observed(&mut table).await, expected);
            let expected = [(real_server("192.168.11.21:80"), direct(1))].into();
            assert_eq!(real_servers(&mut table, &vip).await, expected);
            ipvsadm("-D -t 192.168.11.200:80");
            assert!(table.services().await.unwrap().is_empty());
            assert!(table.destinations(&vip).await.unwrap().is_empty());
        });
    }

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn five_thousand_real_servers_are_written_and_read_back() {
        in_namespace(async || {
            let mut table = KernelIpvs::new();
            let vip = key("tcp 192.168.11.200:80");
            let expected: BTreeMap<_, _> = (0..5000_u32)
                .map(|number| {
                    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 0)) + number);
                    let key = RealServerKey(SocketAddr::from((address, 80)));
                    (key, direct(number % 100))
                })
                .collect();
            let mut writes = vec![Step::AddService {
                key: vip,
                service: service("wlc", None),
            }];
            writes.extend(
                expected
                    .iter()
                    .map(|(key, destination)| Step::AddDestination {
                        service: vip,
                        key: *key,
                        destination: *destination,
                    }),
            );
            assert_eq!(causes(&mut table, &writes).await, []);
            assert_eq!(real_servers(&mut table, &vip).await, expected);
            let lines = saved().lines().count();
            assert_eq!(lines, 5001);
        });
    }

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn many_services_are_read_back() {
        in_namespace(async || {
            let mut table = KernelIpvs::new();
            let expected: BTreeMap<_, _> = (1..=2000_u16)
                .map(|port| {
                    let address = SocketAddr::from((Ipv4Addr::new(192, 168, 11, 200), port));
                    let key = key(&format!("tcp {address}"));
                    (key, service("rr", None))
                })
                .collect();
            let writes: Vec<_> = expected
                .iter()
                .map(|(key, service)| Step::AddService {
                    key: *key,
                    service: service.clone(),
                })
                .collect();
            assert_eq!(causes(&mut table, &writes).await, []);
            assert_eq!(observed(&mut table).await, expected);
        });
    }

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn without_the_capability_nothing_is_permitted() {
        in_namespace(async || {
            drop_capabilities();
            let mut table = KernelIpvs::new();
            let error = table.services().await.unwrap_err();
            assert_eq!(error.cause, Cause::NotPermitted);
            let vip = key("tcp 192.168.11.200:80");
            let error = table.destinations(&vip).await.unwrap_err();
            assert_eq!(error.cause, Cause::NotPermitted);
            let write = Step::RemoveService { key: vip };
            let expected = (write.operation(), Cause::NotPermitted);
            assert_eq!(causes(&mut table, &[write]).await, [expected]);
        });
    }

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn a_cancelled_request_leaves_nothing_behind() {
        in_namespace(async || {
            let mut table = KernelIpvs::new();
            let vip = key("tcp 192.168.11.200:80");
            let add = Step::AddService {
                key: vip,
                service: service("wlc", None),
            };
            assert_eq!(causes(&mut table, &[add]).await, []);
            give_way_after(0).await;
            assert!(table.destinations(&vip).now_or_never().is_none());
            assert_eq!(observed(&mut table).await.len(), 1);
            let remove = [Step::RemoveService { key: vip }];
            give_way_after(0).await;
            assert!(table.write(&remove).now_or_never().is_none());
            assert!(table.destinations(&vip).await.unwrap().is_empty());
        });
    }

    #[test]
    #[ignore = "needs an IPVS kernel: run by tests/run.sh in the lab"]
    fn the_version_is_known() {
        in_namespace(async || {
            let info = KernelIpvs::new().info().await.unwrap();
            assert_eq!(info.version, [1, 2, 1]);
            assert!(info.connection_table_size.is_power_of_two(), "{info}");
        });
    }

    fn services() -> BTreeMap<ServiceKey, Service> {
        let persistent = |timeout_seconds, netmask, engine: Option<&str>| {
            Some(Persistence {
                timeout_seconds,
                netmask,
                engine: engine.map(str::to_owned),
            })
        };
        let one_packet = Service {
            flags: ServiceFlags::from_bits(0x4),
            ..service("rr", None)
        };
        let fallback = Service {
            flags: ServiceFlags::from_bits(0x8),
            ..service("sh", None)
        };
        [
            ("tcp 192.168.11.200:80", service("wlc", None)),
            ("udp 192.168.11.200:53", one_packet),
            ("sctp 192.168.11.200:3868", fallback),
            ("tcp [2001:db8::200]:80", service("wrr", None)),
            (
                "tcp 192.168.11.200:443",
                service("wlc", persistent(300, u32::MAX, None)),
            ),
            (
                "tcp 192.168.11.200:8080",
                service("wlc", persistent(60, 0xffff_ff00, None)),
            ),
            (
                "tcp [2001:db8::200]:443",
                service("wlc", persistent(300, 64, None)),
            ),
            (
                "udp 192.168.11.200:5060",
                service("rr", persistent(90, u32::MAX, Some("sip"))),
            ),
            ("fwmark 10 ipv4", service("rr", None)),
            ("fwmark 10 ipv6", service("rr", persistent(120, 128, None))),
        ]
        .into_iter()
        .map(|(name, service)| (key(name), service))
        .collect()
    }

    fn destinations() -> BTreeMap<ServiceKey, BTreeMap<RealServerKey, Destination>> {
        let by = |forwarding, weight| Destination {
            forwarding,
            ..direct(weight)
        };
        let limited = Destination {
            upper_threshold: 100,
            lower_threshold: 80,
            ..direct(2)
        };
        let largest = Weight::MAX.get();
        [
            (
                "tcp 192.168.11.200:80",
                vec![
                    ("192.168.11.21:80", direct(1)),
                    ("192.168.11.22:80", limited),
                    ("192.168.11.23:8080", by(Forwarding::Masquerade, 0)),
                    (
                        "192.168.11.24:80",
                        by(Forwarding::Tunnel(Tunnel::Ipip), largest),
                    ),
                ],
            ),
            (
                "tcp [2001:db8::200]:80",
                vec![
                    ("[2001:db8::21]:80", direct(3)),
                    ("192.168.11.21:80", by(Forwarding::Tunnel(Tunnel::Ipip), 1)),
                ],
            ),
            ("fwmark 10 ipv4", vec![("192.168.11.21:0", direct(4))]),
        ]
        .into_iter()
        .map(|(name, destinations)| {
            let destinations = destinations
                .into_iter()
                .map(|(name, destination)| (real_server(name), destination))
                .collect();
            (key(name), destinations)
        })
        .collect()
    }

    fn direct(weight: u32) -> Destination {
        Destination {
            forwarding: Forwarding::Direct,
            weight: Weight::new(weight).unwrap(),
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    /// The writes that failed, and why.
    async fn causes(table: &mut KernelIpvs, writes: &[Step]) -> Vec<(String, Cause)> {
        let results = table.write(writes).await;
        assert_eq!(results.len(), writes.len());
        results
            .into_iter()
            .filter_map(Result::err)
            .map(|error| (error.operation, error.cause))
            .collect()
    }

    async fn observed(table: &mut KernelIpvs) -> BTreeMap<ServiceKey, Service> {
        let services = table.services().await.unwrap();
        services
            .into_iter()
            .map(|(key, observed)| (key, observed.service))
            .collect()
    }

    async fn real_servers(
        table: &mut KernelIpvs,
        service: &ServiceKey,
    ) -> BTreeMap<RealServerKey, Destination> {
        let destinations = table.destinations(service).await.unwrap();
        destinations
            .into_iter()
            .map(|(key, observed)| (key, observed.destination))
            .collect()
    }

    fn ipvsadm(arguments: &str) -> String {
        run("ipvsadm", arguments)
    }

    /// The whole table, sorted, for the kernel lists it by hash.
    fn saved() -> String {
        let saved = ipvsadm("-Sn");
        let mut lines: Vec<_> = saved.lines().map(str::trim_end).collect();
        lines.sort_unstable();
        lines.push("");
        lines.join("\n")
    }
}
