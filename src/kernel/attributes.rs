//! The attributes of a netlink message (netlink(7), `struct rtattr` of
//! rtnetlink(7)), which the kernel aligns to four bytes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Cause;

/// `NLA_TYPE_MASK` of `linux/netlink.h`: without the flags for nested
/// attributes and byte order.
const TYPE_MASK: u16 = 0x3fff;

/// Length and type.
const HEAD: usize = 4;

/// The payloads by type, from `offset` on; of several of a type the last.
/// Fails where the message is not of that shape.
pub(super) fn attributes(message: &[u8], offset: usize) -> Result<BTreeMap<u16, &[u8]>, Cause> {
    Ok(in_order(message, offset)?.into_iter().collect())
}

/// The payloads of all attributes of that type, of a list of attributes.
pub(super) fn every(list: &[u8], wanted: u16) -> Result<Vec<&[u8]>, Cause> {
    let found = in_order(list, 0)?.into_iter();
    let found = found.filter(|(kind, _)| *kind == wanted);
    Ok(found.map(|(_, payload)| payload).collect())
}

fn in_order(message: &[u8], offset: usize) -> Result<Vec<(u16, &[u8])>, Cause> {
    let misshapen = || Cause::Undecodable("it does not consist of attributes".to_owned());
    let mut rest = message.get(offset..).ok_or_else(misshapen)?;
    let mut found = Vec::new();
    while rest.len() >= HEAD {
        let length = usize::from(u16_at(rest, 0).ok_or_else(misshapen)?);
        let kind = u16_at(rest, 2).ok_or_else(misshapen)?;
        let payload = rest.get(HEAD..length).ok_or_else(misshapen)?;
        found.push((kind & TYPE_MASK, payload));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(found)
}

/// An attribute with this payload, and the padding after it.
pub(super) fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEAD + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub(super) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// A name, up to its NUL.
pub(super) fn text(bytes: &[u8]) -> String {
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// An address of 4 or 16 bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests;
