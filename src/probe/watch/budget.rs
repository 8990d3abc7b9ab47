//! How many probes the ends of watched connections may make at once. Pure.

use std::time::{Duration, Instant};

/// Probes that may be made at once, and in each further second: all connections may end together
/// where a packet filter on the way is restarted.
const AT_ONCE: u32 = 1000;
/// After this time, one more may be made.
const AGAIN: Duration = Duration::from_millis(1);

/// What is left of that. A probe for which nothing is left comes when it is due.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    /// Up to when `left` was filled up.
    filled: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: AT_ONCE,
            filled: None,
        }
    }
}

impl Budget {
    /// Whether one more may be made now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let filled = *self.filled.get_or_insert(now);
        let more = now.saturating_duration_since(filled).as_millis() / AGAIN.as_millis();
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(more).min(AT_ONCE);
        let whole = filled + AGAIN.saturating_mul(more);
        self.filled = Some(if more < AT_ONCE { whole } else { now });
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        true
    }
}

#[cfg(test)]
mod tests;
