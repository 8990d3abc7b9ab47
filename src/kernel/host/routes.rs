//! Routes to an address, and rules of routing that look at the firewall mark.
//!
//! The layout of the messages is that of rtnetlink(7) and `linux/fib_rules.h`.

use std::net::IpAddr;

use neli::consts::rtnl::{FrAct, Frattr, RtAddrFamily, RtScope, RtTable, Rta, Rtm, Rtn, Rtprot};
use neli::err::BuilderError;
use neli::rtnl::{Fibmsg, FibmsgBuilder, Rtmsg, RtmsgBuilder};

use super::{Host, decode_all, request};
use crate::kernel::attributes::{
    DecodeError, RouteAttributes, address_attribute, address_of, attribute, decode, encode, u32_of,
    unencodable,
};
use crate::kernel::{Cause, KernelError};
use crate::model::{Family, MarkRule};

/// `RTA_VIA`: a gateway of the other family, after its family in two bytes.
const RTA_VIA: u16 = 18;
/// `RTAX_MTU`, nested in `RTA_METRICS`.
const RTAX_MTU: u16 = 2;

/// Where packets to an address leave this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The number of the interface.
    pub(crate) interface: u32,
    /// The route's own largest packet in bytes; `None` for the interface's.
    pub(crate) mtu: Option<u32>,
}

/// A route with the router on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kernel) struct Way {
    pub(in crate::kernel) route: Route,
    /// Whether the address is this host's own.
    pub(in crate::kernel) local: bool,
    pub(in crate::kernel) gateway: Option<IpAddr>,
}

impl Host {
    /// The rules that look at the firewall mark, sorted.
    pub(crate) async fn mark_rules(&mut self) -> Result<Vec<MarkRule>, KernelError> {
        let found = self.dump_mark_rules().await;
        let mut found =
            found.map_err(|cause| KernelError::new("list the rules of routing", cause))?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn dump_mark_rules(&mut self) -> Result<Vec<MarkRule>, Cause> {
        let body = encode(&any_rule()?)?;
        let parts = self.netlink.dump_twice(request(Rtm::Getrule, body)).await;
        decode_all(parts, mark_rule)
    }

    /// The route to an address; fails where there is none.
    pub(crate) async fn route(&mut self, to: IpAddr) -> Result<Route, KernelError> {
        let way = self.way(to, None, None).await;
        let way =
            way.map_err(|cause| KernelError::new(format!("find the route to {to}"), cause))?;
        Ok(way.route)
    }

    /// The way to an address, from a source address and out of an interface if
    /// these are given.
    pub(in crate::kernel) async fn way(
        &mut self,
        to: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
    ) -> Result<Way, Cause> {
        let body = question(to, source, interface).map_err(unencodable)?;
        let answer = self.netlink.get(request(Rtm::Getroute, body)).await;
        let answer = answer.map_err(|failure| failure.cause(Cause::Errno))?;
        Ok(way(answer.as_ref())?)
    }
}

fn any_rule() -> Result<Fibmsg, Cause> {
    let message = FibmsgBuilder::default()
        .fib_family(RtAddrFamily::Unspecified)
        .fib_dst_len(0)
        .fib_src_len(0)
        .fib_tos(0)
        .fib_table(RtTable::Unspec)
        .fib_action(FrAct::Unspec)
        .build();
    message.map_err(|error| Cause::Unencodable(error.to_string()))
}

fn question(
    to: IpAddr,
    source: Option<IpAddr>,
    interface: Option<u32>,
) -> Result<Rtmsg, BuilderError> {
    let bits = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    let mut attributes = vec![address_attribute(Rta::Dst, to)?];
    if let Some(source) = source {
        attributes.push(address_attribute(Rta::Src, source)?);
    }
    if let Some(interface) = interface {
        attributes.push(attribute(Rta::Oif, interface)?);
    }
    let message = RtmsgBuilder::default()
        .rtm_family(if to.is_ipv4() {
            RtAddrFamily::Inet
        } else {
            RtAddrFamily::Inet6
        })
        .rtm_dst_len(bits(to))
        .rtm_src_len(source.map_or(0, bits))
        .rtm_tos(0)
        .rtm_table(RtTable::Unspec)
        .rtm_protocol(Rtprot::Unspec)
        .rtm_scope(RtScope::Universe)
        .rtm_type(Rtn::Unspec)
        .rtattrs(attributes.into_iter().collect())
        .build()?;
    Ok(message)
}

pub(in crate::kernel) fn way(part: &[u8]) -> Result<Way, DecodeError> {
    let message: Rtmsg = decode(part)?;
    let attributes = RouteAttributes::of(message.rtattrs());
    let metrics: RouteAttributes<'_, u16> = attributes.nested_or_none(Rta::Metrics)?;
    let mtu = metrics.optional(RTAX_MTU, "RTAX_MTU", u32_of)?;
    let via = attributes.get(Rta::from(RTA_VIA));
    let gateway = attributes
        .get(Rta::Gateway)
        .or(via.and_then(|via| via.get(2..)));
    Ok(Way {
        route: Route {
            interface: attributes.value(Rta::Oif, "its interface", u32_of)?,
            mtu: mtu.filter(|mtu| *mtu > 0),
        },
        local: *message.rtm_type() == Rtn::Local,
        gateway: gateway.and_then(address_of),
    })
}

/// `None` for a rule of neither IPv4 nor IPv6, or without a mark.
pub(in crate::kernel) fn mark_rule(part: &[u8]) -> Result<Option<MarkRule>, DecodeError> {
    let message: Fibmsg = decode(part)?;
    let family = *message.fib_family();
    let family = if family == RtAddrFamily::Inet {
        Family::Ipv4
    } else if family == RtAddrFamily::Inet6 {
        Family::Ipv6
    } else {
        return Ok(None);
    };
    let attributes = RouteAttributes::of(message.rtattrs());
    let number = |kind, name| attributes.optional(kind, name, u32_of);
    let Some(mark) = number(Frattr::Fwmark, "FRA_FWMARK")? else {
        return Ok(None);
    };
    let table = number(Frattr::Table, "FRA_TABLE")?;
    Ok(Some(MarkRule {
        family,
        priority: number(Frattr::Priority, "FRA_PRIORITY")?.unwrap_or(0),
        mark,
        mask: number(Frattr::Fwmask, "FRA_FWMASK")?.unwrap_or(u32::MAX),
        table: table.unwrap_or_else(|| u8::from(*message.fib_table()).into()),
    }))
}
