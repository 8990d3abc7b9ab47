//! The sockets on which this host waits for clients, over `NETLINK_SOCK_DIAG`.
//!
//! The layout of the messages is that of `sock_diag(7)` and `linux/inet_diag.h`.
//! procfs shows the same sockets, but not which of IPv6 leave IPv4 alone.

use std::net::IpAddr;

use neli::consts::nl::NlmF;
use neli::types::Buffer;
use rustix::io::Errno;

use super::attributes::{address, array_at, attributes, u8_at, u32_at};
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
    /// `None` if this kernel cannot say (it has no `tcp_diag`, `udp_diag` or
    /// `sctp_diag`).
    pub(crate) async fn list(
        &mut self,
        protocol: Protocol,
    ) -> Result<Option<Vec<Listener>>, KernelError> {
        let mut found = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let parts = self.netlink.dump(request(protocol, family)).await;
            let listed = parts
                .map_err(|failure| failure.cause(Cause::Errno))
                .and_then(|parts| {
                    let decoded = parts.iter().map(|part| decode(part.as_ref(), protocol));
                    decoded.collect::<Result<Vec<_>, _>>()
                });
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
pub(super) fn decode(part: &[u8], protocol: Protocol) -> Result<Vec<Listener>, Cause> {
    let found = attributes(part, HEAD)?;
    let missing = || Cause::Undecodable("the address of a socket is missing".to_owned());
    let number = array_at(part, 4).map(u16::from_be_bytes);
    let number = number.ok_or_else(missing)?;
    let own = socket_address(u8_at(part, 0), part, 8, 8).ok_or_else(missing)?;
    let bound_to = u32_at(part, 40).filter(|index| *index != 0);
    let v6_only = found
        .get(&INET_DIAG_SKV6ONLY)
        .and_then(|bytes| u8_at(bytes, 0));
    let locals = found.get(&INET_DIAG_LOCALS).copied().unwrap_or_default();
    let locals = locals.chunks_exact(SOCKADDR_STORAGE).filter_map(|local| {
        let family = array_at(local, 0).map(u16::from_ne_bytes);
        let family = family.and_then(|family| u8::try_from(family).ok());
        // `sockaddr_in` and `sockaddr_in6` of ip(7) and ipv6(7).
        socket_address(family, local, 4, 8)
    });
    let mut addresses: Vec<_> = locals.collect();
    if addresses.is_empty() {
        addresses.push(own);
    }
    let listener = |address| Listener {
        protocol,
        address,
        port: number,
        v6_only: v6_only.is_some_and(|only| only != 0),
        interface: bound_to,
    };
    Ok(addresses.into_iter().map(listener).collect())
}

/// The address at one of two places, by its family.
fn socket_address(family: Option<u8>, bytes: &[u8], v4: usize, v6: usize) -> Option<IpAddr> {
    match family {
        Some(AF_INET) => address(&array_at::<4>(bytes, v4)?),
        Some(AF_INET6) => address(&array_at::<16>(bytes, v6)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
