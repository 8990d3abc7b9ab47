//! The liveness of the loops: each loop reports that it turns, and `/livez` shows a loop that is stuck.

use std::fmt;
use std::time::{Duration, Instant};

use crate::model::short_duration;
use crate::runtime::shared::Shared;

/// A loop that has to keep turning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loop {
    /// Observes the kernel and repairs it.
    Reconcile,
    /// Makes verdicts of outcomes.
    Health,
    /// Probes the real servers: all the probes' tasks together.
    Probes,
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reconcile => "reconcile",
            Self::Health => "health",
            Self::Probes => "probe",
        })
    }
}

/// When each loop last turned.
#[derive(Debug)]
pub(crate) struct Liveness(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    which: Loop,
    /// A loop that has been silent for longer is stuck.
    bound: Shared<Duration>,
    last: Shared<Instant>,
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
        Self(
            loops
                .map(|which| Watched::new(which, now, resync_interval))
                .collect(),
        )
    }

    /// Watches another loop, which has to turn at least once in `interval`.
    pub(crate) fn and(mut self, which: Loop, now: Instant, interval: Duration) -> Self {
        self.0.push(Watched::new(which, now, interval));
        self
    }

    /// From now on these loops have to turn at least once in `interval`.
    pub(crate) fn expect(&self, loops: &[Loop], interval: Duration) {
        for watched in &self.0 {
            if loops.contains(&watched.which) {
                *watched.bound.lock() = bound(interval);
            }
        }
    }

    /// A loop turned.
    pub(crate) fn beat(&self, turned: Loop, now: Instant) {
        for watched in self.0.iter().filter(|watched| watched.which == turned) {
            *watched.last.lock() = now;
        }
    }

    /// The loops that have been silent for too long.
    pub(crate) fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let stuck = self.0.iter().filter_map(|watched| {
            let silence = now.saturating_duration_since(*watched.last.lock());
            (silence > *watched.bound.lock()).then_some(Stuck {
                which: watched.which,
                silence,
            })
        });
        stuck.collect()
    }
}

impl Watched {
    fn new(which: Loop, now: Instant, interval: Duration) -> Self {
        Self {
            which,
            bound: Shared::new(bound(interval)),
            last: Shared::new(now),
        }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let silence = Duration::from_secs(self.silence.as_secs());
        let silence = short_duration(silence);
        write!(f, "the {} loop has not turned for {silence}", self.which)
    }
}

fn bound(interval: Duration) -> Duration {
    interval * 3 + Duration::from_secs(5)
}

#[cfg(test)]
mod tests;
