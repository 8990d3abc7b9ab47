use std::net::Ipv4Addr;

use super::*;
use crate::config::CheckKind;
use crate::model::ProbeResult;
use crate::probe::fixture::{ask, assert_outcome};

#[tokio::test]
async fn this_host_answers() {
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), "::1".parse().unwrap()] {
        if std::net::UdpSocket::bind((address, 0)).is_err() {
            continue;
        }
        let outcome = ask((address, 0).into(), CheckKind::Ping).await;
        if outcome.result == ProbeResult::Internal {
            assert!(outcome.detail.starts_with("not allowed"), "{outcome:?}");
        } else {
            assert_outcome(&outcome, ProbeResult::Ok, "echo reply");
        }
    }
}

#[test]
fn the_checksum_is_that_of_rfc_1071() {
    let request = request(Ipv4Addr::LOCALHOST.into(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(request[..8], [8, 0, 0xdd, 0xdf, 3, 4, 7, 8]);
    assert_eq!(checksum(&request), 0);
}

#[test]
fn only_the_own_reply_counts() {
    let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
    let token = [1, 2, 3, 4, 5, 6, 7, 8];
    let mut reply = request(v4, token).to_vec();
    assert!(!is_reply(v4, &reply, token), "the request itself");
    reply[0] = 0;
    assert!(is_reply(v4, &reply, token));
    let with_header = [[0x45; 20].as_slice(), &reply].concat();
    assert!(is_reply(v4, &with_header, token));
    assert!(!is_reply(v4, &reply, [0; 8]));
    for length in 0..reply.len() {
        assert!(!is_reply(v4, &reply[..length], token));
    }
    assert!(!is_reply(v4, &[0x4f], token));
    reply[0] = 129;
    assert!(is_reply("::1".parse().unwrap(), &reply, token));
}

#[test]
fn fix_without_a_reply_names_the_host_and_the_parameter_of_its_family() {
    for (target, parameter) in [
        ("192.0.2.7", "`sysctl net.ipv4.icmp_echo_ignore_all`"),
        ("2001:db8::7", "`sysctl net.ipv6.icmp.echo_ignore_all`"),
    ] {
        let fix = no_reply(target.parse().unwrap());
        for part in [
            parameter,
            &format!("`ping -c 3 {target}`"),
            &format!("`ip neighbour show to {target}`"),
        ] {
            assert!(fix.contains(part), "{fix}");
        }
    }
}

#[tokio::test]
async fn a_broadcast_address_is_told_as_that() {
    let address = "127.255.255.255:0".parse().unwrap();
    let outcome = ask(address, CheckKind::Ping).await;
    let detail = "the address is a broadcast address";
    assert_outcome(&outcome, ProbeResult::Unreachable, detail);
}
