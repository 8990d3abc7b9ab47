//! The reader of this host's interfaces, addresses, routes and rules, over
//! `NETLINK_ROUTE`. Everything in this process that asks for them asks here.
//!
//! The layout of the messages is that of rtnetlink(7), `linux/if_link.h` and
//! `linux/if_addr.h`.

mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Arphrd, Ifa, Iff, Ifla, IflaInfo, RtAddrFamily, RtScope, Rtm};
use neli::err::BuilderError;
use neli::rtnl::{Ifaddrmsg, IfaddrmsgBuilder, Ifinfomsg, IfinfomsgBuilder};
use neli::types::Buffer;
use neli::{Size, ToBytes};
use rustix::io::Errno;

pub(crate) use self::routes::Route;
#[cfg(fuzzing)]
pub(super) use self::routes::{mark_rule, way};
use super::attributes::{
    DecodeError, RouteAttributes, address_of, attribute, decode, name_of, text_of, u32_of,
    unencodable,
};
use super::netlink::{Failure, MessageType, Netlink, Protocol, Request};
use super::{Cause, KernelError};
use crate::model::{HostAddress, Interface, MacAddress};

const ENODEV: i32 = Errno::NODEV.raw_os_error();

/// `IFNAMSIZ` of `linux/if.h` less the final NUL: the longest name of an
/// interface, and the longest label of an address.
pub(super) const MAX_NAME: usize = 15;

/// The host of the network namespace in which the first request is made.
pub(crate) struct Host {
    pub(super) netlink: Netlink,
}

/// An interface with its link layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) interface: Interface,
    /// Whether it is up and has a carrier (`IFF_LOWER_UP` of netdevice(7)).
    pub(crate) carrier: bool,
    /// The MAC address of an Ethernet interface.
    pub(crate) mac: Option<MacAddress>,
    point_to_point: bool,
}

impl Link {
    /// Whether ARP or neighbour discovery finds the hosts on the link.
    pub(super) fn has_neighbours(&self) -> bool {
        !(self.interface.loopback || self.interface.no_arp || self.point_to_point)
    }
}

/// An address of an interface that only its number names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldAddress {
    pub(super) interface: u32,
    pub(super) address: IpAddr,
    pub(super) prefix_length: u8,
    pub(super) host_scope: bool,
    /// Only addresses of IPv4 have one.
    pub(super) label: Option<String>,
}

impl Host {
    /// Opens nothing yet: the first request does.
    pub(crate) const fn new() -> Self {
        Self {
            netlink: Netlink::new(Protocol::Route),
        }
    }

    /// All interfaces with their link layer, in the order of their numbers.
    pub(crate) async fn links(&mut self) -> Result<Vec<Link>, KernelError> {
        let found = self.dump(Rtm::Getlink, any_link(), link).await;
        let mut found =
            found.map_err(|cause| KernelError::new("list the interfaces of this host", cause))?;
        found.sort_by_key(|link| link.interface.index);
        Ok(found)
    }

    /// All interfaces, in the order of their numbers.
    pub(crate) async fn interfaces(&mut self) -> Result<Vec<Interface>, KernelError> {
        let links = self.links().await?.into_iter();
        Ok(links.map(|link| link.interface).collect())
    }

    /// All addresses on these interfaces, sorted.
    pub(crate) async fn addresses(
        &mut self,
        interfaces: &[Interface],
    ) -> Result<Vec<HostAddress>, KernelError> {
        let mut found = self.addresses_in_order(interfaces.iter()).await?;
        found.sort();
        Ok(found)
    }

