//! Addresses on interfaces: of this host, over `NETLINK_ROUTE`, or embedded.
//!
//! The layout of the messages is that of rtnetlink(7) and `linux/if_addr.h`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Ifa, IfaF, RtAddrFamily, RtScope, Rtm};
use neli::err::BuilderError;
use neli::rtnl::{Ifaddrmsg, IfaddrmsgBuilder};
use rustix::io::Errno;

use super::attributes::{address_attribute, attribute, unencodable};
use super::host::{Host, MAX_NAME};
use super::memory::MemoryAddresses;
use super::netlink::{Failure, MessageType, Request};
use super::{AddressList, Cause, KernelError};
use crate::model::LocalAddress;

const EEXIST: i32 = Errno::EXIST.raw_os_error();
const ENODEV: i32 = Errno::NODEV.raw_os_error();
const EACCES: i32 = Errno::ACCESS.raw_os_error();
const EADDRNOTAVAIL: i32 = Errno::ADDRNOTAVAIL.raw_os_error();

/// The addresses that the agent looks after.
pub(crate) enum Addresses {
    /// The addresses of this host.
    Host(KernelAddresses),
    /// The addresses beside the embedded table.
    Memory(MemoryAddresses),
}

/// The addresses of the network namespace in which the first request is made.
pub(crate) struct KernelAddresses {
    host: Host,
}

impl Addresses {
    /// Refuses another name of an interface, which neither the kernel's
    /// parameters nor packets know. The interface need not exist yet.
    pub(crate) async fn check_name(&mut self, interface: &str) -> Result<(), KernelError> {
        let Self::Host(addresses) = self else {
            return Ok(());
        };
        match addresses.host.link(interface).await {
            Err(error) if matches!(error.cause, Cause::OtherName { .. }) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The addresses of one interface.
    pub(crate) async fn list(&mut self, interface: &str) -> Result<AddressList, KernelError> {
        match self {
            Self::Host(addresses) => addresses.list(interface).await,
            Self::Memory(addresses) => Ok(addresses.list(interface)),
        }
    }

    /// The addresses of all interfaces.
    pub(crate) async fn local(&mut self) -> Result<BTreeSet<IpAddr>, KernelError> {
        match self {
            Self::Host(addresses) => addresses.host.local().await,
            Self::Memory(addresses) => Ok(addresses.local()),
        }
    }

    /// Adds an address. Fails with [`Cause::Exists`] if the interface has it already.
    pub(crate) async fn add(&mut self, address: &LocalAddress) -> Result<(), KernelError> {
        match self {
            Self::Host(addresses) => addresses.add(address).await,
            Self::Memory(addresses) => addresses.add(address),
        }
    }

    /// Removes an address. Fails with [`Cause::Missing`] if the interface does
    /// not have it with the prefix length of a single host.
    pub(crate) async fn remove(&mut self, address: &LocalAddress) -> Result<(), KernelError> {
        match self {
            Self::Host(addresses) => addresses.remove(address).await,
            Self::Memory(addresses) => addresses.remove(address),
        }
    }
}

impl KernelAddresses {
    /// Opens nothing yet: the first request does.
    pub(crate) const fn new() -> Self {
        Self { host: Host::new() }
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
        Ok(self.host.link_by_name(interface).await?.interface.index)
    }

    async fn labels(&mut self, index: u32) -> Result<AddressList, Cause> {
        let held = self.host.held().await?;
        let here = held.into_iter().filter(|held| held.interface == index);
        Ok(here
            .map(|held| ((held.address, held.prefix_length), held.label))
            .collect())
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
        let result = self.host.netlink.write(request).await;
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

fn message(
    index: u32,
    address: &LocalAddress,
    label: Option<&str>,
) -> Result<Ifaddrmsg, BuilderError> {
    let mut attributes = vec![
        address_attribute(Ifa::Local, address.address)?,
        address_attribute(Ifa::Address, address.address)?,
    ];
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

/// The first of `eth0:0`, `eth0:1`, … that is not taken; the plain name of the
/// interface if there is no room for that.
fn free_label(interface: &str, taken: &BTreeSet<&str>) -> String {
    (0..=taken.len())
        .map(|number| format!("{interface}:{number}"))
        .find(|label| !taken.contains(label.as_str()))
        .filter(|label| label.len() <= MAX_NAME)
        .unwrap_or_else(|| interface.to_owned())
}

#[cfg(test)]
mod tests;
