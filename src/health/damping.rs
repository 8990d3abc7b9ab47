//! Flap damping: a real server that keeps falling must pass longer to be up again. Pure.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

/// How long it takes to forget one fall.
const MEMORY: Duration = Duration::from_mins(5);
/// The most doublings: a rise of 2 becomes one of 64, a minute at an interval of 1 s.
const DOUBLINGS: u8 = 5;

/// Flap damping: how often a real server fell lately, and so how long a row of
/// passes it must show to be up again.
///
/// The first fall costs nothing; each one after it doubles the rise. One fall
/// is forgotten for every five minutes without a new one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Damping {
    falls: u8,
    last: Option<Instant>,
}

impl Damping {
    /// Counts a transition from up to down.
    pub(crate) fn fell(&mut self, now: Instant) {
        let remembered = self.remembered(now).min(DOUBLINGS);
        self.falls = remembered + 1;
        self.last = Some(now);
    }

    /// The passes in a row that bring the real server up, where `rise` is configured.
    pub(crate) fn rise(self, rise: NonZeroU16, now: Instant) -> NonZeroU16 {
        let doublings = self.remembered(now).saturating_sub(1);
        rise.saturating_mul(NonZeroU16::MIN.saturating_add((1 << doublings) - 1))
    }

    /// The falls that are not forgotten yet, at most [`DOUBLINGS`] and one.
    fn remembered(self, now: Instant) -> u8 {
        let Some(last) = self.last else {
            return 0;
        };
        let quiet = now.saturating_duration_since(last).as_nanos() / MEMORY.as_nanos();
        self.falls
            .saturating_sub(u8::try_from(quiet).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests;
