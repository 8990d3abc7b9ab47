//! Addresses of this host's interfaces, over `NETLINK_ROUTE`.
//!
//! The layout of the messages is that of rtnetlink(7), `linux/if_addr.h` and
//! `linux/if_link.h`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::net::IpAddr;

use neli::attr::Attribute as _;
use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Ifa, IfaF, Iff, Ifla, RtAddrFamily, RtScope, RtaType, Rtm};
use neli::err::BuilderError;
use neli::rtnl::{Ifaddrmsg, IfaddrmsgBuilder, Ifinfomsg, IfinfomsgBuilder, Rtattr, RtattrBuilder};
use neli::types::Buffer;
use neli::{FromBytesWithInput, Size, ToBytes};
use rustix::io::Errno;

use super::attributes::text;
use super::netlink::{Failure, MessageType, Netlink, Protocol, Request};
use super::{Cause, KernelError};
use crate::model::LocalAddress;

const EEXIST: i32 = Errno::EXIST.raw_os_error();
const ENODEV: i32 = Errno::NODEV.raw_os_error();
const EACCES: i32 = Errno::ACCESS.raw_os_error();
const EADDRNOTAVAIL: i32 = Errno::ADDRNOTAVAIL.raw_os_error();

/// `IFNAMSIZ` of `linux/if.h` less the final NUL: the longest name of an
/// interface, and the longest label of an address.
const MAX_NAME: usize = 15;

/// The addresses of the network namespace in which the first request is made.
pub(crate) struct Addresses {
    netlink: Netlink,
}

/// Address and prefix length, and the label that IPv4 addresses have.
pub(crate) type AddressList = BTreeMap<(IpAddr, u8), Option<String>>;

impl Addresses {
    /// Opens nothing yet: the first request does.
    pub(crate) const fn new() -> Self {
        Self {
            netlink: Netlink::new(Protocol::Route),
        }
    }

    /// The addresses of one interface.
    pub(crate) async fn list(&mut self, interface: &str) -> Result<AddressList, KernelError> {
        let addresses = async {
            let index = self.index(interface).await?;
            self.labels(index).await
        };
        addresses
            .await
            .map_err(|cause| KernelError::new(format!("list the addresses of {interface}"), cause))
    }

    /// The addresses of all interfaces of this host.
    pub(crate) async fn local(&mut self) -> Result<BTreeSet<IpAddr>, KernelError> {
        let found = self
            .dump()
            .await
            .map_err(|cause| KernelError::new("list the addresses of this host", cause))?;
        Ok(found.into_iter().map(|found| found.address).collect())
    }

    /// Whether the interface is up and has a carrier (`IFF_LOWER_UP` of
    /// netdevice(7)). Fails with [`Cause::NoInterface`] if it is not there.
    pub(crate) async fn has_carrier(&mut self, interface: &str) -> Result<bool, KernelError> {
        match self.link(interface).await {
            Ok(link) => Ok(link.ifi_flags().contains(Iff::LOWERUP)),
            Err(cause) => Err(KernelError::new(
                format!("look at the link of {interface}"),
                cause,
            )),
        }
    }

    /// Adds an address, as `ip address add` does. The interface may be down.
    ///
    /// An IPv4 address gets the first free label `INTERFACE:N`. An IPv6
    /// address is there at once, without duplicate address detection (the
    /// director and all real servers hold the same VIP), and is deprecated, so
    /// that the host does not pick it as the source of its own connections.
    ///
    /// Fails with [`Cause::Exists`] if the interface has it already.
    pub(crate) async fn add(&mut self, address: &LocalAddress) -> Result<(), KernelError> {
        let added = async {
            let index = self.index(&address.interface).await?;
            let label = match address.address {
                IpAddr::V4(_) => {
                    let taken = self.labels(index).await?;
                    let taken = taken.values().flatten().map(String::as_str).collect();
                    Some(free_label(&address.interface, &taken))
                }
                IpAddr::V6(_) => None,
            };
            let body = message(index, address, label.as_deref());
            self.change(
                Rtm::Newaddr,
                NlmF::CREATE | NlmF::EXCL,
                body,
                &address.interface,
            )
            .await
        };
        added
            .await
            .map_err(|cause| KernelError::new(format!("add address {address}"), cause))
    }

