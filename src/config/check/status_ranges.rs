//! Sets of HTTP status codes.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of HTTP status codes, each range within 100 to 599, not empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusRanges(Vec<(u16, u16)>);

impl StatusRanges {
    /// 200 to 299, the default of a check.
    pub fn success() -> Self {
        Self(vec![(200, 299)])
    }

    /// `None` if there is no range, or one is empty or leaves 100 to 599.
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Option<Self> {
        let ranges: Vec<_> = ranges.into_iter().map(RangeInclusive::into_inner).collect();
        let valid = |&(first, last): &(u16, u16)| 100 <= first && first <= last && last <= 599;
        (!ranges.is_empty() && ranges.iter().all(valid)).then_some(Self(ranges))
    }

    /// Whether a response of this status passes.
    pub fn contains(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|&(first, last)| (first..=last).contains(&status))
    }
}

impl fmt::Display for StatusRanges {
    /// As they are written in configuration: `200-299, 304`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
        }
        Ok(())
    }
}
