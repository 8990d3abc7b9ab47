//! The codec of netlink messages and their attributes (netlink(7)), on neli's types; those
//! of generic netlink are read by `generic` without them.

mod generic;

use std::borrow::Cow;
use std::io::Cursor;
use std::net::IpAddr;

use neli::attr::Attribute as _;
use neli::consts::rtnl::RtaType;
use neli::err::{BuilderError, DeError};
use neli::rtnl::{Rtattr, RtattrBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::{FromBytesWithInput, Size, ToBytes};
use thiserror::Error;

pub(super) use self::generic::GenericAttributes;
use super::Cause;

/// `NLA_TYPE_MASK` of `linux/netlink.h`: the type without the flags for nested
/// attributes and byte order.
const TYPE_MASK: u16 = 0x3fff;

/// A message of the kernel that does not have the form that its header file defines.
#[derive(Debug, Error)]
pub(super) enum DecodeError {
    /// The message or a nested attribute does not consist of attributes.
    #[error("it does not consist of attributes")]
    Shape(#[source] DeError),
    /// The message or a nested attribute ends within its head or within an attribute.
    #[error("its attributes are longer than itself")]
    TooShort,
    /// The message answers another command.
    #[error("it is an answer to IPVS command {0}")]
    Command(u8),
    /// A required attribute is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An attribute has a wrong length or an impossible value.
    #[error("{name} cannot be {}", hexadecimal(bytes))]
    Value {
        /// The attribute.
        name: &'static str,
        /// Its payload.
        bytes: Box<[u8]>,
    },
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

pub(super) fn value_error(name: &'static str, bytes: &[u8]) -> DecodeError {
    DecodeError::Value {
        name,
        bytes: bytes.into(),
    }
}

/// The value that `read` makes of the payload of an attribute, if the attribute is there.
fn read_value<'a, V>(
    payload: Option<&'a [u8]>,
    name: &'static str,
    read: impl FnOnce(&'a [u8]) -> Option<V>,
) -> Result<Option<V>, DecodeError> {
    let value = payload.map(|bytes| read(bytes).ok_or_else(|| value_error(name, bytes)));
    value.transpose()
}

impl From<DecodeError> for Cause {
    fn from(error: DecodeError) -> Self {
        Self::Undecodable(match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    }
}

/// Decodes a whole message or a list of attributes.
pub(super) fn decode<M>(bytes: &[u8]) -> Result<M, DecodeError>
where
    M: FromBytesWithInput<Input = usize>,
{
    M::from_bytes_with_input(&mut Cursor::new(bytes), bytes.len()).map_err(DecodeError::Shape)
}

/// An attribute of rtnetlink.
pub(super) trait Entry: Clone {
    /// The numbers of its type.
    type Kind: Into<u16>;

    /// Decodes a list of such attributes.
    fn list(bytes: &[u8]) -> Result<Vec<Self>, DecodeError>;

    /// The type, with its flags.
    fn kind(&self) -> u16;

    /// The payload.
    fn bytes(&self) -> &[u8];
}

impl<T: RtaType> Entry for Rtattr<T, Buffer> {
    type Kind = T;

    fn list(bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let list: RtBuffer<T, Buffer> = decode(bytes)?;
        Ok(list.into_iter().collect())
    }

    fn kind(&self) -> u16 {
        (*self.rta_type()).into()
    }

    fn bytes(&self) -> &[u8] {
        self.payload().as_ref()
    }
}

/// The attributes of one message or of one nested attribute. Attributes that
/// nobody asks for are ignored, so that a newer kernel's do no harm.
pub(super) struct Attributes<'a, A: Clone>(Cow<'a, [A]>);

/// The attributes at the top of an rtnetlink message, or nested in one.
pub(super) type RouteAttributes<'a, T> = Attributes<'a, Rtattr<T, Buffer>>;

impl<'a, A: Entry> Attributes<'a, A> {
    /// The attributes that neli has decoded with their message.
    pub(super) fn of(list: &'a impl AsRef<[A]>) -> Self {
        Self(Cow::Borrowed(list.as_ref()))
    }

    /// The payload of the first attribute of this type.
    pub(super) fn get(&self, kind: A::Kind) -> Option<&[u8]> {
        self.every(kind).next()
    }

    /// The payloads of all attributes of this type.
    pub(super) fn every(&self, kind: A::Kind) -> impl Iterator<Item = &[u8]> {
        let kind = kind.into() & TYPE_MASK;
        let entries = self.0.iter();
        let entries = entries.filter(move |entry| entry.kind() & TYPE_MASK == kind);
        entries.map(Entry::bytes)
    }

    /// The value that `read` makes of the payload, if the attribute is there.
    pub(super) fn optional<'s, V>(
        &'s self,
        kind: A::Kind,
        name: &'static str,
        read: impl FnOnce(&'s [u8]) -> Option<V>,
    ) -> Result<Option<V>, DecodeError> {
        read_value(self.get(kind), name, read)
    }

    /// The value that `read` makes of the payload.
    pub(super) fn value<'s, V>(
        &'s self,
        kind: A::Kind,
        name: &'static str,
        read: impl FnOnce(&'s [u8]) -> Option<V>,
    ) -> Result<V, DecodeError> {
        self.optional(kind, name, read)?
            .ok_or(DecodeError::Missing(name))
    }

    /// The attributes nested in the attribute of this type; none where the attribute is
    /// missing.
    pub(super) fn nested_or_none<N: Entry>(
        &self,
        kind: A::Kind,
    ) -> Result<Attributes<'static, N>, DecodeError> {
        Attributes::within(self.get(kind).unwrap_or_default())
    }
}

impl<A: Entry> Attributes<'static, A> {
    /// The attributes that a payload consists of.
    pub(super) fn within(payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self(Cow::Owned(A::list(payload)?)))
    }
}

