//! Whether the loops turn: each says so when it does, and `/livez` looks.

use std::fmt;
use std::time::{Duration, Instant};

use crate::snapshot::Latest;

/// A loop that has to keep turning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loop {
    /// Observes the kernel and repairs it.
    Reconcile,
    /// Makes verdicts of outcomes.
    Health,
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reconcile => "reconcile",
            Self::Health => "health",
        })
    }
}

/// When each loop last turned.
#[derive(Debug)]
pub(crate) struct Liveness {
    bound: Latest<Duration>,
    loops: Vec<(Loop, Latest<Instant>)>,
}

/// A loop that has not turned for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) which: Loop,
    pub(crate) silence: Duration,
}

impl Liveness {
    /// Each loop has to turn at least once in `resync_interval`; it counts as
    /// stuck after three of those and five seconds.
    pub(crate) fn new(
        now: Instant,
        resync_interval: Duration,
        loops: impl IntoIterator<Item = Loop>,
    ) -> Self {
        let loops = loops.into_iter();
        Self {
            bound: Latest::new(bound(resync_interval)),
            loops: loops.map(|which| (which, Latest::new(now))).collect(),
        }
    }

    /// From now on each loop has to turn once in this time.
    pub(crate) fn expect_every(&self, resync_interval: Duration) {
        *self.bound.lock() = bound(resync_interval);
    }

    /// A loop turned.
    pub(crate) fn beat(&self, turned: Loop, now: Instant) {
        for (which, last) in &self.loops {
            if *which == turned {
                *last.lock() = now;
            }
        }
    }

    /// The loops that have been silent for too long.
    pub(crate) fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let bound = *self.bound.lock();
        let loops = self.loops.iter().map(|(which, last)| Stuck {
            which: *which,
            silence: now.saturating_duration_since(*last.lock()),
        });
        loops.filter(|stuck| stuck.silence > bound).collect()
    }
}

fn bound(resync_interval: Duration) -> Duration {
    resync_interval * 3 + Duration::from_secs(5)
}

#[cfg(test)]
mod tests;