    /// Removes an address. Fails with [`Cause::Missing`] if the interface does
    /// not have it with the prefix length of a single host.
    pub(crate) async fn remove(&mut self, address: &LocalAddress) -> Result<(), KernelError> {
        let removed = async {
            let index = self.index(&address.interface).await?;
            let body = message(index, address, None);
            self.change(Rtm::Deladdr, NlmF::empty(), body, &address.interface)
                .await
        };
        removed
            .await
            .map_err(|cause| KernelError::new(format!("remove address {address}"), cause))
    }

    async fn index(&mut self, interface: &str) -> Result<u32, Cause> {
        let link = self.link(interface).await?;
        u32::try_from(*link.ifi_index()).map_err(|error| undecodable(&error))
    }

    async fn link(&mut self, interface: &str) -> Result<Ifinfomsg, Cause> {
        let no_interface = || Cause::NoInterface(interface.to_owned());
        if interface.is_empty() || interface.len() > MAX_NAME {
            return Err(no_interface());
        }
        let body = IfinfomsgBuilder::default()
            .ifi_family(RtAddrFamily::Unspecified)
            .rtattrs(
                [attribute(Ifla::Ifname, interface).map_err(unencodable)?]
                    .into_iter()
                    .collect(),
            )
            .build()
            .map_err(unencodable)?;
        let request = Request {
            message_type: MessageType::Route(Rtm::Getlink),
            flags: NlmF::empty(),
            body,
        };
        let answer = self.netlink.get(request).await.map_err(|failure| {
            failure.cause(|number| match number {
                ENODEV => no_interface(),
                _ => Cause::Errno(number),
            })
        })?;
        let link =
            Ifinfomsg::from_bytes_with_input(&mut Cursor::new(answer.as_ref()), answer.len())
                .map_err(|error| undecodable(&error))?;
        // The kernel finds an interface by its alternative names as well
        // (ip-link(8), `altname`), which neither /proc/sys nor a packet knows.
        let attributes = link.rtattrs().get_attr_handle();
        let name = attributes.get_attribute(Ifla::Ifname);
        let name = name.map(|name| text(name.payload().as_ref()));
        match name {
            Some(name) if name != interface => Err(Cause::OtherName {
                given: interface.to_owned(),
                name,
            }),
            Some(_) | None => Ok(link),
        }
    }

    async fn labels(&mut self, index: u32) -> Result<AddressList, Cause> {
        let found = self.dump().await?;
        Ok(found
            .into_iter()
            .filter(|found| found.index == index)
            .map(|found| ((found.address, found.prefix_length), found.label))
            .collect())
    }

    /// Always every address: only a socket with `NETLINK_GET_STRICT_CHK` is
    /// answered with a part of them, and only since Linux 4.20.
    async fn dump(&mut self) -> Result<Vec<Found>, Cause> {
        let body = IfaddrmsgBuilder::default()
            .ifa_family(RtAddrFamily::Unspecified)
            .ifa_prefixlen(0)
            .ifa_scope(RtScope::Universe)
            .ifa_index(0)
            .build()
            .map_err(unencodable)?;
        let request = Request {
            message_type: MessageType::Route(Rtm::Getaddr),
            flags: NlmF::empty(),
            body,
        };
        let parts = self.netlink.dump(request).await;
        parts
            .map_err(|failure| failure.cause(Cause::Errno))?
            .iter()
            .filter_map(|part| Found::decode(part).transpose())
            .collect()
    }

    async fn change(
        &mut self,
        kind: Rtm,
        flags: NlmF,
        body: Result<Ifaddrmsg, BuilderError>,
        interface: &str,
    ) -> Result<(), Cause> {
        let request = Request {
            message_type: MessageType::Route(kind),
            flags,
            body: body.map_err(unencodable)?,
        };
        let result = self.netlink.write(request).await;
        result.map_err(|failure: Failure| {
            failure.cause(|number| match number {
                EEXIST => Cause::Exists,
                EADDRNOTAVAIL => Cause::Missing,
                ENODEV => Cause::NoInterface(interface.to_owned()),
                // `addrconf_add_dev` in `net/ipv6/addrconf.c`; nothing else says so.
                EACCES => Cause::Ipv6Disabled(interface.to_owned()),
                _ => Cause::Errno(number),
            })
        })
    }
}

pub(super) struct Found {
    index: u32,
    address: IpAddr,
    prefix_length: u8,
    label: Option<String>,
}

