//! A point in time in eight bytes.

use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

/// A point in time after 1970 and before 2554, also where there may be none: a `SystemTime` takes
/// twice the memory, and there are several for each of tens of thousands of real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CompactTime(NonZeroU64);

impl From<SystemTime> for CompactTime {
    /// The first or the last such time for one that is not among them.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let nanoseconds = since.map_or(0, |since| since.as_nanos());
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        Self(NonZeroU64::new(nanoseconds).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<CompactTime> for SystemTime {
    fn from(CompactTime(nanoseconds): CompactTime) -> Self {
        Self::UNIX_EPOCH + Duration::from_nanos(nanoseconds.get())
    }
}

#[cfg(test)]
mod tests;
