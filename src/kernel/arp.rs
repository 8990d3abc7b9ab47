//! ARP and neighbour discovery on one interface: questions, announcements, and
//! the messages of all hosts of the link. Nothing in the kernel is changed.

mod frame;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, MsgFlags, bind, recvfrom, send};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::host::Host;
use super::{Cause, KernelError};
use crate::model::{HostAddress, Interface, MacAddress};
#[cfg(test)]
pub(crate) use frame::AddressClaim;
use frame::Asker;
pub(crate) use frame::NeighbourMessage;
#[cfg(fuzzing)]
pub(crate) use frame::decode;

/// `ETH_P_ARP` and `ETH_P_IPV6` of `linux/if_ether.h`.
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

/// `PACKET_OTHERHOST` of `linux/if_packet.h`: from there on, what is not for
/// this host (of another VLAN, too) and what it sends itself.
const OTHER_HOST: u8 = 3;

/// How often the address of an interface that exists is looked for.
const ATTEMPTS: u32 = 16;

/// The longest frame of interest: a neighbour solicitation has 86 bytes, and
/// room is left for options.
const LONGEST: usize = 512;

/// `BPF_LD | BPF_B | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K` and `BPF_RET |
/// BPF_K` of `linux/bpf_common.h`.
const LOAD_BYTE: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Takes neighbour solicitations and advertisements of all IPv6, in the
/// kernel: clients' traffic never wakes the agent. Their next header is at 20
/// in the frame, their type at 54; RFC 4861 lets none of them have extension headers.
const NEIGHBOUR_DISCOVERY: [SockFilter; 7] = [
    SockFilter::new(LOAD_BYTE, 0, 0, 20),
    SockFilter::new(JUMP_IF_EQUAL, 0, 3, 58),
    SockFilter::new(LOAD_BYTE, 0, 0, 54),
    SockFilter::new(JUMP_IF_EQUAL, 2, 0, 135),
    SockFilter::new(JUMP_IF_EQUAL, 1, 0, 136),
    SockFilter::new(RETURN, 0, 0, 0),
    SockFilter::new(RETURN, 0, 0, u32::MAX),
];

/// The link cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ArpError {
    /// The capability is missing.
    #[error("it needs CAP_NET_RAW")]
    NotPermitted,
    /// There is no such interface.
    #[error("there is no interface `{0}`")]
    NoInterface(String),
    /// Neighbours of such an interface have no MAC addresses.
    #[error("interface `{0}` is not Ethernet")]
    NotEthernet(String),
    /// The host could not be read.
    #[error(transparent)]
    Host(#[from] KernelError),
    /// Anything else.
    #[error("the kernel answered")]
    Io(#[from] io::Error),
}

/// For the runtime, a descriptor that becomes ready is all that matters: the
/// same as for UDP.
type PacketSocket = UdpSocket;

/// An interface that goes shows as an error, and nothing to read.
const READABLE_OR_FAILED: Interest = Interest::READABLE.add(Interest::ERROR);

/// Both protocols on one interface.
#[derive(Debug)]
pub(crate) struct ArpLink {
    interface: String,
    index: usize,
    arp: PacketSocket,
    ipv6: PacketSocket,
}

/// What is this host's own on the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnAddresses {
    interface: String,
    asker: Asker,
    /// Of all interfaces: a VIP may be on one that shares this one's wire.
    macs: BTreeSet<MacAddress>,
    /// The addresses of all interfaces.
    held: Vec<HostAddress>,
}

impl OwnAddresses {
    /// Whether one of this host's interfaces has that MAC address.
    pub(crate) fn has(&self, mac: MacAddress) -> bool {
        self.macs.contains(&mac)
    }

    /// The interfaces of this host that have that address.
    pub(crate) fn interfaces_with(&self, address: IpAddr) -> impl Iterator<Item = &str> {
        let held = self.held.iter();
        let held = held.filter(move |held| held.address == address);
        held.map(|held| held.interface.as_str())
    }

    /// Whether it is an address of the interface's own networks: for others, a
    /// router may answer.
    pub(crate) fn is_on_link(&self, address: IpAddr) -> bool {
        self.here().any(|held| held.contains(address))
    }

    fn here(&self) -> impl Iterator<Item = &HostAddress> {
        let held = self.held.iter();
        held.filter(|held| held.interface == self.interface)
    }
}

impl ArpLink {
    /// Opens packet sockets (packet(7)) on the interface. Fails with
    /// [`ArpError::NotPermitted`] without `CAP_NET_RAW`.
    pub(crate) async fn open(host: &mut Host, interface: &str) -> Result<Self, ArpError> {
        let link = match host.link(interface).await {
            Ok(link) => link,
            Err(KernelError {
                cause: Cause::NoInterface(_) | Cause::OtherName { .. },
                ..
            }) => return Err(ArpError::NoInterface(interface.to_owned())),
            Err(error) => return Err(error.into()),
        };
        if link.interface.no_arp || link.mac.is_none() {
            return Err(ArpError::NotEthernet(interface.to_owned()));
        }
        let address = link_address(&link.interface)?;
        Ok(Self {
            interface: interface.to_owned(),
            index: address.ifindex(),
            arp: listen(ARP, &[], &address)?,
            ipv6: listen(IPV6, &NEIGHBOUR_DISCOVERY, &address)?,
        })
    }