    /// The same in the order of the kernel, in which an interface's first
    /// address is its primary one. Addresses of interfaces that are not in the
    /// list are left out.
    pub(super) async fn addresses_in_order(
        &mut self,
        interfaces: impl Iterator<Item = &Interface> + Send,
    ) -> Result<Vec<HostAddress>, KernelError> {
        let names: BTreeMap<_, _> = interfaces
            .map(|interface| (interface.index, interface.name.as_str()))
            .collect();
        let held = self.held().await.map_err(addresses_error)?;
        let found = held.into_iter().filter_map(|held| {
            Some(HostAddress {
                interface: (*names.get(&held.interface)?).to_owned(),
                address: held.address,
                prefix_length: held.prefix_length,
                host_scope: held.host_scope,
            })
        });
        Ok(found.collect())
    }

    /// The addresses of all interfaces of this host.
    pub(crate) async fn local(&mut self) -> Result<BTreeSet<IpAddr>, KernelError> {
        let held = self.held().await.map_err(addresses_error)?;
        Ok(held.into_iter().map(|held| held.address).collect())
    }

    /// The interface of this name. Fails with [`Cause::NoInterface`] if it does
    /// not exist.
    pub(crate) async fn link(&mut self, name: &str) -> Result<Link, KernelError> {
        let found = self.link_by_name(name).await;
        found.map_err(|cause| KernelError::new(format!("look at the link of {name}"), cause))
    }

    pub(super) async fn link_by_name(&mut self, name: &str) -> Result<Link, Cause> {
        let no_interface = || Cause::NoInterface(name.to_owned());
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(no_interface());
        }
        let attributes = [attribute(Ifla::Ifname, name).map_err(unencodable)?];
        let body = IfinfomsgBuilder::default()
            .ifi_family(RtAddrFamily::Unspecified)
            .rtattrs(attributes.into_iter().collect())
            .build();
        let found = self
            .get_link(body.map_err(unencodable), no_interface)
            .await?;
        // The kernel finds an interface by its alternative names as well
        // (ip-link(8), `altname`), which neither /proc/sys nor a packet knows.
        if found.interface.name == name {
            Ok(found)
        } else {
            Err(Cause::OtherName {
                given: name.to_owned(),
                name: found.interface.name,
            })
        }
    }

    pub(super) async fn link_by_index(&mut self, index: u32) -> Result<Link, Cause> {
        let body = IfinfomsgBuilder::default()
            .ifi_family(RtAddrFamily::Unspecified)
            .ifi_index(i32::try_from(index).unwrap_or(i32::MAX))
            .build();
        let no_interface = || Cause::Errno(ENODEV);
        self.get_link(body.map_err(unencodable), no_interface).await
    }

    async fn get_link(
        &mut self,
        body: Result<Ifinfomsg, Cause>,
        no_interface: impl Fn() -> Cause,
    ) -> Result<Link, Cause> {
        let answer = self.netlink.get(request(Rtm::Getlink, body?)).await;
        let answer = answer.map_err(|failure| {
            failure.cause(|number| match number {
                ENODEV => no_interface(),
                _ => Cause::Errno(number),
            })
        })?;
        link(answer.as_ref())?.ok_or_else(no_interface)
    }

    /// Always every address: only a socket with `NETLINK_GET_STRICT_CHK` is
    /// answered with a part of them, and only since Linux 4.20.
    pub(super) async fn held(&mut self) -> Result<Vec<HeldAddress>, Cause> {
        let body: Result<Ifaddrmsg, BuilderError> = IfaddrmsgBuilder::default()
            .ifa_family(RtAddrFamily::Unspecified)
            .ifa_prefixlen(0)
            .ifa_scope(RtScope::Universe)
            .ifa_index(0)
            .build()
            .map_err(BuilderError::from);
        self.dump(Rtm::Getaddr, body, held_address).await
    }

    async fn dump<B, T>(
        &mut self,
        kind: Rtm,
        body: Result<B, BuilderError>,
        decode: impl Fn(&[u8]) -> Result<Option<T>, DecodeError>,
    ) -> Result<Vec<T>, Cause>
    where
        B: Size + ToBytes + Clone + Send + Sync,
    {
        let request = request(kind, body.map_err(unencodable)?);
        decode_all(self.netlink.dump(request).await, decode)
    }
}

