//! What operators decide on real servers, with who decided and why.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{MAX_PERCENT, ParseError, Weight};

/// Who decided on a real server, when and why, as far as the agent knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) since: Option<SystemTime>,
    pub(crate) by: Option<Arc<str>>,
    /// In the operator's words, on one line.
    pub(crate) reason: Option<Arc<str>>,
}

impl Decision {
    /// To follow what was decided: [`by_and_reason`].
    pub(crate) fn by_and_reason(&self) -> String {
        by_and_reason(self.by.as_deref(), self.reason.as_deref())
    }
}

/// ` by root (uid 0): new kernel`, as far as it is known.
pub(crate) fn by_and_reason(by: Option<&str>, reason: Option<&str>) -> String {
    let by = by.map(|by| format!(" by {by}"));
    let reason = reason.map(|reason| format!(": {reason}"));
    by.unwrap_or_default() + &reason.unwrap_or_default()
}

/// A weight that an operator sets in place of the configured one: `50%` of that one, or `8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum SetWeight {
    /// Of the configured weight, also of one that a later configuration has.
    Percent(u16),
    Weight(Weight),
}

impl SetWeight {
    /// The weight in place of the configured one.
    pub(crate) fn in_place_of(self, configured: Weight) -> Weight {
        match self {
            Self::Percent(percent) => configured.percent(percent),
            Self::Weight(weight) => weight,
        }
    }
}

impl FromStr for SetWeight {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = match text.strip_suffix('%') {
            Some(digits) if is_number(digits) => {
                let percent = digits.parse().ok();
                let percent = percent.filter(|percent| *percent <= MAX_PERCENT);
                percent.map(Self::Percent)
            }
            None if is_number(text) => text.parse().ok().map(Self::Weight),
            Some(_) | None => None,
        };
        parsed.ok_or_else(|| {
            ParseError::new(
                text,
                "a weight: a percentage of the configured one from `0%` to `25600%`, or a whole \
                 number from 0 to 2147483647",
            )
        })
    }
}

impl fmt::Display for SetWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Weight(weight) => weight.fmt(f),
        }
    }
}

impl TryFrom<String> for SetWeight {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<SetWeight> for String {
    fn from(weight: SetWeight) -> Self {
        weight.to_string()
    }
}

/// A weight that an operator has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperatorWeight {
    pub(crate) set: SetWeight,
    pub(crate) decision: Decision,
}

#[cfg(test)]
mod tests;
