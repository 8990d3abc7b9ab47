use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use crate::config::{CheckKind, Pattern, UdpCheck};
use crate::model::ProbeResult;
use crate::probe::fixture::{SHORT, ask, ask_within, assert_outcome};

fn udp(send: &[u8], expect: Option<&str>) -> CheckKind {
    CheckKind::Udp(UdpCheck {
        port: None,
        send: send.to_vec(),
        expect: expect.map(|text| Pattern::Text(text.to_owned())),
    })
}

/// Answers each datagram with `answer` and what it got, or not at all.
fn server(answer: Option<&'static str>) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut datagram = [0; 100];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            if let Some(answer) = answer {
                let answer = [answer.as_bytes(), &datagram[..length]].concat();
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    address
}

fn closed_port() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap()
}

#[tokio::test]
async fn the_answer_decides() {
    let outcome = ask(server(Some("pong ")), udp(b"ping", Some("pong ping"))).await;
    assert_outcome(&outcome, ProbeResult::Ok, "answered with 9 bytes");
    let outcome = ask(server(Some("error ")), udp(b"ping", Some("pong"))).await;
    assert_outcome(
        &outcome,
        ProbeResult::Body,
        "expected \"pong\", got \"error ping\"",
    );
    let outcome = ask_within(SHORT, server(None), udp(b"ping", Some("pong"))).await;
    assert_eq!(outcome.result, ProbeResult::Timeout);
}

#[tokio::test]
async fn a_port_that_is_refused_fails_with_and_without_an_answer_wanted() {
    for expect in [None, Some("pong")] {
        let outcome = ask(closed_port(), udp(b"ping", expect)).await;
        assert_outcome(&outcome, ProbeResult::Refused, "connection refused");
    }
}

#[tokio::test]
async fn silence_passes_where_no_answer_is_wanted() {
    let outcome = ask_within(SHORT, server(None), udp(b"", None)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "not refused");
    assert!(outcome.duration >= SHORT / 3, "{outcome:?}");
    let outcome = ask(server(Some("yes")), udp(b"", None)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "answered with 3 bytes");
}

#[tokio::test]
async fn a_broadcast_address_is_told_as_that() {
    for address in ["127.255.255.255:53", "255.255.255.255:53"] {
        let outcome = ask(address.parse().unwrap(), udp(b"x", None)).await;
        let detail = "the address is a broadcast address";
        assert_outcome(&outcome, ProbeResult::Unreachable, detail);
    }
}

/// All of a datagram counts, be it the largest there is or an empty one.
#[tokio::test]
async fn a_datagram_is_taken_whole_whatever_its_length() {
    for (length, expect) in [(65_507, "the end"), (7, "the end"), (0, "")] {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let (_, from) = socket.recv_from(&mut [0; 100]).unwrap();
            let mut answer = vec![b'.'; length];
            if let Some(at) = length.checked_sub(7) {
                answer[at..].copy_from_slice(b"the end");
            }
            socket.send_to(&answer, from).unwrap();
        });
        let outcome = ask(address, udp(b"ping", Some(expect))).await;
        let detail = format!("answered with {length} bytes");
        assert_outcome(&outcome, ProbeResult::Ok, &detail);
    }
}
