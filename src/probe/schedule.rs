use std::time::{Duration, Instant};

/// When one probe is due: a fixed grid of instants, one interval apart.
///
/// Many schedules with the same interval are spread over it, so that the
/// load is flat from the start and stays so whatever delays a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    due: Instant,
    interval: Duration,
}

impl Schedule {
    /// The schedule of number `index` of `count` with the same interval; the
    /// first of them is due at `start`. `interval` is not zero.
    pub(super) fn spread(start: Instant, interval: Duration, index: u32, count: u32) -> Self {
        let nanoseconds =
            interval.as_nanos() * u128::from(index % count.max(1)) / u128::from(count.max(1));
        Self {
            due: start + duration_from_nanos(nanoseconds),
            interval,
        }
    }

    /// When the next probe starts.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// To be called when a sleep until [`due`](Self::due) has ended: whether
    /// it is still time for that probe.
    ///
    /// A sleeper that wakes more than half an interval late was held up with
    /// all the others (a suspended virtual machine, a stalled runtime), and
    /// the burst of all of them at once is what the grid is there to avoid. So
    /// the probe is left out, and the next one is due on the grid after `now`.
    pub(super) fn woke(&mut self, now: Instant) -> bool {
        let in_time = now.saturating_duration_since(self.due) <= self.interval / 2;
        if !in_time {
            self.due = self.first_after(now);
        }
        in_time
    }

    /// To be called when the probe has ended: sets when the next one is due.
    ///
    /// A probe that takes its whole time-out, where that is the interval, ends
    /// a moment after the next one was due; so up to a tenth of the interval
    /// the next one is still made, at once. After that it is left out.
    pub(super) fn ended(&mut self, now: Instant) {
        let slot = self.first_after(now);
        let latest = slot.checked_sub(self.interval);
        self.due = match latest {
            Some(latest)
                if latest > self.due
                    && now.saturating_duration_since(latest) <= self.interval / 10 =>
            {
                latest
            }
            _ => slot,
        };
    }

    /// The first instant of the grid that is after both `now` and the last one due.
    fn first_after(&self, now: Instant) -> Instant {
        let behind = now.saturating_duration_since(self.due).as_nanos();
        let slots = behind / self.interval.as_nanos().max(1) + 1;
        self.due + duration_from_nanos(slots * self.interval.as_nanos())
    }
}

fn duration_from_nanos(nanoseconds: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
