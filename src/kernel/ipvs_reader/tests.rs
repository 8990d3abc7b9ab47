/// Against this machine's kernel, in a network namespace of its own.
mod netns {
    use super::super::*;
    use crate::kernel::namespace::{in_namespace, run};

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn answers_from_a_vip_of_this_host_come_in_by_the_interface_that_has_it() {
        in_namespace(async || {
            run("ip", "link add eth0 type veth peer name eth1");
            run("ip", "address add 192.168.11.10/24 dev eth0");
            // As the agent makes it, with a label in the place of the interface.
            run("ip", "address add 192.168.11.200/32 dev eth0 label eth0:0");
            run("ip", "address add 192.168.11.201/32 dev lo");
            let source = IpAddr::from([192, 168, 11, 10]);
            let dropped_by_rp_filter = async |last| {
                let vip = IpAddr::from([192, 168, 11, last]);
                let found = IpvsReader::new()
                    .dropped_by_rp_filter(source, vip)
                    .await
                    .unwrap();
                found.map(|found| found.to_string())
            };
            let closed = Some("net.ipv4.conf.eth0.accept_local is 0".to_owned());
            let both = async || {
                [
                    dropped_by_rp_filter(200).await,
                    dropped_by_rp_filter(201).await,
                ]
            };
            assert_eq!(both().await, [closed.clone(), closed]);

            run("sysctl", "-q -w net.ipv4.conf.eth0.accept_local=1");
            run("sysctl", "-q -w net.ipv4.conf.eth0.rp_filter=1");
            assert_eq!(dropped_by_rp_filter(200).await, None);
            let strict = "net.ipv4.conf.eth0.rp_filter is 1 and the VIP is on another interface";
            assert_eq!(dropped_by_rp_filter(201).await.as_deref(), Some(strict));
            // The larger of the two counts, and 2 bars nothing.
            run("sysctl", "-q -w net.ipv4.conf.all.rp_filter=2");
            assert_eq!(both().await, [None, None]);
            assert_eq!(dropped_by_rp_filter(202).await, None, "no VIP of this host");
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn the_ports_are_those_that_this_host_connects_from() {
        in_namespace(async || {
            let range = "/proc/sys/net/ipv4/ip_local_port_range";
            std::fs::write(range, "40000 47999").unwrap();
            let ports = IpvsReader::new().local_ports().unwrap();
            assert_eq!(ports, Some((40_000, 47_999)));
        });
    }
}
