//! Slow start: the weights between the transition to up and the full weight. Pure.

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
        let Some((steps, each)) = self.steps_to(configured) else {
            return (configured, None);
        };
        let elapsed = now.saturating_duration_since(since).as_nanos();
        let made = u32::try_from(elapsed / each.as_nanos().max(1)).unwrap_or(u32::MAX);
        if made >= steps - 1 {
            return (configured, None);
        }
        let weight = step(configured, made, steps);
        (weight, Some(since + each * (made + 1)))
    }

    /// When a real server that has `found` of its weight at `now` began to
    /// serve, if it has been in slow start since; its next weight is not less.
    pub(crate) fn began(self, configured: Weight, found: Weight, now: Instant) -> Instant {
        let Some((steps, each)) = self.steps_to(configured) else {
            return now;
        };
        let made = (0..steps).find(|made| step(configured, *made, steps) >= found);
        let elapsed = each * made.unwrap_or(steps);
        now.checked_sub(elapsed).unwrap_or(now)
    }

    /// How many steps there are, the first at once, and the time of each; `None`
    /// where there is nothing to rise through.
    fn steps_to(self, configured: Weight) -> Option<(u32, Duration)> {
        let steps = self.steps.min(configured.get());
        if self.duration.is_zero() || steps < 2 {
            return None;
        }
        Some((steps, self.duration / (steps - 1)))
    }
}

/// The weight after so many of the steps.
fn step(configured: Weight, made: u32, steps: u32) -> Weight {
    let share = (u64::from(configured.get()) * u64::from(made + 1)).div_ceil(steps.into());
    let share = u32::try_from(share).ok().and_then(Weight::new);
    share.unwrap_or(configured)
}

#[cfg(test)]
mod tests;
