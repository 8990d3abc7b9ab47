//! Interfaces, addresses, routes and rules of this host, over `NETLINK_ROUTE`:
//! read, never written.
//!
//! The layout of the messages is that of rtnetlink(7), `linux/if_link.h`,
//! `linux/if_addr.h` and `linux/fib_rules.h`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::types::Buffer;

use super::attributes::{address, attribute, attributes, every, text, u8_at, u32_at};
use super::netlink::{Failure, MessageType, Netlink, Protocol, Request};
use super::{Cause, KernelError};
use crate::model::{Family, HostAddress, Interface, MarkRule};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_NOARP: u32 = 0x80;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_SLAVE_KIND: u16 = 4;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// `RT_SCOPE_HOST`.
const SCOPE_HOST: u8 = 254;

const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_METRICS: u16 = 8;
const RTAX_MTU: u16 = 2;

/// The host of the network namespace in which the first request is made.
pub(crate) struct Host {
    netlink: Netlink,
}

/// Where packets to an address leave this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The number of the interface.
    pub(crate) interface: u32,
    /// The route's own largest packet in bytes; `None` for the interface's.
    pub(crate) mtu: Option<u32>,
}

impl Host {
    /// Opens nothing yet: the first request does.
    pub(crate) const fn new() -> Self {
        Self {
            netlink: Netlink::new(Protocol::Route),
        }
    }

    /// All interfaces, in the order of their numbers.
    pub(crate) async fn interfaces(&mut self) -> Result<Vec<Interface>, KernelError> {
        let found = self.dump(Rtm::Getlink, 16, interface).await;
        let mut found =
            found.map_err(|cause| KernelError::new("list the interfaces of this host", cause))?;
        found.sort_by_key(|interface| interface.index);
        Ok(found)
    }

    /// All addresses on these interfaces, sorted.
    pub(crate) async fn addresses(
        &mut self,
        interfaces: &[Interface],
    ) -> Result<Vec<HostAddress>, KernelError> {
        let names: BTreeMap<_, _> = interfaces
            .iter()
            .map(|interface| (interface.index, interface.name.as_str()))
            .collect();
        let found = self
            .dump(Rtm::Getaddr, 8, |part| host_address(part, &names))
            .await;
        let mut found =
            found.map_err(|cause| KernelError::new("list the addresses of this host", cause))?;
        found.sort();
        Ok(found)
    }

