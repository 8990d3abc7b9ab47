use std::time::{Duration, Instant};

use crate::model::{Scheduler, Weight};

/// The most writes that one slow start makes.
const STEPS: u32 = 8;
/// The same for a scheduler that rebuilds its table at every write.
const STEPS_OF_A_HASH: u32 = 3;

/// Slow start: the weight of a real server that has just come up, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlowStart {
    duration: Duration,
    steps: u32,
}

impl SlowStart {
    /// From a small share to the whole weight within `duration`; zero is none at all.
    pub(crate) fn new(duration: Duration, scheduler: &Scheduler) -> Self {
        let steps = if scheduler.hashes() {
            STEPS_OF_A_HASH
        } else {
            STEPS
        };
        Self { duration, steps }
    }

    /// The weight at `now` of a real server that began to serve at `since`,
    /// and when the next step is due, if one is left.
    ///
    /// Never falls while `now` rises, and is `configured` from `since` plus
    /// the duration on. It is at least 1 from the beginning, so a weight of 1
    /// has no step to make, and one of 2 has a single one.
    pub(crate) fn weight(
        self,
        configured: Weight,
        since: Instant,
        now: Instant,
    ) -> (Weight, Option<Instant>) {
        let steps = self.steps.min(configured.get());
        if self.duration.is_zero() || steps < 2 {
            return (configured, None);
        }
        let due = |step: u32| since + self.duration / (steps - 1) * step;
        let elapsed = now.saturating_duration_since(since).as_nanos();
        let each = (self.duration / (steps - 1)).as_nanos().max(1);
        let made = u32::try_from(elapsed / each).unwrap_or(u32::MAX);
        if made >= steps - 1 {
            return (configured, None);
        }
        let share = (u64::from(configured.get()) * u64::from(made + 1)).div_ceil(steps.into());
        let share = u32::try_from(share).ok().and_then(Weight::new);
        (share.unwrap_or(configured), Some(due(made + 1)))
    }
}

#[cfg(test)]
mod tests;
