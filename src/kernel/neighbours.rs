//! The kernel's neighbour tables, over `NETLINK_ROUTE`: which MAC address
//! belongs to which address. Only read.
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

use super::netlink::{MessageType, Netlink, Protocol, Request};
use super::{Cause, KernelError};
use crate::model::MacAddress;

/// The length of `struct ndmsg`, in bytes.
const NDMSG: usize = 12;

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

/// `None` for what is no neighbour with a MAC address.
fn decode(part: &Buffer) -> Result<Option<(IpAddr, MacAddress)>, Cause> {
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
