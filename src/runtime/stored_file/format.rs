//! What all state files have in common: an object with the version of its format.

use serde::Deserialize;
use serde::de::DeserializeOwned;
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
    // An array that has the members of an object, in the same order, would be taken for one.
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(FormatError::NotAnObject);
    }
    let parsed = serde_json::from_slice(text)?;
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
    let found: Version = serde_json::from_slice(text).ok()?;
    Some(found.version)
}
