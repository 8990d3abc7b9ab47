//! Capture of the packets between an address of this host and another address:
//! incoming packets before a firewall may drop them, outgoing packets after
//! the firewall accepted them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// `ETH_P_ALL` of `linux/if_ether.h`: only a socket of all protocols receives
/// outgoing packets.
const ALL: u16 = 0x0003;
/// `PACKET_OTHERHOST` of `linux/if_packet.h`: smaller values are packets for
/// this host.
const OTHER_HOST: u8 = 3;
/// `PACKET_OUTGOING`.
const OUTGOING: u8 = 4;
/// `ARPHRD_LOOPBACK` of `linux/if_arp.h`.
const LOOPBACK: u16 = 772;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// The part of a packet up to its ports: the longest header of IPv4 and the
/// first bytes of TCP.
const LONGEST: usize = 64;

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K` and `BPF_RET |
/// BPF_K` of `linux/bpf_common.h`.
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// A capture of TCP between two addresses, on all interfaces.
#[derive(Debug)]
pub(crate) struct PacketCapture {
    socket: UdpSocket,
    own: IpAddr,
    other: IpAddr,
}

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CapturedPacket {
    /// From the other address to this port of the own address, but not over lo:
    /// a firewall of this host that refuses in the name of another host does so there.
    Incoming(u16),
    /// From this port of the own address to the other address.
    Outgoing(u16),
}

impl PacketCapture {
    /// Opens a packet socket (packet(7)). Fails with
    /// [`io::ErrorKind::PermissionDenied`] without `CAP_NET_RAW`.
    pub(crate) fn open(own: IpAddr, other: IpAddr) -> io::Result<Self> {
        let protocol = Protocol::from(i32::from(ALL.to_be()));
        // Without the link's header, whatever kind of link it is.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking(), Some(protocol))?;
        socket.attach_filter(&filter(own, other))?;
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Self { socket, own, other })
    }

    /// Waits for the next packet. Cancel-safe.
    pub(crate) async fn recv(&self) -> io::Result<CapturedPacket> {
        let interest = Interest::READABLE;
        loop {
            if let Some(packet) = self.socket.async_io(interest, || self.receive()).await? {
                return Ok(packet);
            }
        }
    }

    /// The packets that were captured and not yet received.
    pub(crate) fn captured(&self) -> Vec<CapturedPacket> {
        let received = std::iter::from_fn(|| self.receive().ok());
        received.flatten().collect()
    }

    /// The next packet, if it is of the two; fails with
    /// [`io::ErrorKind::WouldBlock`] when there is none.
    fn receive(&self) -> io::Result<Option<CapturedPacket>> {
        let mut packet = [0; LONGEST];
        let (length, from) = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut packet)?;
        let packet = packet.get(..length).unwrap_or_default();
        let Some((source, destination)) = ends(packet) else {
            return Ok(None);
        };
        let way = (source.ip(), destination.ip());
        let Some(from) = from else {
            return Ok(None);
        };
        Ok(match from.pkttype() {
            OUTGOING if way == (self.own, self.other) => {
                Some(CapturedPacket::Outgoing(source.port()))
            }
            kind if kind < OTHER_HOST
                && from.hatype() != LOOPBACK
                && way == (self.other, self.own) =>
            {
                Some(CapturedPacket::Incoming(destination.port()))
            }
            _ => None,
        })
    }
}

/// Lets packets between the two pass, by 32 bits of each address, so that
/// clients' traffic never wakes the agent; [`ends`] looks closer.
fn filter(own: IpAddr, other: IpAddr) -> [SockFilter; 9] {
    let (own, source, destination) = last_word(own);
    let (other, ..) = last_word(other);
    [
        SockFilter::new(LOAD_WORD, 0, 0, source),
        SockFilter::new(JUMP_IF_EQUAL, 0, 2, other),
        SockFilter::new(LOAD_WORD, 0, 0, destination),
        SockFilter::new(JUMP_IF_EQUAL, 4, 3, own),
        SockFilter::new(JUMP_IF_EQUAL, 0, 2, own),
        SockFilter::new(LOAD_WORD, 0, 0, destination),
        SockFilter::new(JUMP_IF_EQUAL, 1, 0, other),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

/// The last 32 bits of an address, and where those of source and destination
/// are in the header: RFC 791, section 3.1, and RFC 8200, section 3.
fn last_word(address: IpAddr) -> (u32, u32, u32) {
    match address {
        IpAddr::V4(address) => (address.to_bits(), 12, 16),
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            (u32::from_be_bytes([a, b, c, d]), 20, 36)
        }
    }
}

/// From where to where a packet of TCP travels; `None` for any other.
pub(super) fn ends(packet: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let first = *packet.first()?;
    let (source, destination, header): (IpAddr, IpAddr, _) = match first >> 4 {
        4 if *packet.get(9)? == TCP => (
            Ipv4Addr::from(bytes::<4>(packet, 12)?).into(),
            Ipv4Addr::from(bytes::<4>(packet, 16)?).into(),
            usize::from(first & 0x0f) * 4,
        ),
        6 if *packet.get(6)? == TCP => (
            Ipv6Addr::from(bytes::<16>(packet, 8)?).into(),
            Ipv6Addr::from(bytes::<16>(packet, 24)?).into(),
            40,
        ),
        _ => return None,
    };
    let port = |at| Some(u16::from_be_bytes(bytes::<2>(packet, at)?));
    Some((
        SocketAddr::new(source, port(header)?),
        SocketAddr::new(destination, port(header + 2)?),
    ))
}

fn bytes<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests;
