//! The kernel's neighbour tables, over `NETLINK_ROUTE`: which MAC address
//! belongs to which address, and whether who is next on the way to an address
//! is there. Only read.
//!
//! The layout of the messages is that of rtnetlink(7) and `linux/neighbour.h`.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::IpAddr;

use neli::FromBytesWithInput as _;
use neli::attr::Attribute as _;
use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Nda, Nud, RtAddrFamily, Rtm};
use neli::rtnl::Ndmsg;
use neli::types::Buffer;
use rustix::io::Errno;

use super::attributes::{address, attribute, attributes, u8_at, u16_at, u32_at};
use super::netlink::{Failure, MessageType, Netlink, Protocol, Request};
use super::{Cause, KernelError};
use crate::model::MacAddress;

/// The length of `struct ndmsg`, in bytes.
const NDMSG: usize = 12;
/// That of `struct rtmsg`, and of a message of interfaces.
const RTMSG: usize = 12;
const IFINFOMSG: usize = 16;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
/// A gateway of the other family, after its family in two bytes.
const RTA_VIA: u16 = 18;
/// `RTN_LOCAL`: an address of this host.
const LOCAL: u8 = 2;
const NDA_DST: u16 = 1;
const ENOENT: i32 = Errno::NOENT.raw_os_error();
const IFF_LOOPBACK: u32 = 0x8;
const IFF_POINTOPOINT: u32 = 0x10;
const IFF_NOARP: u32 = 0x80;

/// Who is next on the way to an address, as far as the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// The address is this host's own, or the link has no neighbours that
    /// could be asked for.
    NotAsked,
    /// It answers ARP or neighbour discovery, or did when last asked.
    Resolved(Hop),
    /// Nobody answers for it.
    Unresolved(Hop),
}

/// Whose MAC address the packets to an address go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hop {
    /// The address itself is on the link.
    Target,
    Router(IpAddr),
}

struct Way {
    interface: u32,
    local: bool,
    gateway: Option<IpAddr>,
}

/// The neighbours of the network namespace in which the first request is made.
pub(crate) struct Neighbours {
    netlink: Netlink,
}

impl Neighbours {
    /// Opens nothing yet: the first request does.
    pub(crate) const fn new() -> Self {
        Self {
            netlink: Netlink::new(Protocol::Route),
        }
    }

    /// All neighbours of which the kernel knows the MAC address.
    pub(crate) async fn list(&mut self) -> Result<BTreeMap<IpAddr, MacAddress>, KernelError> {
        let found = self.dump().await;
        found.map_err(|cause| KernelError::new("list the neighbours of this host", cause))
    }

    /// Who is next on the way to an address, from a source address and out of
    /// an interface if these are given.
    pub(crate) async fn next_hop(
        &mut self,
        to: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
    ) -> Result<NextHop, KernelError> {
        let found = self.find_next_hop(to, source, interface).await;
        found.map_err(|cause| KernelError::new(format!("find the neighbour towards {to}"), cause))
    }

    async fn find_next_hop(
        &mut self,
        to: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
    ) -> Result<NextHop, Cause> {
        let way = self.way(to, source, interface).await?;
        if way.local {
            return Ok(NextHop::NotAsked);
        }
        let hop = way.gateway.map_or(Hop::Target, Hop::Router);
        let neighbour = way.gateway.unwrap_or(to);
        let state = match self.state(neighbour, way.interface).await? {
            Some(state) => state,
            None if self.has_neighbours(way.interface).await? => Nud::empty(),
            None => return Ok(NextHop::NotAsked),
        };
        let resolved = Nud::REACHABLE | Nud::STALE | Nud::DELAY | Nud::PROBE | Nud::PERMANENT;
        Ok(if state.intersects(Nud::NOARP) {
            NextHop::NotAsked
        } else if state.intersects(resolved) {
            NextHop::Resolved(hop)
        } else {
            NextHop::Unresolved(hop)
        })
    }

