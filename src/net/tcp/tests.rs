use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};

use super::*;

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn connection_uses_the_configured_source_address() {
    let (listener, address) = listener();
    let source = IpAddr::from([127, 0, 0, 9]);
    let opening = ConnectOptions {
        source: Some(source),
        interface: Some("lo"),
        ..ConnectOptions::default()
    };
    let _stream = opening.open(address).await.unwrap();
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), source);
}

/// A refusal by TCP's own reset is none of ICMP's.
#[tokio::test]
async fn a_refusal_by_the_host_is_told_from_one_by_icmp() {
    let (listener, address) = listener();
    drop(listener);
    let error = ConnectOptions::default().open(address).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Connect { source, icmp: None }
            if source.kind() == io::ErrorKind::ConnectionRefused),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_address_or_an_interface_that_is_not_there_is_named() {
    let (_listener, address) = listener();
    let elsewhere = ConnectOptions {
        source: Some([192, 0, 2, 1].into()),
        ..ConnectOptions::default()
    };
    let nowhere = ConnectOptions {
        interface: Some("nosuch0"),
        ..ConnectOptions::default()
    };
    for (opening, name) in [(elsewhere, "192.0.2.1"), (nowhere, "nosuch0")] {
        let error = opening.open(address).await.unwrap_err();
        assert!(
            matches!(&error, OpenError::Origin { origin, .. } if origin == name),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_answers_is_read() {
    let (listener, address) = listener();
    let stream = ConnectOptions::default().open(address).await.unwrap();
    let (mut accepted, _) = listener.accept().unwrap();
    drop(stream);
    assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
}