    /// The rules that look at the firewall mark, sorted.
    pub(crate) async fn mark_rules(&mut self) -> Result<Vec<MarkRule>, KernelError> {
        let found = self.netlink.dump_twice(request(Rtm::Getrule, vec![0; 12]));
        let found = decoded(found.await, mark_rule);
        let mut found =
            found.map_err(|cause| KernelError::new("list the rules of routing", cause))?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The route to an address; fails where there is none.
    pub(crate) async fn route(&mut self, to: IpAddr) -> Result<Route, KernelError> {
        let route = async {
            let (family, bytes) = match to {
                IpAddr::V4(to) => (AF_INET, to.octets().to_vec()),
                IpAddr::V6(to) => (AF_INET6, to.octets().to_vec()),
            };
            let bits = u8::try_from(bytes.len() * 8).unwrap_or(0);
            let mut body = vec![family, bits];
            body.resize(12, 0);
            body.extend(attribute(RTA_DST, &bytes));
            let request = request(Rtm::Getroute, body);
            let answer = self.netlink.get(request).await;
            let answer = answer.map_err(|failure| failure.cause(Cause::Errno))?;
            let found = attributes(answer.as_ref(), 12)?;
            let metrics = found.get(&RTA_METRICS).map(|nested| attributes(nested, 0));
            let metrics = metrics.transpose()?.unwrap_or_default();
            Ok(Route {
                interface: number(&found, RTA_OIF).ok_or_else(|| missing("its interface"))?,
                mtu: number(&metrics, RTAX_MTU).filter(|mtu| *mtu > 0),
            })
        };
        let route: Result<Route, Cause> = route.await;
        route.map_err(|cause| KernelError::new(format!("find the route to {to}"), cause))
    }

    /// `head` is the length of the fixed part of the request.
    async fn dump<T>(
        &mut self,
        kind: Rtm,
        head: usize,
        decode: impl Fn(&[u8]) -> Result<Option<T>, Cause>,
    ) -> Result<Vec<T>, Cause> {
        decoded(
            self.netlink.dump(request(kind, vec![0; head])).await,
            decode,
        )
    }
}

fn decoded<T>(
    parts: Result<Vec<Buffer>, Failure>,
    decode: impl Fn(&[u8]) -> Result<Option<T>, Cause>,
) -> Result<Vec<T>, Cause> {
    let parts = parts.map_err(|failure| failure.cause(Cause::Errno))?;
    let decoded = parts.iter().map(|part| decode(part.as_ref()));
    decoded.filter_map(Result::transpose).collect()
}

fn request(kind: Rtm, body: Vec<u8>) -> Request<Buffer> {
    Request {
        message_type: MessageType::Route(kind),
        flags: NlmF::empty(),
        body: Buffer::from(body),
    }
}

fn missing(what: &str) -> Cause {
    Cause::Undecodable(format!("{what} is missing"))
}

fn number(attributes: &BTreeMap<u16, &[u8]>, kind: u16) -> Option<u32> {
    attributes.get(&kind).and_then(|bytes| u32_at(bytes, 0))
}

pub(super) fn interface(part: &[u8]) -> Result<Option<Interface>, Cause> {
    let found = attributes(part, 16)?;
    let (Some(index), Some(flags)) = (u32_at(part, 4), u32_at(part, 8)) else {
        return Err(missing("its number"));
    };
    let info = found
        .get(&IFLA_LINKINFO)
        .map(|nested| attributes(nested, 0));
    let info = info.transpose()?.unwrap_or_default();
    let named = |kind| info.get(&kind).map(|bytes| text(bytes));
    let member_of_vrf = named(IFLA_INFO_SLAVE_KIND).is_some_and(|kind| kind == "vrf");
    Ok(Some(Interface {
        index,
        name: found
            .get(&IFLA_IFNAME)
            .map(|bytes| text(bytes))
            .ok_or_else(|| missing("its name"))?,
        other_names: {
            let properties = found.get(&IFLA_PROP_LIST).copied().unwrap_or_default();
            let other = every(properties, IFLA_ALT_IFNAME)?;
            other.into_iter().map(text).collect()
        },
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        no_arp: flags & IFF_NOARP != 0,
        enslaved: found.contains_key(&IFLA_MASTER) && !member_of_vrf,
        mtu: number(&found, IFLA_MTU).unwrap_or(0),
        kind: named(IFLA_INFO_KIND),
    }))
}

/// `None` for an address of neither IPv4 nor IPv6, and for one of an interface
/// that has come since the interfaces were listed.
pub(super) fn host_address(
    part: &[u8],
    names: &BTreeMap<u32, &str>,
) -> Result<Option<HostAddress>, Cause> {
    let found = attributes(part, 8)?;
    let (Some(prefix_length), Some(scope), Some(index)) =
        (u8_at(part, 1), u8_at(part, 3), u32_at(part, 4))
    else {
        return Err(missing("its head"));
    };
    let family = u8_at(part, 0);
    if family != Some(AF_INET) && family != Some(AF_INET6) {
        return Ok(None);
    }
    // On a point-to-point link IFA_ADDRESS is the peer's; IPv6 without a peer
    // has no IFA_LOCAL.
    let bytes = found.get(&IFA_LOCAL).or_else(|| found.get(&IFA_ADDRESS));
    let address = bytes.and_then(|bytes| address(bytes));
    let address = address.ok_or_else(|| missing("an address"))?;
    Ok(names.get(&index).map(|name| HostAddress {
        interface: (*name).to_owned(),
        address,
        prefix_length,
        host_scope: scope == SCOPE_HOST,
    }))
}

pub(super) fn mark_rule(part: &[u8]) -> Result<Option<MarkRule>, Cause> {
    let found = attributes(part, 12)?;
    let family = match u8_at(part, 0) {
        Some(AF_INET) => Family::Ipv4,
        Some(AF_INET6) => Family::Ipv6,
        _ => return Ok(None),
    };
    let Some(mark) = number(&found, FRA_FWMARK) else {
        return Ok(None);
    };
    let table = number(&found, FRA_TABLE).or(u8_at(part, 4).map(u32::from));
    Ok(Some(MarkRule {
        family,
        priority: number(&found, FRA_PRIORITY).unwrap_or(0),
        mark,
        mask: number(&found, FRA_FWMASK).unwrap_or(u32::MAX),
        table: table.unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests;