fn addresses_error(cause: Cause) -> KernelError {
    KernelError::new("list the addresses of this host", cause)
}

pub(super) fn request<B>(kind: Rtm, body: B) -> Request<B> {
    Request {
        message_type: MessageType::Route(kind),
        flags: NlmF::empty(),
        body,
    }
}

/// Decodes all parts of a dump; parts that mean nothing here are left out.
pub(super) fn decode_all<T>(
    parts: Result<Vec<Buffer>, Failure>,
    decode: impl Fn(&[u8]) -> Result<Option<T>, DecodeError>,
) -> Result<Vec<T>, Cause> {
    let parts = parts.map_err(|failure| failure.cause(Cause::Errno))?;
    let decoded = parts.iter().map(|part| decode(part.as_ref()));
    let decoded = decoded.filter_map(Result::transpose);
    Ok(decoded.collect::<Result<_, _>>()?)
}

fn any_link() -> Result<Ifinfomsg, BuilderError> {
    let body = IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .build()?;
    Ok(body)
}

pub(super) fn link(part: &[u8]) -> Result<Option<Link>, DecodeError> {
    let message: Ifinfomsg = decode(part)?;
    let attributes = RouteAttributes::of(message.rtattrs());
    let index = u32::try_from(*message.ifi_index());
    let info: RouteAttributes<'_, IflaInfo> = attributes.nested_or_none(Ifla::Linkinfo)?;
    let member_of_vrf = info.get(IflaInfo::SlaveKind).and_then(text_of) == Some("vrf");
    let other_names: RouteAttributes<'_, Ifla> = attributes.nested_or_none(Ifla::PropList)?;
    let flags = message.ifi_flags();
    let ethernet = *message.ifi_type() == Arphrd::Ether;
    let mac = attributes.get(Ifla::Address).filter(|_| ethernet);
    Ok(Some(Link {
        interface: Interface {
            index: index.map_err(|_| DecodeError::Missing("its number"))?,
            name: attributes.value(Ifla::Ifname, "its name", name_of)?,
            other_names: other_names
                .every(Ifla::AltIfname)
                .filter_map(name_of)
                .collect(),
            up: flags.contains(Iff::UP),
            loopback: flags.contains(Iff::LOOPBACK),
            no_arp: flags.contains(Iff::NOARP),
            enslaved: attributes.get(Ifla::Master).is_some() && !member_of_vrf,
            mtu: attributes
                .optional(Ifla::Mtu, "its MTU", u32_of)?
                .unwrap_or(0),
            kind: info.get(IflaInfo::Kind).and_then(name_of),
        },
        carrier: flags.contains(Iff::LOWERUP),
        mac: mac.and_then(|mac| mac.try_into().ok()).map(MacAddress),
        point_to_point: flags.contains(Iff::POINTOPOINT),
    }))
}

/// `None` for an address of neither IPv4 nor IPv6.
pub(super) fn held_address(part: &[u8]) -> Result<Option<HeldAddress>, DecodeError> {
    let message: Ifaddrmsg = decode(part)?;
    let family = *message.ifa_family();
    if family != RtAddrFamily::Inet && family != RtAddrFamily::Inet6 {
        return Ok(None);
    }
    let attributes = RouteAttributes::of(message.rtattrs());
    // On a point-to-point link IFA_ADDRESS is the peer's; IPv6 without a peer
    // has no IFA_LOCAL.
    let own = attributes.optional(Ifa::Local, "IFA_LOCAL", address_of)?;
    let address = match own {
        Some(own) => own,
        None => attributes.value(Ifa::Address, "an address", address_of)?,
    };
    Ok(Some(HeldAddress {
        interface: *message.ifa_index(),
        address,
        prefix_length: *message.ifa_prefixlen(),
        host_scope: *message.ifa_scope() == RtScope::Host,
        label: attributes.get(Ifa::Label).and_then(name_of),
    }))
}

#[cfg(test)]
mod tests;
