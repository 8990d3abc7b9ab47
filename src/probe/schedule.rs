//! When a probe is made next. Pure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ProbeRate;
use super::brought_forward::BroughtForward;
use crate::model::ProbeResult;

/// Sleepers that would wake within this time of each other wake together, since each wake-up of
/// the process costs as much as a tenth of a probe.
const TOGETHER: Duration = Duration::from_millis(5);

/// When one probe is due: at the steady rate, on a fixed grid of instants one
/// interval apart; in doubt and down, one interval of that rate after the last.
///
/// Many schedules with the same interval are spread over it, so that the
/// load is flat from the start and stays so whatever delays a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Shared by those of one check: many thousands of schedules are kept.
    intervals: Arc<Intervals>,
    /// What the instants are counted from at which sleepers wake together.
    start: Instant,
    /// An instant of the steady grid.
    anchor: Instant,
    /// When the last probe was due, or the first is.
    last: Instant,
    /// When the last probe ended; `None` before the first.
    ended: Option<Instant>,
    /// Those ahead of the schedule, which move nothing of it.
    brought_forward: BroughtForward,
}

/// From one probe to the next, none of them zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Intervals {
    pub(super) normal: Duration,
    pub(super) fast: Duration,
    pub(super) down: Duration,
}

impl Intervals {
    fn at(&self, rate: ProbeRate) -> Duration {
        match rate {
            ProbeRate::Normal => self.normal,
            ProbeRate::Fast => self.fast,
            ProbeRate::Down => self.down,
        }
    }

    fn shortest(&self) -> Duration {
        self.normal.min(self.fast).min(self.down)
    }
}

/// The next step of a probe task that has woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WakeAction {
    /// Probe.
    Probe,
    /// Sleep until this instant.
    Sleep(Instant),
}

impl Schedule {
    /// The schedule of number `index` of `count` with the same interval; the
    /// first of them is due at `start`.
    ///
    /// Nothing is known yet, so the first probes of all come within one
    /// interval of doubt, whatever the steady one is.
    pub(super) fn spread(
        start: Instant,
        intervals: impl Into<Arc<Intervals>>,
        index: u32,
        count: u32,
    ) -> Self {
        let intervals = intervals.into();
        let count = u128::from(count.max(1));
        let part = u128::from(index) % count;
        let at =
            |interval: Duration| start + duration_from_nanos(interval.as_nanos() * part / count);
        Self {
            start,
            anchor: at(intervals.normal),
            last: at(intervals.fast),
            intervals,
            ended: None,
            brought_forward: BroughtForward::default(),
        }
    }

    /// To be called when the watched connection has ended: a probe is due at once, ahead of the
    /// schedule.
    pub(super) fn bring_forward(&mut self, now: Instant) {
        self.brought_forward.begin(now, self.ended);
    }

    /// When to wake: the earliest that the next probe can be due at any rate.
    pub(super) fn wake(&self) -> Instant {
        let by_rate = self.wake_by_rate();
        self.brought_forward
            .next()
            .map_or(by_rate, |early| early.min(by_rate))
    }

    fn wake_by_rate(&self) -> Instant {
        let Some(ended) = self.ended else {
            return self.last;
        };
        let shortest = self.intervals.shortest();
        let normal = self.due(ProbeRate::Normal);
        if shortest == self.intervals.normal {
            normal
        } else {
            normal.min(after(self.last, shortest, ended))
        }
    }

    /// The instant to sleep to for `wake`: that at which others wake too, which is later by
    /// 5 ms at most and by a hundredth of the interval at most. The time between two probes
    /// of one schedule stays the same. A probe ahead of the schedule waits for nobody.
    pub(super) fn wake_together(&self, wake: Instant) -> Instant {
        if self.brought_forward.next() == Some(wake) {
            return wake;
        }
        let step = TOGETHER.min(self.intervals.shortest() / 100).as_nanos();
        let since = wake.saturating_duration_since(self.start).as_nanos();
        let steps = since.div_ceil(step.max(1));
        self.start + duration_from_nanos(steps * step.max(1))
    }

    /// To be called when the sleep has ended: whether it is time for the
    /// probe, at the rate of now.
    ///
    /// A sleeper that wakes more than half an interval late was held up with
    /// all the others (a suspended virtual machine, a stalled runtime), and
    /// the burst of all of them at once is what the grid is there to avoid. So
    /// the probe is left out, and the next one is due on the grid after `now`.
    pub(super) fn on_wake(&mut self, now: Instant, rate: ProbeRate) -> WakeAction {
        if self.brought_forward.on_wake(now, rate) {
            return WakeAction::Probe;
        }
        let due = self.due(rate);
        if now < due {
            let early = self.brought_forward.next();
            return WakeAction::Sleep(early.map_or(due, |early| early.min(due)));
        }
        let interval = self.intervals.at(rate);
        if now.saturating_duration_since(due) <= interval / 2 {
            self.last = due;
            return WakeAction::Probe;
        }
        let next = after(due, interval, now);
        self.last = next.checked_sub(interval).unwrap_or(due);
        self.ended = Some(now);
        WakeAction::Sleep(self.wake())
    }

    /// To be called when the probe has ended.
    pub(super) fn ended(&mut self, now: Instant, result: ProbeResult) {
        self.ended = Some(now);
        self.brought_forward.ended(now, result);
    }

    /// A probe that takes its whole time-out, where that is the interval, ends
    /// a moment after the next one was due; so up to a tenth of the interval
    /// the next one is still made, at once. After that it is left out.
    fn due(&self, rate: ProbeRate) -> Instant {
        let Some(ended) = self.ended else {
            return self.last;
        };
        let interval = self.intervals.at(rate);
        let slot = match rate {
            ProbeRate::Normal => after(self.anchor, interval, ended.max(self.last)),
            ProbeRate::Fast | ProbeRate::Down => after(self.last, interval, ended),
        };
        match slot.checked_sub(interval) {
            Some(latest)
                if latest > self.last
                    && ended.saturating_duration_since(latest) <= interval / 10 =>
            {
                latest
            }
            _ => slot,
        }
    }
}

/// The first instant after `later` that is a whole number of intervals, and at
/// least one, after `first`.
fn after(first: Instant, interval: Duration, later: Instant) -> Instant {
    let behind = later.saturating_duration_since(first).as_nanos();
    let slots = behind / interval.as_nanos().max(1) + 1;
    first + duration_from_nanos(slots * interval.as_nanos())
}

fn duration_from_nanos(nanoseconds: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
