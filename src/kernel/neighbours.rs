//! The kernel's neighbour tables, over `NETLINK_ROUTE`: which MAC address
//! belongs to which address, and whether the next hop towards an address
//! answers. Nothing is written.
//!
//! The layout of the messages is that of rtnetlink(7) and `linux/neighbour.h`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use neli::consts::rtnl::{Nda, Nud, RtAddrFamily, Rtm, Rtn};
use neli::err::BuilderError;
use neli::rtnl::{Ndmsg, NdmsgBuilder};
use neli::types::{Buffer, RtBuffer};
use rustix::io::Errno;

use super::attributes::{
    DecodeError, RouteAttributes, address_attribute, address_of, decode, encode, unencodable,
};
use super::host::{Host, decode_all, request};
use super::netlink::Failure;
use super::{Cause, KernelError};
use crate::model::MacAddress;

const ENOENT: i32 = Errno::NOENT.raw_os_error();

/// The next hop towards an address, as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// The address is this host's own, or the link has no neighbour discovery.
    NotAsked,
    /// The next hop answers ARP or neighbour discovery, or did when last asked.
    Resolved(Hop),
    /// Nothing answers for the next hop.
    Unresolved(Hop),
}

/// The owner of the MAC address that packets to an address are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hop {
    /// The address itself is on the link.
    Target,
    Router(IpAddr),
}

/// The neighbours of the network namespace in which the first request is made.
pub(crate) struct Neighbours {
    host: Host,
}

impl Neighbours {
    /// Opens nothing yet: the first request does.
    pub(crate) const fn new() -> Self {
        Self { host: Host::new() }
    }

    /// All neighbours of which the kernel knows the MAC address.
    pub(crate) async fn list(&mut self) -> Result<BTreeMap<IpAddr, MacAddress>, KernelError> {
        let found = self.dump().await;
        found.map_err(|cause| KernelError::new("list the neighbours of this host", cause))
    }

    /// The next hop towards an address, from a source address and out of an
    /// interface if these are given.
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
        let way = self.host.way(to, source, interface).await?;
        let link = way.route.interface;
        if way.local {
            return Ok(NextHop::NotAsked);
        }
        let hop = way.gateway.map_or(Hop::Target, Hop::Router);
        let neighbour = way.gateway.unwrap_or(to);
        let state = match self.state(neighbour, link).await? {
            Some(state) => state,
            None if self.host.link_by_index(link).await?.has_neighbours() => Nud::empty(),
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

    /// The state of one neighbour; `None` if the kernel has no such.
    async fn state(&mut self, of: IpAddr, interface: u32) -> Result<Option<Nud>, Cause> {
        let body = encode(&question(of, interface).map_err(unencodable)?)?;
        let answer = match self.host.netlink.get(request(Rtm::Getneigh, body)).await {
            Err(Failure::Errno(ENOENT)) => return Ok(None),
            answer => answer.map_err(|failure| failure.cause(Cause::Errno))?,
        };
        let message: Ndmsg = decode(answer.as_ref())?;
        Ok(Some(*message.ndm_state()))
    }

    async fn dump(&mut self) -> Result<BTreeMap<IpAddr, MacAddress>, Cause> {
        let any = message(RtAddrFamily::Unspecified, 0, RtBuffer::new());
        let body = encode(&any.map_err(unencodable)?)?;
        let parts = self.host.netlink.dump_twice(request(Rtm::Getneigh, body));
        let found = decode_all(parts.await, neighbour)?;
        Ok(found.into_iter().collect())
    }
}

fn question(of: IpAddr, interface: u32) -> Result<Ndmsg, BuilderError> {
    let family = if of.is_ipv4() {
        RtAddrFamily::Inet
    } else {
        RtAddrFamily::Inet6
    };
    let address = address_attribute(Nda::Dst, of)?;
    let interface = i32::try_from(interface).unwrap_or(i32::MAX);
    message(family, interface, [address].into_iter().collect())
}

fn message(
    family: RtAddrFamily,
    interface: i32,
    attributes: RtBuffer<Nda, Buffer>,
) -> Result<Ndmsg, BuilderError> {
    let message = NdmsgBuilder::default()
        .ndm_family(family)
        .ndm_index(interface)
        .ndm_state(Nud::empty())
        .ndm_type(Rtn::Unspec)
        .rtattrs(attributes)
        .build()?;
    Ok(message)
}

/// `None` for an entry that is no neighbour with a MAC address.
pub(super) fn neighbour(part: &[u8]) -> Result<Option<(IpAddr, MacAddress)>, DecodeError> {
    let message: Ndmsg = decode(part)?;
    if message
        .ndm_state()
        .intersects(Nud::FAILED | Nud::INCOMPLETE | Nud::NOARP)
    {
        return Ok(None);
    }
    let family = *message.ndm_family();
    if family != RtAddrFamily::Inet && family != RtAddrFamily::Inet6 {
        return Ok(None);
    }
    let attributes = RouteAttributes::of(message.rtattrs());
    let address = attributes.get(Nda::Dst).and_then(address_of);
    let mac = attributes.get(Nda::Lladdr);
    let mac = mac.and_then(|mac| mac.try_into().ok()).map(MacAddress);
    Ok(address.zip(mac))
}

#[cfg(test)]
mod tests;