pub(super) fn u8_of(bytes: &[u8]) -> Option<u8> {
    bytes.first().copied()
}

pub(super) fn u16_of(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_ne_bytes)
}

pub(super) fn u32_of(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

/// The text up to its final NUL. (neli's own decoding of a `String` removes the
/// last byte, whatever that byte is.)
pub(super) fn text_of(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(bytes).ok()
}

/// A name of an interface or address, in which the kernel takes any bytes.
pub(super) fn name_of(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// An address of 4 or 16 bytes.
pub(super) fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Encodes a message, of which neli's type may have no clone, for a request that may be repeated.
pub(super) fn encode(message: &(impl Size + ToBytes)) -> Result<Buffer, Cause> {
    let mut bytes = Cursor::new(Vec::with_capacity(message.unpadded_size()));
    let encoded = message.to_bytes(&mut bytes);
    encoded.map_err(|error| Cause::Unencodable(error.to_string()))?;
    Ok(Buffer::from(bytes.into_inner()))
}

/// An attribute of an rtnetlink request.
pub(super) fn attribute<T, P>(kind: T, payload: P) -> Result<Rtattr<T, Buffer>, BuilderError>
where
    T: RtaType,
    P: Size + ToBytes,
{
    let attribute = RtattrBuilder::default()
        .rta_type(kind)
        .rta_payload(payload)
        .build()?;
    Ok(attribute)
}

/// The same with an address as its payload.
pub(super) fn address_attribute<T: RtaType>(
    kind: T,
    address: IpAddr,
) -> Result<Rtattr<T, Buffer>, BuilderError> {
    match address {
        IpAddr::V4(address) => attribute(kind, address.octets()),
        IpAddr::V6(address) => attribute(kind, address.octets()),
    }
}

pub(super) fn unencodable(error: impl Into<BuilderError>) -> Cause {
    Cause::Unencodable(error.into().to_string())
}

#[cfg(test)]
mod tests;
