//! ARP and neighbour discovery on one interface: asking, announcing, and
//! hearing what anybody there says. It changes nothing in the kernel.

mod frame;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{LinkAddr, MsgFlags, SockaddrStorage, bind, recvfrom, send};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::interface_addresses::{interface_addresses, interface_of};
use crate::model::MacAddress;
use frame::Asker;
#[cfg(test)]
pub(crate) use frame::Claim;
pub(crate) use frame::Heard;
#[cfg(fuzzing)]
pub(crate) use frame::heard;

/// `ETH_P_ARP` and `ETH_P_IPV6` of `linux/if_ether.h`.
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

/// `PACKET_OTHERHOST` of `linux/if_packet.h`: from there on, what is not for
/// this host (of another VLAN, too) and what it sends itself.
const OTHER_HOST: u8 = 3;

/// `ARPHRD_ETHER` of `linux/if_arp.h`.
const ETHERNET: u16 = 1;

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

/// The link cannot be listened to.
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
    /// Anything else.
    #[error("the kernel answered")]
    Io(#[from] io::Error),
}

/// For the runtime, a descriptor that becomes ready is all that matters: the
/// same as for UDP.
type PacketSocket = UdpSocket;

/// An interface that goes shows as an error, and nothing to read.
const HEARD_OR_FAILED: Interest = Interest::READABLE.add(Interest::ERROR);

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
    asker: Asker,
    /// The networks of the interface: address and mask.
    networks: Vec<(IpAddr, IpAddr)>,
    /// Of all interfaces: a VIP may be on one that shares this one's wire.
    macs: BTreeSet<MacAddress>,
    /// The addresses of all interfaces, each with the name of its interface.
    held: BTreeSet<(IpAddr, String)>,
}

impl OwnAddresses {
    /// Whether one of this host's interfaces has that MAC address.
    pub(crate) fn has(&self, mac: MacAddress) -> bool {
        self.macs.contains(&mac)
    }

    /// The interfaces of this host that have that address.
    pub(crate) fn interfaces_with(&self, address: IpAddr) -> impl Iterator<Item = &str> {
        let held = self.held.iter();
        let held = held.filter(move |(held, _)| *held == address);
        held.map(|(_, interface)| interface.as_str())
    }

    /// Whether it is an address of the interface's own networks: for others, a
    /// router may answer.
    pub(crate) fn is_on_link(&self, address: IpAddr) -> bool {
        let within = |(own, mask): &(IpAddr, IpAddr)| match (*own, *mask, address) {
            (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(other)) => own & mask == other & mask,
            (IpAddr::V6(own), IpAddr::V6(mask), IpAddr::V6(other)) => own & mask == other & mask,
            _ => false,
        };
        self.networks.iter().any(within)
    }
}

impl ArpLink {
    /// Opens packet sockets (packet(7)) on the interface. Fails with
    /// [`ArpError::NotPermitted`] without `CAP_NET_RAW`.
    pub(crate) fn open(interface: &str) -> Result<Self, ArpError> {
        let link = link_address(interface)?;
        Ok(Self {
            interface: interface.to_owned(),
            index: link.ifindex(),
            arp: listen(ARP, &[], &link)?,
            ipv6: listen(IPV6, &NEIGHBOUR_DISCOVERY, &link)?,
        })
    }

    /// What this host has now. Questions come from the first address of the
    /// interface that `is_vip` does not take.
    pub(crate) fn own_addresses(
        &self,
        is_vip: impl Fn(IpAddr) -> bool,
    ) -> Result<OwnAddresses, ArpError> {
        let (mut macs, mut networks) = (BTreeSet::new(), Vec::new());
        let mut held = BTreeSet::new();
        let (mut mac, mut ipv4, mut link_local, mut ipv6) = (None, None, None, None);
        for found in interface_addresses()? {
            let here = interface_of(&found) == self.interface;
            let Some(address) = found.address else {
                continue;
            };
            let network = ip(&address).zip(found.netmask.as_ref().and_then(ip));
            networks.extend(network.filter(|_| here));
            held.extend(ip(&address).map(|address| (address, interface_of(&found).to_owned())));
            if let Some(link) = address.as_link_addr() {
                let found = ethernet(link);
                macs.extend(found);
                mac = mac.or(found.filter(|_| here));
            } else if let Some(address) = address.as_sockaddr_in().filter(|_| here) {
                let own = Some(address.ip()).filter(|ip| !is_vip(IpAddr::V4(*ip)));
                ipv4 = ipv4.or(own);
            } else if let Some(address) = address.as_sockaddr_in6().filter(|_| here) {
                let own = Some(address.ip()).filter(|ip| !is_vip(IpAddr::V6(*ip)));
                let first = match own {
                    Some(ip) if ip.is_unicast_link_local() => &mut link_local,
                    Some(_) | None => &mut ipv6,
                };
                *first = first.or(own);
            }
        }
        let asker = Asker {
            mac: mac.ok_or_else(|| ArpError::NoInterface(self.interface.clone()))?,
            ipv4: ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED),
            ipv6: link_local.or(ipv6),
        };
        Ok(OwnAddresses {
            asker,
            networks,
            macs,
            held,
        })
    }

    /// Asks all hosts of the link who has `address`. Does not wait for the
    /// link: what does not fit into its queue is lost, as on the wire.
    pub(crate) fn ask(&self, own: &OwnAddresses, address: IpAddr) -> Result<(), ArpError> {
        match frame::question(&own.asker, address) {
            Some(question) => self.send(address, &question),
            None => Ok(()),
        }
    }

    /// Tells all hosts of the link, so many times, that `address` is this
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

    /// Waits for the next thing that is said. Cancel-safe.
    pub(crate) async fn hear(&self) -> Result<Heard, ArpError> {
        let heard = tokio::select! {
            heard = self.hear_on(&self.arp) => heard,
            heard = self.hear_on(&self.ipv6) => heard,
        };
        Ok(heard?)
    }

    async fn hear_on(&self, socket: &PacketSocket) -> io::Result<Heard> {
        let mut frame = [0; LONGEST];
        loop {
            let received = socket.async_io(HEARD_OR_FAILED, || {
                Ok(recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame)?)
            });
            let (length, from) = received.await?;
            // A socket hears of all interfaces until it is bound to one.
            let to_us = from
                .is_some_and(|from| from.ifindex() == self.index && from.pkttype() < OTHER_HOST);
            let frame = frame.get(..length).unwrap_or_default();
            if let Some(heard) = frame::heard(frame).filter(|_| to_us) {
                return Ok(heard);
            }
        }
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

fn link_address(interface: &str) -> Result<LinkAddr, ArpError> {
    let mut found = interface_addresses()?.into_iter();
    let link = found.find_map(|found| {
        let link = *found.address?.as_link_addr()?;
        let plain = !found.flags.contains(InterfaceFlags::IFF_NOARP);
        (found.interface_name == interface).then_some((link, plain))
    });
    match link {
        None => Err(ArpError::NoInterface(interface.to_owned())),
        Some((link, plain)) if plain && ethernet(&link).is_some() => Ok(link),
        Some(_) => Err(ArpError::NotEthernet(interface.to_owned())),
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn ethernet(link: &LinkAddr) -> Option<MacAddress> {
    let plain = link.hatype() == ETHERNET && link.halen() == 6;
    link.addr().filter(|_| plain).map(MacAddress)
}

#[cfg(test)]
mod tests;
