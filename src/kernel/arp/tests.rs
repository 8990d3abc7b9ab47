/// Against this machine's kernel, each in a network namespace of its own.
mod netns {
    use super::super::*;
    use crate::kernel::namespace::{drop_capabilities, in_namespace, run};

    /// Beyond this, something hangs.
    const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

    /// eth0, and eth1 at the other end of the wire, which answers for all
    /// addresses of the host.
    fn wire() {
        run("ip", "link add eth0 type veth peer name eth1");
        run("ip", "address add 192.168.11.10/24 dev eth0 label eth0:9");
        run("ip", "address add 192.168.11.200/32 dev eth0");
        run("ip", "link set eth0 up");
        run("ip", "link set eth1 up");
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn question_comes_from_the_address_that_is_no_vip_and_reaches_the_other_end() {
        in_namespace(async || {
            wire();
            let mut host = Host::new();
            let here = ArpLink::open(&mut host, "eth0").await.unwrap();
            let there = ArpLink::open(&mut host, "eth1").await.unwrap();
            let vip: IpAddr = [192, 168, 11, 200].into();
            let own = here.own_addresses(&mut host, |address| address == vip);
            let own = own.await.unwrap();
            let other = there.own_addresses(&mut host, |_| true).await.unwrap();
            assert!(own.has(own.asker.mac) && own.has(other.asker.mac));
            assert_ne!(own.asker.mac, other.asker.mac);
            assert_eq!(own.asker.ipv4, Ipv4Addr::new(192, 168, 11, 10));
            let link_local = own.asker.ipv6.unwrap();
            assert!(link_local.is_unicast_link_local(), "{link_local}");
            assert_eq!(other.asker.ipv4, Ipv4Addr::UNSPECIFIED);
            let on_link = ["192.168.11.21", "fe80::21", "192.168.12.21", "2001:db8::21"]
                .map(|address| own.is_on_link(address.parse().unwrap()));
            assert_eq!(on_link, [true, true, false, false]);

            let vip6: IpAddr = "2001:db8::200".parse().unwrap();
            for asked in [vip, vip6] {
                here.ask(&own, asked).unwrap();
                let received = tokio::time::timeout(PATIENCE, async {
                    loop {
                        let received = there.recv().await.unwrap();
                        // The kernel does neighbour discovery of its own.
                        if received.question == Some(asked) {
                            break received;
                        }
                    }
                });
                assert_eq!(received.await.unwrap().from, own.asker.mac);
            }
        });
    }

    /// The audit takes answers so before it announces a VIP.
    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn message_that_has_arrived_is_taken_without_waiting() {
        in_namespace(async || {
            wire();
            let mut host = Host::new();
            let here = ArpLink::open(&mut host, "eth0").await.unwrap();
            let there = ArpLink::open(&mut host, "eth1").await.unwrap();
            let own = here.own_addresses(&mut host, |_| false).await.unwrap();
            for asked in ["192.168.11.21", "2001:db8::21"] {
                let asked: IpAddr = asked.parse().unwrap();
                here.ask(&own, asked).unwrap();
                // On veth a frame has arrived when it is sent.
                let received = std::iter::from_fn(|| there.try_recv().unwrap());
                let questions: Vec<_> = received.map(|message| message.question).collect();
                assert!(questions.contains(&Some(asked)), "{questions:?}");
            }
        });
    }

    /// The kernel's filter keeps all else of IPv6 from waking anybody up.
    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn traffic_is_not_received() {
        in_namespace(async || {
            wire();
            run("ip", "address add 2001:db8::10/64 dev eth0 nodad");
            run(
                "ip",
                "neigh add 2001:db8::21 lladdr 02:00:00:00:00:21 dev eth0",
            );
            let there = ArpLink::open(&mut Host::new(), "eth1").await.unwrap();
            let sender = std::net::UdpSocket::bind("[2001:db8::10]:0").unwrap();
            for _ in 0..100 {
                sender.send_to(b"?", "[2001:db8::21]:9").unwrap();
            }
            let taken = there.ipv6.async_io(Interest::READABLE, || {
                let mut frame = [0; LONGEST];
                let (length, _) = recvfrom::<LinkAddr>(there.ipv6.as_raw_fd(), &mut frame)?;
                Ok(frame[54..length][0])
            });
            // What there is is of the kernel's own neighbour discovery.
            let kind = tokio::time::timeout(std::time::Duration::from_millis(100), taken).await;
            assert!(
                !matches!(kind, Ok(Ok(kind)) if !(135..=136).contains(&kind)),
                "{kind:?}"
            );
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn unusable_interface_is_named() {
        in_namespace(async || {
            wire();
            let error = async |interface: &str| {
                let opened = ArpLink::open(&mut Host::new(), interface).await;
                opened.unwrap_err().to_string()
            };
            assert_eq!(error("eth7").await, "there is no interface `eth7`");
            assert_eq!(error("lo").await, "interface `lo` is not Ethernet");
            let link = ArpLink::open(&mut Host::new(), "eth0").await.unwrap();
            run("ip", "link del eth0");
            assert!(
                tokio::time::timeout(PATIENCE, async { while link.recv().await.is_ok() {} })
                    .await
                    .is_ok()
            );
            run("ip", "link add eth0 type veth peer name eth1");
            drop_capabilities();
            assert_eq!(error("eth0").await, "it needs CAP_NET_RAW");
        });
    }
}
