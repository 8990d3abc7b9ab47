//! Why an operator decides something.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::runtime::printable::printable;

/// The longest reason, in characters.
const LONGEST: usize = 200;

/// A reason in the operator's words, of bounded length. It is shown on one line, without
/// characters that are not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Reason(String);

/// A text that is no reason.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum ReasonError {
    #[error("it is empty: leave the option out, or say why")]
    Empty,
    #[error("it has {0} characters, and {LONGEST} are the most")]
    TooLong(usize),
}

impl FromStr for Reason {
    type Err = ReasonError;

    fn from_str(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        match text.chars().count() {
            0 => Err(ReasonError::Empty),
            1..=LONGEST => Ok(Self(text.to_owned())),
            length => Err(ReasonError::TooLong(length)),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl TryFrom<String> for Reason {
    type Error = ReasonError;

    fn try_from(text: String) -> Result<Self, ReasonError> {
        text.parse()
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

#[cfg(test)]
mod tests;
