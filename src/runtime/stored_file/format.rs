//! What all state files have in common: an object with the version of its format.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// The text is not what this program writes.
#[derive(Debug, Error)]
pub(crate) enum FormatError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it has version {0}, which no lvs-agent writes")]
    Version(u64),
    #[error("it is not an object")]
    NotAnObject,
}

/// Parses the text of a file, which must be an object of this version.
pub(crate) fn parse_object<T: DeserializeOwned>(
    text: &[u8],
    version: u32,
) -> Result<T, FormatError> {
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(FormatError::NotAnObject);
    }
    let Object(parsed) = serde_json::from_slice(text)?;
    match version_of(text) {
        Some(found) if found != u64::from(version) => Err(FormatError::Version(found)),
        Some(_) | None => Ok(parsed),
    }
}

/// The version that the text of a file states, if the text is understood so far.
pub(super) fn version_of(text: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let Object(found): Object<Version> = serde_json::from_slice(text).ok()?;
    Some(found.version)
}

/// A value whose text is an object. The value alone would also be read from an array that has
/// the members of the object, in the same order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}