impl Found {
    /// `None` for an address of neither IPv4 nor IPv6.
    pub(super) fn decode(part: &Buffer) -> Result<Option<Self>, Cause> {
        let message = Ifaddrmsg::from_bytes_with_input(&mut Cursor::new(part.as_ref()), part.len())
            .map_err(|error| undecodable(&error))?;
        let attributes = message.rtattrs().get_attr_handle();
        let payload = |kind: Ifa| {
            let attribute = attributes.get_attribute(kind)?;
            Some(attribute.payload().as_ref())
        };
        // On a point-to-point link IFA_ADDRESS is the peer's; IPv6 without a
        // peer has no IFA_LOCAL.
        let Some(bytes) = payload(Ifa::Local).or_else(|| payload(Ifa::Address)) else {
            return Err(Cause::Undecodable("an address is missing".to_owned()));
        };
        let family = *message.ifa_family();
        let address = if family == RtAddrFamily::Inet {
            <[u8; 4]>::try_from(bytes).map(IpAddr::from)
        } else if family == RtAddrFamily::Inet6 {
            <[u8; 16]>::try_from(bytes).map(IpAddr::from)
        } else {
            return Ok(None);
        };
        let label = payload(Ifa::Label)
            .and_then(|bytes| bytes.split(|byte| *byte == 0).next())
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Ok(Some(Self {
            index: *message.ifa_index(),
            address: address.map_err(|error| undecodable(&error))?,
            prefix_length: *message.ifa_prefixlen(),
            label,
        }))
    }
}

fn message(
    index: u32,
    address: &LocalAddress,
    label: Option<&str>,
) -> Result<Ifaddrmsg, BuilderError> {
    let mut attributes = Vec::new();
    for kind in [Ifa::Local, Ifa::Address] {
        attributes.push(match address.address {
            IpAddr::V4(address) => attribute(kind, address.octets())?,
            IpAddr::V6(address) => attribute(kind, address.octets())?,
        });
    }
    if let Some(label) = label {
        attributes.push(attribute(Ifa::Label, label)?);
    }
    let (family, flags) = match address.address {
        IpAddr::V4(_) => (RtAddrFamily::Inet, IfaF::empty()),
        IpAddr::V6(_) => {
            attributes.push(attribute(Ifa::Cacheinfo, lifetimes())?);
            (RtAddrFamily::Inet6, IfaF::NODAD)
        }
    };
    let message = IfaddrmsgBuilder::default()
        .ifa_family(family)
        .ifa_prefixlen(address.prefix_length())
        .ifa_flags(flags)
        .ifa_scope(scope(address.address))
        .ifa_index(index)
        .rtattrs(attributes.into_iter().collect())
        .build()?;
    Ok(message)
}

/// What ip-address(8) chooses, also on `lo`; for IPv6 the kernel decides by itself.
const fn scope(address: IpAddr) -> RtScope {
    match address {
        IpAddr::V4(address) if address.is_loopback() => RtScope::Host,
        IpAddr::V4(_) | IpAddr::V6(_) => RtScope::Universe,
    }
}

/// `struct ifa_cacheinfo`: preferred for 0 seconds, valid for ever
/// (`INFINITY_LIFE_TIME`); the two time stamps are the kernel's to fill in.
fn lifetimes() -> [u8; 16] {
    let mut bytes = [0; 16];
    for (byte, value) in bytes.iter_mut().skip(4).zip(u32::MAX.to_ne_bytes()) {
        *byte = value;
    }
    bytes
}

fn attribute<T, P>(kind: T, payload: P) -> Result<Rtattr<T, Buffer>, BuilderError>
where
    T: RtaType + Size,
    P: Size + ToBytes,
{
    let attribute = RtattrBuilder::default()
        .rta_type(kind)
        .rta_payload(payload)
        .build()?;
    Ok(attribute)
}

/// The first of `eth0:0`, `eth0:1`, … that is not taken; the plain name of the
/// interface if there is no room for that.
fn free_label(interface: &str, taken: &BTreeSet<&str>) -> String {
    (0..=taken.len())
        .map(|number| format!("{interface}:{number}"))
        .find(|label| !taken.contains(label.as_str()))
        .filter(|label| label.len() <= MAX_NAME)
        .unwrap_or_else(|| interface.to_owned())
}

fn unencodable(error: impl Into<BuilderError>) -> Cause {
    Cause::Unencodable(error.into().to_string())
}

fn undecodable(error: &impl ToString) -> Cause {
    Cause::Undecodable(error.to_string())
}

#[cfg(test)]
mod tests;
