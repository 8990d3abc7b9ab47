use std::time::Duration;

use super::*;

/// A packet of TCP from port 80 to port 40000.
fn packet(source: &str, destination: &str) -> Vec<u8> {
    let ports = [0, 80, 0x9c, 0x40];
    match (source.parse().unwrap(), destination.parse().unwrap()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            // With an option of 4 bytes.
            let mut packet = vec![0x46, 0, 0, 0, 0, 0, 0, 0, 64, TCP, 0, 0];
            packet.extend(source.octets());
            packet.extend(destination.octets());
            packet.extend([1; 4]);
            packet.extend(ports);
            packet
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut packet = vec![0x60, 0, 0, 0, 0, 20, TCP, 64];
            packet.extend(source.octets());
            packet.extend(destination.octets());
            packet.extend(ports);
            packet
        }
        _ => panic!("of two families"),
    }
}

#[test]
fn the_ends_of_a_packet_are_read_behind_options_and_nothing_else_is_taken_for_one() {
    for (source, destination) in [
        ("192.168.11.200", "192.168.11.10"),
        ("2001:db8::200", "2001:db8::10"),
    ] {
        let whole = packet(source, destination);
        let [source, destination] = [source, destination].map(|ip| ip.parse::<IpAddr>().unwrap());
        let expected = (
            SocketAddr::new(source, 80),
            SocketAddr::new(destination, 40000),
        );
        assert_eq!(ends(&whole), Some(expected));
        for short in 0..whole.len() {
            assert_eq!(ends(&whole[..short]), None, "{short} bytes");
        }
        let mut udp = whole.clone();
        let protocol = udp.iter().position(|byte| *byte == TCP).unwrap();
        udp[protocol] = 17;
        assert_eq!(ends(&udp), None);
    }
    assert_eq!(ends(&[0x50; 64]), None, "no version of IP");
}

/// Against this machine's kernel, each in a network namespace of its own.
mod netns {
    use super::*;
    use crate::kernel::namespace::{drop_capabilities, in_namespace, run};

    /// Beyond this, something hangs.
    const PATIENCE: Duration = Duration::from_mins(1);

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn outgoing_packets_are_captured_and_this_hosts_own_refusals_are_not() {
        in_namespace(async || {
            for address in ["192.168.11.10/24", "192.168.11.200/32", "192.168.11.21/32"] {
                run("ip", &format!("address add {address} dev lo"));
            }
            for address in ["2001:db8::10", "2001:db8::200", "2001:db8::21"] {
                run("ip", &format!("address add {address}/128 dev lo nodad"));
            }
            for [own, vip, other] in [
                ["192.168.11.10", "192.168.11.200", "192.168.11.21"],
                ["2001:db8::10", "2001:db8::200", "2001:db8::21"],
            ] {
                let [own, vip, other] = [own, vip, other].map(|ip| ip.parse::<IpAddr>().unwrap());
                let vip_port = SocketAddr::new(vip, 80);
                let capture = PacketCapture::open(own, vip).unwrap();
                // Nobody listens: a packet leaves, and a reset comes over lo.
                for (target, port) in [(other, 40001), (vip, 40002)] {
                    let domain = Domain::for_address(SocketAddr::new(own, 0));
                    let socket = Socket::new(domain, Type::STREAM, None).unwrap();
                    socket.bind(&SocketAddr::new(own, port).into()).unwrap();
                    let refused = socket.connect(&SocketAddr::new(target, 80).into());
                    assert_eq!(
                        refused.unwrap_err().kind(),
                        io::ErrorKind::ConnectionRefused
                    );
                }
                assert_eq!(capture.captured(), [CapturedPacket::Outgoing(40002)]);
                let again = Socket::new(Domain::for_address(vip_port), Type::STREAM, None).unwrap();
                again.bind(&SocketAddr::new(own, 40003).into()).unwrap();
                again.connect(&vip_port.into()).unwrap_err();
                let received = tokio::time::timeout(PATIENCE, capture.recv()).await;
                assert_eq!(received.unwrap().unwrap(), CapturedPacket::Outgoing(40003));
            }
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn nothing_is_captured_without_the_capability() {
        in_namespace(async || {
            drop_capabilities();
            let [own, vip] = ["192.168.11.10", "192.168.11.200"].map(|ip| ip.parse().unwrap());
            let error = PacketCapture::open(own, vip).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        });
    }
}
