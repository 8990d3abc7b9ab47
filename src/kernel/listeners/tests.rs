use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use socket2::{Domain, Socket as RawSocket, Type};

use super::*;

async fn listeners(protocol: Protocol) -> Vec<Listener> {
    let listed = Listeners::new().list(protocol).await.unwrap();
    listed.expect("this kernel has tcp_diag and udp_diag")
}

/// The listeners of one port, which nobody else has.
async fn on(protocol: Protocol, port: u16) -> Vec<Listener> {
    let mut found = listeners(protocol).await;
    found.retain(|listener| listener.port == port);
    found
}

fn v6(kind: Type, only: bool) -> RawSocket {
    let socket = RawSocket::new(Domain::IPV6, kind, None).unwrap();
    socket.set_only_v6(only).unwrap();
    let any: SocketAddr = "[::]:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket
}

fn port(socket: &RawSocket) -> u16 {
    socket.local_addr().unwrap().as_socket().unwrap().port()
}

#[tokio::test]
async fn a_listener_is_seen_and_a_connection_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connected = TcpStream::connect(address).unwrap();
    let seen = on(Protocol::Tcp, address.port()).await;
    let wanted = Listener {
        protocol: Protocol::Tcp,
        address: address.ip(),
        port: address.port(),
        v6_only: false,
        interface: None,
    };
    assert_eq!(seen, [wanted]);
    let own = connected.local_addr().unwrap().port();
    assert_eq!(on(Protocol::Tcp, own).await, []);
    drop(listener);
    assert_eq!(on(Protocol::Tcp, address.port()).await, []);
}

#[tokio::test]
async fn a_datagram_socket_waits_until_it_has_a_peer() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    assert_eq!(on(Protocol::Udp, port).await.len(), 1);
    assert_eq!(on(Protocol::Tcp, port).await.len(), 0);
    socket.connect("127.0.0.1:9").unwrap();
    assert_eq!(on(Protocol::Udp, port).await, []);
}

#[tokio::test]
async fn one_of_ipv6_takes_ipv4_unless_it_says_no() {
    let (v4, other) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    for kind in [Type::STREAM, Type::DGRAM] {
        for only in [false, true] {
            let socket = v6(kind, only);
            let protocol = if kind == Type::STREAM {
                socket.listen(1).unwrap();
                Protocol::Tcp
            } else {
                Protocol::Udp
            };
            let seen = on(protocol, port(&socket)).await;
            assert_eq!(seen.len(), 1, "{seen:?}");
            assert_eq!(seen[0].takes(v4), !only, "{seen:?}");
            assert!(seen[0].takes(other), "{seen:?}");
        }
    }
}

#[test]
fn a_socket_bound_to_an_address_takes_that_alone() {
    let bound = |address: &str| Listener {
        protocol: Protocol::Tcp,
        address: address.parse().unwrap(),
        port: 80,
        v6_only: false,
        interface: None,
    };
    let vip = "192.168.11.200".parse().unwrap();
    assert!(bound("192.168.11.200").takes(vip));
    assert!(bound("::ffff:192.168.11.200").takes(vip));
    assert!(bound("0.0.0.0").takes(vip));
    assert!(!bound("192.168.11.21").takes(vip));
    assert!(!bound("0.0.0.0").takes("2001:db8::200".parse().unwrap()));
}

#[test]
fn a_socket_of_several_addresses_is_a_listener_on_each() {
    let mut message = vec![0; HEAD];
    message[0] = AF_INET;
    message[4..6].copy_from_slice(&80_u16.to_be_bytes());
    let local = |address: [u8; 4]| {
        let mut bytes = vec![0; SOCKADDR_STORAGE];
        bytes[..2].copy_from_slice(&u16::from(AF_INET).to_ne_bytes());
        bytes[4..8].copy_from_slice(&address);
        bytes
    };
    let locals = [local([192, 0, 2, 1]), local([192, 0, 2, 2])].concat();
    let length = u16::try_from(4 + locals.len()).unwrap();
    message.extend(length.to_ne_bytes());
    message.extend(INET_DIAG_LOCALS.to_ne_bytes());
    message.extend(&locals);
    let found = listener(&message, Protocol::Sctp).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|l| (l.address.to_string(), l.port))
        .collect();
    assert_eq!(
        found,
        [("192.0.2.1".to_owned(), 80), ("192.0.2.2".to_owned(), 80)]
    );
}
