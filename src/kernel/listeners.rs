//! The listening sockets of this host, over `NETLINK_SOCK_DIAG`.
//!
//! The layout of the messages is that of `sock_diag(7)` and `linux/inet_diag.h`.
//! procfs shows the same sockets, but not which of IPv6 leave IPv4 alone.

use std::io::Cursor;
use std::net::IpAddr;

use neli::FromBytes;
use neli::consts::nl::NlmF;
use neli::err::DeError;
use neli::types::Buffer;
use rustix::io::Errno;

use super::attributes::{DecodeError, RouteAttributes, u8_of};
use super::host::decode_all;
use super::netlink::{MessageType, Netlink, Protocol as Socket, Request};
use super::{Cause, KernelError};
use crate::model::{Listener, Protocol};

const ENOENT: i32 = Errno::NOENT.raw_os_error();

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// `TCP_CLOSE` of `net/tcp_states.h`: a UDP socket without a peer.
const CLOSE: u32 = 7;
/// `TCP_LISTEN`, also of SCTP.
const LISTEN: u32 = 10;

/// The length of `struct inet_diag_msg`.
const HEAD: usize = 72;
const INET_DIAG_SKV6ONLY: u16 = 11;
/// All addresses that an SCTP socket is bound to.
const INET_DIAG_LOCALS: u16 = 12;
/// The length of `struct sockaddr_storage`, of which `INET_DIAG_LOCALS` is a row.
const SOCKADDR_STORAGE: usize = 128;

/// The sockets of the network namespace in which the first request is made.
pub(crate) struct Listeners {
    netlink: Netlink,
}

impl Listeners {
    /// Opens nothing yet: the first request does.
    pub(crate) const fn new() -> Self {
        Self {
            netlink: Netlink::new(Socket::Sockets),
        }
    }

    /// All of one protocol, of both families; of UDP, those without a peer.
    /// `None` if this kernel cannot list them (without `tcp_diag`, `udp_diag` or
    /// `sctp_diag`).
    pub(crate) async fn list(
        &mut self,
        protocol: Protocol,
    ) -> Result<Option<Vec<Listener>>, KernelError> {
        let mut found = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let parts = self.netlink.dump(request(protocol, family)).await;
            let listed = decode_all(parts, |part| listener(part, protocol).map(Some));
            match listed {
                Ok(listed) => found.extend(listed.into_iter().flatten()),
                Err(Cause::Errno(ENOENT)) => return Ok(None),
                Err(cause) => {
                    let operation = format!("list the sockets of {protocol}");
                    return Err(KernelError::new(operation, cause));
                }
            }
        }
        Ok(Some(found))
    }
}

/// `struct inet_diag_req_v2`, which asks for the state that waits for clients.
fn request(protocol: Protocol, family: u8) -> Request<Buffer> {
    let (number, state) = match protocol {
        Protocol::Tcp => (6, LISTEN),
        Protocol::Udp => (17, CLOSE),
        Protocol::Sctp => (132, LISTEN),
    };
    let mut body = vec![family, number, 0, 0];
    body.extend((1_u32 << state).to_ne_bytes());
    body.resize(56, 0);
    Request {
        message_type: MessageType::Sockets,
        flags: NlmF::empty(),
        body: Buffer::from(body),
    }
}

/// One socket: a listener for each of the addresses that it is bound to.
pub(super) fn listener(part: &[u8], protocol: Protocol) -> Result<Vec<Listener>, DecodeError> {
    let head = Head::take(&mut Cursor::new(part)).map_err(DecodeError::Shape)?;
    let attributes = part.get(HEAD..).unwrap_or_default();
    let attributes = RouteAttributes::<u16>::within(attributes)?;
    let own = address(head.family, &head.address);
    let own = own.ok_or(DecodeError::Missing("the address of a socket"))?;
    let v6_only = attributes.get(INET_DIAG_SKV6ONLY).and_then(u8_of);
    let locals = attributes.get(INET_DIAG_LOCALS).unwrap_or_default();
    let locals = locals.chunks_exact(SOCKADDR_STORAGE);
    let mut addresses: Vec<_> = locals.filter_map(socket_address).collect();
    if addresses.is_empty() {
        addresses.push(own);
    }
    let interface = Some(head.interface).filter(|index| *index != 0);
    let listener = |address| Listener {
        protocol,
        address,
        port: u16::from_be(head.port),
        v6_only: v6_only.is_some_and(|only| only != 0),
        interface,
    };
    Ok(addresses.into_iter().map(listener).collect())
}

/// What is of interest of `struct inet_diag_msg`.
struct Head {
    family: u8,
    /// In network byte order, as the address is.
    port: u16,
    address: [u8; 16],
    interface: u32,
}

impl Head {
    fn take(message: &mut Cursor<&[u8]>) -> Result<Self, DeError> {
        let family = u8::from_bytes(message)?;
        let _state_timer_and_retransmissions = <[u8; 3]>::from_bytes(message)?;
        let port = u16::from_bytes(message)?;
        let _port_of_peer = u16::from_bytes(message)?;
        let address = <[u8; 16]>::from_bytes(message)?;
        let _address_of_peer = <[u8; 16]>::from_bytes(message)?;
        let interface = u32::from_bytes(message)?;
        let _cookie_queues_user_and_inode = <[u8; 28]>::from_bytes(message)?;
        Ok(Self {
            family,
            port,
            address,
            interface,
        })
    }
}

/// The address in `sockaddr_in` of ip(7) or `sockaddr_in6` of ipv6(7).
fn socket_address(bytes: &[u8]) -> Option<IpAddr> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let family = u8::try_from(u16::from_ne_bytes(*family)).ok()?;
    let skipped = if family == AF_INET { 2 } else { 6 };
    address(family, rest.get(skipped..)?)
}

/// The address of a family that bytes begin with.
fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => bytes.first_chunk::<4>().map(|v4| IpAddr::from(*v4)),
        AF_INET6 => bytes.first_chunk::<16>().map(|v6| IpAddr::from(*v6)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
