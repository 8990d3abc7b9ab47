//! Weights of real servers.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{MemberKey, ParseError};

/// The largest percentage of a weight: that of HAProxy (`server_parse_weight_change_request` in
/// its `src/server.c`).
pub(crate) const MAX_PERCENT: u16 = 25_600;

/// Weights of real servers.
pub(crate) type Weights = BTreeMap<MemberKey, Weight>;

/// A real server's share of new connections; 0 quiesces it.
///
/// Range 0 to 2³¹−1: the kernel keeps it as a signed integer and refuses a
/// negative one with `ERANGE` (`ip_vs_add_dest` in `ip_vs_ctl.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

impl Weight {
    /// No new connections.
    pub const ZERO: Self = Self(0);
    /// The weight of a real server for which none is configured.
    pub const ONE: Self = Self(1);
    /// The largest weight that the kernel takes.
    pub const MAX: Self = Self(i32::MAX.unsigned_abs());

    /// `None` above [`Weight::MAX`].
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// So many percent of the weight, rounded down, but not to nothing, and not more than there
    /// can be.
    pub(crate) fn percent(self, percent: u16) -> Self {
        let scaled = u64::from(self.0) * u64::from(percent);
        let floor = u64::from(scaled > 0);
        let scaled = u32::try_from((scaled / 100).max(floor)).ok();
        scaled.and_then(Self::new).unwrap_or(Self::MAX)
    }

    /// The weight as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Weight {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse()
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| ParseError::new(text, "a weight: a whole number from 0 to 2147483647"))
    }
}
