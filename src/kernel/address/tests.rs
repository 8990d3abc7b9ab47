use super::*;

#[test]
fn the_first_free_label_is_taken() {
    let label = |interface, taken: &[&str]| free_label(interface, &taken.iter().copied().collect());
    assert_eq!(label("lo", &["lo"]), "lo:0");
    assert_eq!(label("eth0", &["eth0", "eth0:0", "eth0:2"]), "eth0:1");
    assert_eq!(label("eth0", &["eth0:0", "eth0:1"]), "eth0:2");
    assert_eq!(label("eth0", &["eth0:vip", "eth0:00"]), "eth0:0");
}

#[test]
fn a_label_is_no_longer_than_the_kernel_takes() {
    let taken = BTreeSet::new();
    assert_eq!(free_label("enp0s31f6.100", &taken), "enp0s31f6.100:0");
    assert_eq!(free_label("enp0s31f6.1000", &taken), "enp0s31f6.1000");
}

#[test]
fn an_ipv6_address_is_preferred_for_no_time_and_valid_for_ever() {
    let preferred = &lifetimes()[..4];
    let valid = &lifetimes()[4..8];
    assert_eq!((preferred, valid), (&[0; 4][..], &[0xff; 4][..]));
}

/// Against this machine's kernel, each in a network namespace of its own, with
/// ip(8) as the witness.
mod netns {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::kernel::namespace::{drop_capabilities, give_way_after, in_namespace, run};

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn a_list_is_whole_or_an_error_while_another_hand_writes() {
        in_namespace(async || {
            ip("link add eth0 type veth peer name eth1");
            // So many that the kernel hands them out in several pieces.
            let many =
                (0..2000).map(|n| format!("address add 10.0.{}.{}/32 dev eth0", n / 250, n % 250));
            let batch = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(batch.path(), many.collect::<Vec<_>>().join("\n")).unwrap();
            ip(&format!("-batch {}", batch.path().display()));
            let turn = "address add 10.1.0.1/32 dev eth0\naddress del 10.1.0.1/32 dev eth0\n";
            std::fs::write(batch.path(), turn.repeat(5000)).unwrap();
            let mut busy = std::process::Command::new("ip")
                .arg("-batch")
                .arg(batch.path())
                .spawn()
                .unwrap();
            let mut addresses = KernelAddresses::new();
            while busy.try_wait().unwrap().is_none() {
                match addresses.list("eth0").await {
                    Ok(list) => assert!((2000..=2001).contains(&list.len()), "{}", list.len()),
                    Err(error) => assert!(matches!(error.cause, Cause::Truncated(_)), "{error:?}"),
                }
            }
            assert!(busy.wait().unwrap().success());
            assert_eq!(addresses.list("eth0").await.unwrap().len(), 2000);
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn a_vip_on_an_ethernet_interface_stands_beside_its_lan_address() {
        in_namespace(async || {
            ip("link add eth0 type veth peer name eth1");
            ip("address add 192.168.11.10/24 dev eth0");
            let mut addresses = KernelAddresses::new();
            addresses.add(&on("eth0", "192.168.11.200")).await.unwrap();
            addresses.add(&on("eth0", "192.168.11.201")).await.unwrap();
            assert_eq!(
                shown("-4", "eth0"),
                [
                    "192.168.11.10/24 scope global eth0",
                    "192.168.11.200/32 scope global eth0:0",
                    "192.168.11.201/32 scope global eth0:1",
                ]
            );
            addresses
                .remove(&on("eth0", "192.168.11.200"))
                .await
                .unwrap();
            addresses.add(&on("eth0", "192.168.11.202")).await.unwrap();
            let list = addresses.list("eth0").await.unwrap();
            let expected = [
                ("192.168.11.10", 24, "eth0"),
                ("192.168.11.201", 32, "eth0:1"),
                ("192.168.11.202", 32, "eth0:0"),
            ];
            let expected: AddressList = expected
                .into_iter()
                .map(|(address, length, label)| {
                    ((address.parse().unwrap(), length), Some(label.to_owned()))
                })
                .collect();
            assert_eq!(list, expected);
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn a_vip_on_lo_is_what_ip_would_make_of_it() {
        in_namespace(async || {
            ip("address add 192.168.11.199/32 dev lo label lo:0");
            let mut addresses = KernelAddresses::new();
            addresses.add(&on("lo", "192.168.11.200")).await.unwrap();
            assert_eq!(
                shown("-4", "lo"),
                [
                    "192.168.11.199/32 scope global lo:0",
                    "192.168.11.200/32 scope global lo:1",
                ]
            );
            addresses.remove(&on("lo", "192.168.11.200")).await.unwrap();
            assert_eq!(shown("-4", "lo"), ["192.168.11.199/32 scope global lo:0"]);
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn an_ipv6_vip_is_usable_at_once_and_never_a_source() {
        in_namespace(async || {
            ip("link add eth0 type veth peer name eth1");
            ip("link set eth0 up");
            let mut addresses = KernelAddresses::new();
            for interface in ["eth0", "lo"] {
                let vip = on(interface, "2001:db8::200");
                addresses.add(&vip).await.unwrap();
                assert_eq!(
                    shown("-6", interface),
                    ["2001:db8::200/128 scope global nodad deprecated"]
                );
                let lifetimes = ip(&format!("-o -6 address show dev {interface} scope global"));
                assert!(
                    lifetimes.contains("valid_lft forever preferred_lft 0sec"),
                    "{lifetimes}"
                );
                let list = addresses.list(interface).await.unwrap();
                assert_eq!(list.get(&(vip.address, 128)), Some(&None));
                addresses.remove(&vip).await.unwrap();
                assert_eq!(shown("-6", interface), [""; 0]);
            }
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn a_refusal_says_why() {
        in_namespace(async || {
            ip("link add eth0 type veth peer name eth1");
            ip("address add 192.168.11.200/24 dev eth0");
            let mut addresses = KernelAddresses::new();
            let vip = on("eth0", "192.168.11.200");
            assert_eq!(cause(addresses.remove(&vip).await), Cause::Missing);
            addresses.add(&vip).await.unwrap();
            assert_eq!(cause(addresses.add(&vip).await), Cause::Exists);
            assert_eq!(
                shown("-4", "eth0"),
                [
                    "192.168.11.200/24 scope global eth0",
                    "192.168.11.200/32 scope global eth0:0",
                ]
            );
            addresses.remove(&vip).await.unwrap();
            assert_eq!(cause(addresses.remove(&vip).await), Cause::Missing);

            for name in ["eth7", "", "a-name-that-is-too-long"] {
                let missing = Cause::NoInterface(name.to_owned());
                assert_eq!(cause(addresses.list(name).await), missing);
                assert_eq!(cause(addresses.add(&on(name, "::1")).await), missing);
            }
            let error = addresses.add(&on("eth7", "192.168.11.200")).await;
            assert_eq!(
                error.unwrap_err().to_string(),
                "cannot add address 192.168.11.200/32 on eth7"
            );
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn ipv6_switched_off_is_named_as_the_cause() {
        in_namespace(async || {
            ip("link add eth0 type veth peer name eth1");
            std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1\n").unwrap();
            let added = KernelAddresses::new()
                .add(&on("eth0", "2001:db8::200"))
                .await;
            assert_eq!(cause(added), Cause::Ipv6Disabled("eth0".to_owned()));
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn without_the_capability_addresses_can_be_read_and_not_changed() {
        in_namespace(async || {
            drop_capabilities();
            let mut addresses = KernelAddresses::new();
            let vip = on("lo", "192.168.11.200");
            assert_eq!(cause(addresses.add(&vip).await), Cause::NotPermitted);
            assert_eq!(cause(addresses.remove(&vip).await), Cause::NotPermitted);
            assert!(!addresses.list("lo").await.unwrap().is_empty());
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn local_addresses_are_those_of_all_interfaces() {
        in_namespace(async || {
            ip("link add eth0 type veth peer name eth1");
            ip("address add 192.168.11.21/24 dev eth0");
            ip("address add 10.0.0.1 peer 10.0.0.2/32 dev eth1");
            ip("-6 address add 2001:db8::21/64 dev eth0 nodad");
            let local = Host::new().local().await.unwrap();
            let expected = [
                "127.0.0.1",
                "192.168.11.21",
                "10.0.0.1",
                "::1",
                "2001:db8::21",
            ];
            assert_eq!(
                local,
                expected.iter().map(|text| text.parse().unwrap()).collect()
            );
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn a_dump_of_many_messages_is_whole() {
        in_namespace(async || {
            use std::fmt::Write as _;

            let own = KernelAddresses::new().list("lo").await.unwrap().len();
            let mut batch = String::new();
            for (third, fourth) in (0..16).flat_map(|third| (0..250).map(move |n| (third, n))) {
                writeln!(batch, "address add 10.1.{third}.{fourth}/32 dev lo").unwrap();
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, batch).unwrap();
            ip(&format!("-batch {}", file.path().display()));
            let mut addresses = KernelAddresses::new();
            assert_eq!(addresses.list("lo").await.unwrap().len(), 4000 + own);
            addresses.add(&on("lo", "192.168.11.200")).await.unwrap();
            assert_eq!(addresses.list("lo").await.unwrap().len(), 4001 + own);

            // A dump that is given up half-way must not spoil the next.
            for answers in 1..4 {
                give_way_after(answers).await;
                assert!(addresses.list("lo").now_or_never().is_none());
                assert_eq!(addresses.list("lo").await.unwrap().len(), 4001 + own);
            }
        });
    }

    fn on(interface: &str, address: &str) -> LocalAddress {
        LocalAddress {
            interface: interface.to_owned(),
            address: address.parse().unwrap(),
        }
    }

    fn cause<T: std::fmt::Debug>(result: Result<T, KernelError>) -> Cause {
        result.unwrap_err().cause
    }

    fn ip(arguments: &str) -> String {
        run("ip", arguments)
    }

    /// The addresses of global scope of one interface, one a line, as ip(8)
    /// shows them, without their lifetimes.
    fn shown(family: &str, interface: &str) -> Vec<String> {
        ip(&format!(
            "-o {family} address show dev {interface} scope global"
        ))
        .lines()
        .map(|line| {
            let (address, _lifetimes) = line.split_once('\\').unwrap();
            let fields: Vec<_> = address.split_whitespace().skip(3).collect();
            fields.join(" ")
        })
        .collect()
    }
}
