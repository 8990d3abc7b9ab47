//! The attributes of generic netlink, read where they lie in the message: a dump of a large
//! table has more than a million of them, and neli copies each.

use std::marker::PhantomData;

use super::{DecodeError, TYPE_MASK, read_value};

/// The attributes of one message or of one nested attribute; `T` numbers their types.
/// Attributes that nobody asks for are ignored, so that a newer kernel's do no harm.
pub(in crate::kernel) struct GenericAttributes<'a, T> {
    /// Whole attributes, and nothing else.
    bytes: &'a [u8],
    types: PhantomData<fn(T)>,
}

impl<'a, T: Into<u16>> GenericAttributes<'a, T> {
    /// The command of a message and its attributes (`struct genlmsghdr` of
    /// `linux/genetlink.h`).
    pub(in crate::kernel) fn of(message: &'a [u8]) -> Result<(u8, Self), DecodeError> {
        let ([command, ..], attributes) = message
            .split_first_chunk::<4>()
            .ok_or(DecodeError::TooShort)?;
        Ok((*command, Self::within(attributes)?))
    }

    /// The attributes that a payload consists of.
    pub(in crate::kernel) fn within(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = split_first(rest).ok_or(DecodeError::TooShort)?;
        }
        Ok(Self {
            bytes,
            types: PhantomData,
        })
    }

    /// The payload of the first attribute of this type.
    pub(in crate::kernel) fn get(&self, kind: T) -> Option<&'a [u8]> {
        let kind = kind.into() & TYPE_MASK;
        let mut rest = self.bytes;
        loop {
            let attribute;
            (attribute, rest) = split_first(rest)?;
            if attribute.kind & TYPE_MASK == kind {
                return Some(attribute.payload);
            }
        }
    }

    /// The value that `read` makes of the payload, if the attribute is there.
    pub(in crate::kernel) fn optional<V>(
        &self,
        kind: T,
        name: &'static str,
        read: impl FnOnce(&'a [u8]) -> Option<V>,
    ) -> Result<Option<V>, DecodeError> {
        read_value(self.get(kind), name, read)
    }

    /// The value that `read` makes of the payload.
    pub(in crate::kernel) fn value<V>(
        &self,
        kind: T,
        name: &'static str,
        read: impl FnOnce(&'a [u8]) -> Option<V>,
    ) -> Result<V, DecodeError> {
        self.optional(kind, name, read)?
            .ok_or(DecodeError::Missing(name))
    }

    /// The attributes nested in the attribute of this type.
    pub(in crate::kernel) fn nested<N: Into<u16>>(
        &self,
        kind: T,
        name: &'static str,
    ) -> Result<GenericAttributes<'a, N>, DecodeError> {
        GenericAttributes::within(self.get(kind).ok_or(DecodeError::Missing(name))?)
    }
}

/// One attribute (`struct nlattr` of `linux/netlink.h`).
struct Attribute<'a> {
    /// The type, with its flags.
    kind: u16,
    payload: &'a [u8],
}

/// The first attribute, and what follows its padding; `None` where none is whole. The last
/// one may lack its padding.
fn split_first(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (length, after) = bytes.split_first_chunk()?;
    let (kind, _) = after.split_first_chunk()?;
    let length = usize::from(u16::from_ne_bytes(*length));
    let attribute = Attribute {
        kind: u16::from_ne_bytes(*kind),
        payload: bytes.get(4..length)?,
    };
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((attribute, rest))
}

#[cfg(test)]
mod tests;
