//! The check `ping`: an ICMP echo.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use crate::config::Origin;
use crate::net::tcp::receive_icmp_errors;
use crate::probe::connect::{broadcast, cannot_use};
use crate::probe::datagrams::Datagrams;
use crate::probe::exchange_result::{ExchangeResult, Failure, Pass, of_socket};
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;

/// The types of echo and echo reply in ICMP (RFC 792).
const ECHO_V4: (u8, u8) = (8, 0);
/// The same in ICMPv6 (RFC 4443, section 4).
const ECHO_V6: (u8, u8) = (128, 129);
/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// An ICMP echo.
///
/// The echo is sent through an unprivileged socket where the agent's group is in
/// `net.ipv4.ping_group_range` (icmp(7)), else through a raw one, which needs
/// `CAP_NET_RAW`.
pub(in crate::probe) async fn probe(probing: Probing<'_>) -> ExchangeResult {
    let target = probing.target(Some(0));
    let socket = open(target.ip())?;
    aim(&socket, target, probing.origin)?;
    // For the runtime, send and recv are all that matters: the same calls as for UDP.
    let socket = UdpSocket::from_std(socket.into()).map_err(|error| of_socket(&error))?;
    let socket = Datagrams::new(socket, target);
    let token = token();
    socket.send(&request(target.ip(), token)).await?;
    probing.begin(Activity::EchoReply);
    let mut answer = [0; 256];
    loop {
        let Ok(received) = timeout_at(probing.deadline, socket.recv(&mut answer)).await else {
            return Err(probing.late().with_director_fix(no_reply(target.ip())));
        };
        let length = received?;
        if is_reply(target.ip(), answer.get(..length).unwrap_or_default(), token) {
            return Ok(Pass::new("echo reply"));
        }
    }
}

/// What to do where no reply comes: nothing listens for echoes on a port.
fn no_reply(target: IpAddr) -> String {
    let parameter = match target {
        IpAddr::V4(_) => "net.ipv4.icmp_echo_ignore_all",
        IpAddr::V6(_) => "net.ipv6.icmp.echo_ignore_all",
    };
    format!(
        "see whether {target} runs and is on the network: `ping -c 3 {target}` and `ip neighbour \
         show to {target}`; if the neighbour is known, see on {target} what drops echoes: `nft \
         list ruleset`, `sysctl {parameter}`; beyond a router, a firewall that drops everything \
         looks the same"
    )
}

fn open(target: IpAddr) -> Result<Socket, Failure> {
    let (domain, protocol) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let forbidden = |error: &io::Error| {
        let errno = Errno::from_io_error(error);
        matches!(errno, Some(Errno::ACCESS | Errno::PERM))
    };
    let socket = match Socket::new(domain, Type::DGRAM.nonblocking(), Some(protocol)) {
        Err(error) if forbidden(&error) => {
            Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))
        }
        opened => opened,
    };
    socket.map_err(|error| {
        if forbidden(&error) {
            Failure::internal(
                "not allowed to ping: the agent's group is not in net.ipv4.ping_group_range, \
                 and it lacks CAP_NET_RAW, which the unit in deploy/ gives it",
            )
            .with_director_fix(
                "give the agent CAP_NET_RAW (`AmbientCapabilities=` in its unit), or `sysctl -w \
                 net.ipv4.ping_group_range=\"0 2147483647\"`",
            )
        } else {
            of_socket(&error)
        }
    })
}

fn aim(socket: &Socket, target: SocketAddr, origin: &Origin) -> Result<(), Failure> {
    if let Some(interface) = &origin.interface {
        socket
            .bind_device(Some(interface.as_bytes()))
            .map_err(|error| cannot_use(interface, &error))?;
    }
    if let Some(source) = origin.source {
        socket
            .bind(&SocketAddr::new(source, 0).into())
            .map_err(|error| cannot_use(source, &error))?;
    }
    receive_icmp_errors(socket, target, true).map_err(|error| of_socket(&error))?;
    let address = target.into();
    socket.connect(&address).map_err(|error| {
        let again = Errno::from_io_error(&error) == Some(Errno::ACCESS)
            && socket.set_broadcast(true).is_ok()
            && socket.connect(&address).is_ok();
        if again { broadcast() } else { error.into() }
    })
}

/// What tells this echo from all others of this host: a raw socket sees them all.
fn token() -> [u8; 8] {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let process = u64::from(std::process::id()) << 32;
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    (process | u64::from(number)).to_be_bytes()
}

/// An echo of which the token is the content, and its ends the identifier and
/// the sequence number.
fn request(target: IpAddr, token: [u8; 8]) -> [u8; 2 * HEADER] {
    let [_, _, a, b, _, _, c, d] = token;
    let (kind, _) = echo(target);
    let mut message = [0; 2 * HEADER];
    let (header, content) = message.split_at_mut(HEADER);
    header.copy_from_slice(&[kind, 0, 0, 0, a, b, c, d]);
    content.copy_from_slice(&token);
    // The kernel fills in that of ICMPv6 (RFC 3542, section 3.1).
    if target.is_ipv4() {
        let [high, low] = checksum(&message).to_be_bytes();
        let [_, _, at_high, at_low, ..] = &mut message;
        (*at_high, *at_low) = (high, low);
    }
    message
}

fn echo(target: IpAddr) -> (u8, u8) {
    match target {
        IpAddr::V4(_) => ECHO_V4,
        IpAddr::V6(_) => ECHO_V6,
    }
}

/// The checksum of the internet protocols (RFC 1071).
fn checksum(message: &[u8; 2 * HEADER]) -> u16 {
    let (words, _) = message.as_chunks::<2>();
    let sum: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

/// Whether it is the reply to that echo. Raw sockets of IPv4 put the IP
/// header before it (raw(7)), whose first byte is version and length; a
/// reply's first byte is 0.
fn is_reply(target: IpAddr, bytes: &[u8], token: [u8; 8]) -> bool {
    let header = match bytes.first() {
        Some(first) if target.is_ipv4() && first >> 4 == 4 => usize::from(first & 0x0f) * 4,
        _ => 0,
    };
    let (_, reply) = echo(target);
    let message = bytes.get(header..).unwrap_or_default();
    message.first() == Some(&reply) && message.get(HEADER..) == Some(&token)
}

#[cfg(test)]
mod tests;