    /// What this host has now. Questions come from the first address of the
    /// interface that `is_vip` does not take.
    pub(crate) async fn own_addresses(
        &self,
        host: &mut Host,
        is_vip: impl Fn(IpAddr) -> bool,
    ) -> Result<OwnAddresses, ArpError> {
        let links = host.links().await?;
        let interfaces = links.iter().map(|link| &link.interface);
        let held = host.addresses_in_order(interfaces).await?;
        let mut here = links.iter().filter(|l| l.interface.name == self.interface);
        let mac = here.find_map(|link| link.mac);
        let mut own = OwnAddresses {
            interface: self.interface.clone(),
            asker: Asker {
                mac: mac.ok_or_else(|| ArpError::NoInterface(self.interface.clone()))?,
                ipv4: Ipv4Addr::UNSPECIFIED,
                ipv6: None,
            },
            macs: links.iter().filter_map(|link| link.mac).collect(),
            held,
        };
        let asking: Vec<_> = own.here().map(|held| held.address).collect();
        let (mut ipv4, mut link_local, mut ipv6) = (None, None, None);
        for address in asking.into_iter().filter(|address| !is_vip(*address)) {
            match address {
                IpAddr::V4(address) => ipv4 = ipv4.or(Some(address)),
                IpAddr::V6(address) if address.is_unicast_link_local() => {
                    link_local = link_local.or(Some(address));
                }
                IpAddr::V6(address) => ipv6 = ipv6.or(Some(address)),
            }
        }
        own.asker.ipv4 = ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED);
        own.asker.ipv6 = link_local.or(ipv6);
        Ok(own)
    }

    /// Asks all hosts of the link who has `address`. Does not wait for the
    /// link: what does not fit into its queue is lost, as on the wire.
    pub(crate) fn ask(&self, own: &OwnAddresses, address: IpAddr) -> Result<(), ArpError> {
        match frame::question(&own.asker, address) {
            Some(question) => self.send(address, &question),
            None => Ok(()),
        }
    }

    /// Announces to all hosts of the link, so many times, that `address` is this
    /// interface's. Does not wait for the link, as [`ask`](Self::ask).
    pub(crate) fn announce(
        &self,
        own: &OwnAddresses,
        address: IpAddr,
        router: bool,
        times: u32,
    ) -> Result<(), ArpError> {
        if let Some(announcement) = frame::announcement(own.asker.mac, address, router) {
            for _ in 0..times {
                self.send(address, &announcement)?;
            }
        }
        Ok(())
    }

    fn send(&self, address: IpAddr, frame: &[u8]) -> Result<(), ArpError> {
        let socket = match address {
            IpAddr::V4(_) => &self.arp,
            IpAddr::V6(_) => &self.ipv6,
        };
        match send(socket.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT) {
            Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(()),
            Err(error) => Err(ArpError::Io(error.into())),
        }
    }

    /// Waits for the next message. Cancel-safe.
    pub(crate) async fn recv(&self) -> Result<NeighbourMessage, ArpError> {
        let message = tokio::select! {
            message = self.recv_on(&self.arp) => message,
            message = self.recv_on(&self.ipv6) => message,
        };
        Ok(message?)
    }

    /// The next message that has arrived, if there is one.
    pub(crate) fn try_recv(&self) -> Result<Option<NeighbourMessage>, ArpError> {
        for socket in [&self.arp, &self.ipv6] {
            loop {
                match self.receive(socket) {
                    Ok(Some(message)) => return Ok(Some(message)),
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(None)
    }

    async fn recv_on(&self, socket: &PacketSocket) -> io::Result<NeighbourMessage> {
        loop {
            let received = socket.async_io(READABLE_OR_FAILED, || self.receive(socket));
            if let Some(message) = received.await? {
                return Ok(message);
            }
        }
    }

    /// The next frame, if it is a message about neighbours for this host; fails
    /// with [`io::ErrorKind::WouldBlock`] when there is no frame.
    fn receive(&self, socket: &PacketSocket) -> io::Result<Option<NeighbourMessage>> {
        let mut frame = [0; LONGEST];
        let (length, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame)?;
        // A socket receives from all interfaces until it is bound to one.
        let to_us =
            from.is_some_and(|from| from.ifindex() == self.index && from.pkttype() < OTHER_HOST);
        let frame = frame.get(..length).unwrap_or_default();
        Ok(frame::decode(frame).filter(|_| to_us))
    }
}

fn listen(protocol: u16, filter: &[SockFilter], link: &LinkAddr) -> Result<PacketSocket, ArpError> {
    let protocol = Protocol::from(i32::from(protocol.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol));
    let socket = socket.map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            ArpError::NotPermitted
        } else {
            ArpError::Io(error)
        }
    })?;
    if !filter.is_empty() {
        socket.attach_filter(filter)?;
    }
    // The address says no protocol, which leaves that of the socket.
    bind(socket.as_raw_fd(), link).map_err(io::Error::from)?;
    Ok(PacketSocket::from_std(socket.into())?)
}

/// The address of the interface for bind(2). No library here makes one, but
/// getifaddrs(3) lists them. The library does not notice a change of the
/// kernel's list while it reads that list, which leaves out entries that were
/// there all the time: so an interface that exists is looked for again.
fn link_address(interface: &Interface) -> Result<LinkAddr, ArpError> {
    for _ in 0..ATTEMPTS {
        let mut found = getifaddrs().map_err(io::Error::from)?;
        let link = found.find_map(|found| {
            let link = *found.address?.as_link_addr()?;
            (u32::try_from(link.ifindex()) == Ok(interface.index)).then_some(link)
        });
        if let Some(link) = link {
            return Ok(link);
        }
    }
    Err(ArpError::NoInterface(interface.name.clone()))
}

#[cfg(test)]
mod tests;