    async fn way(
        &mut self,
        to: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
    ) -> Result<Way, Cause> {
        let bytes = octets(to);
        let mut body = vec![family(to), u8::try_from(bytes.len() * 8).unwrap_or(0)];
        body.resize(RTMSG, 0);
        body.extend(attribute(RTA_DST, &bytes));
        if let Some(source) = source {
            let source = octets(source);
            if let Some(length) = body.get_mut(2) {
                *length = u8::try_from(source.len() * 8).unwrap_or(0);
            }
            body.extend(attribute(RTA_SRC, &source));
        }
        if let Some(interface) = interface {
            body.extend(attribute(RTA_OIF, &interface.to_ne_bytes()));
        }
        let answer = self.netlink.get(request(Rtm::Getroute, body)).await;
        let answer = answer.map_err(|failure| failure.cause(Cause::Errno))?;
        let found = attributes(answer.as_ref(), RTMSG)?;
        let gateway = found.get(&RTA_GATEWAY).copied();
        let via = found.get(&RTA_VIA).and_then(|via| via.get(2..));
        let interface = found.get(&RTA_OIF).and_then(|bytes| u32_at(bytes, 0));
        Ok(Way {
            interface: interface
                .ok_or_else(|| Cause::Undecodable("its interface is missing".to_owned()))?,
            local: u8_at(answer.as_ref(), 7) == Some(LOCAL),
            gateway: gateway.or(via).and_then(address),
        })
    }

    /// The state of one neighbour; `None` if the kernel has no such.
    async fn state(&mut self, of: IpAddr, interface: u32) -> Result<Option<Nud>, Cause> {
        let mut body = vec![family(of), 0, 0, 0];
        body.extend(interface.to_ne_bytes());
        body.resize(NDMSG, 0);
        body.extend(attribute(NDA_DST, &octets(of)));
        let answer = match self.netlink.get(request(Rtm::Getneigh, body)).await {
            Err(Failure::Errno(ENOENT)) => return Ok(None),
            answer => answer.map_err(|failure| failure.cause(Cause::Errno))?,
        };
        let state = u16_at(answer.as_ref(), 8);
        let state = state.ok_or_else(|| Cause::Undecodable("its state is missing".to_owned()))?;
        Ok(Some(Nud::from_bits_truncate(state)))
    }

    /// Whether hosts on a link are asked for by ARP or neighbour discovery.
    async fn has_neighbours(&mut self, interface: u32) -> Result<bool, Cause> {
        let mut body = vec![0; 4];
        body.extend(interface.to_ne_bytes());
        body.resize(IFINFOMSG, 0);
        let answer = self.netlink.get(request(Rtm::Getlink, body)).await;
        let answer = answer.map_err(|failure| failure.cause(Cause::Errno))?;
        let flags = u32_at(answer.as_ref(), 8);
        let flags = flags.ok_or_else(|| Cause::Undecodable("its flags are missing".to_owned()))?;
        Ok(flags & (IFF_LOOPBACK | IFF_POINTOPOINT | IFF_NOARP) == 0)
    }

    async fn dump(&mut self) -> Result<BTreeMap<IpAddr, MacAddress>, Cause> {
        // `struct ndmsg` of family `AF_UNSPEC`: both tables.
        let body = Buffer::from(vec![0; NDMSG]);
        let request = Request {
            message_type: MessageType::Route(Rtm::Getneigh),
            flags: NlmF::empty(),
            body,
        };
        let parts = self.netlink.dump_twice(request).await;
        parts
            .map_err(|failure| failure.cause(Cause::Errno))?
            .iter()
            .filter_map(|part| decode(part).transpose())
            .collect()
    }
}

fn request(kind: Rtm, body: Vec<u8>) -> Request<Buffer> {
    Request {
        message_type: MessageType::Route(kind),
        flags: NlmF::empty(),
        body: Buffer::from(body),
    }
}

const fn family(of: IpAddr) -> u8 {
    match of {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

fn octets(of: IpAddr) -> Vec<u8> {
    match of {
        IpAddr::V4(of) => of.octets().to_vec(),
        IpAddr::V6(of) => of.octets().to_vec(),
    }
}

/// `None` for what is no neighbour with a MAC address.
pub(super) fn decode(part: &Buffer) -> Result<Option<(IpAddr, MacAddress)>, Cause> {
    let undecodable = |error: &dyn ToString| Cause::Undecodable(error.to_string());
    let message = Ndmsg::from_bytes_with_input(&mut Cursor::new(part.as_ref()), part.len())
        .map_err(|error| undecodable(&error))?;
    if message
        .ndm_state()
        .intersects(Nud::FAILED | Nud::INCOMPLETE | Nud::NOARP)
    {
        return Ok(None);
    }
    let attributes = message.rtattrs().get_attr_handle();
    let payload = |kind: Nda| Some(attributes.get_attribute(kind)?.payload().as_ref());
    let family = *message.ndm_family();
    let address = payload(Nda::Dst).and_then(|bytes| {
        if family == RtAddrFamily::Inet {
            <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from)
        } else if family == RtAddrFamily::Inet6 {
            <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
        } else {
            None
        }
    });
    let mac = payload(Nda::Lladdr).and_then(|bytes| bytes.try_into().ok());
    Ok(address.zip(mac.map(MacAddress)))
}

#[cfg(test)]
mod tests;
