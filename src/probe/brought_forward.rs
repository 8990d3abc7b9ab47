//! Probes that are brought forward, ahead of the schedule, after a watched connection has
//! ended. Pure.

use std::time::{Duration, Instant};

use super::ProbeRate;
use crate::model::ProbeResult;

/// The shortest time from the end of a probe to the start of one ahead of the schedule.
const PAUSE: Duration = Duration::from_millis(10);
/// The most probes ahead of the schedule that follow the first one.
const FOLLOWING: u8 = 10;

/// When the next probe that is brought forward is due, if one is.
///
/// The end of a watched connection makes one such probe. Others follow only while nothing
/// answers and there is no verdict yet: the end alone never counts against the real server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BroughtForward {
    next: Option<Instant>,
    /// How many may still follow.
    left: u8,
}

impl BroughtForward {
    /// To be called when the watched connection has ended; the last probe ended at `ended`.
    pub(super) fn begin(&mut self, now: Instant, ended: Option<Instant>) {
        let earliest = ended.map_or(now, |ended| now.max(ended + PAUSE));
        *self = Self {
            next: Some(earliest),
            left: FOLLOWING,
        };
    }

    /// When to wake for the next one, if one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// To be called when the sleep has ended: whether such a probe is made now.
    ///
    /// With the verdict down, nothing is in doubt, and the schedule goes on. The first probe after
    /// the end of a connection is made in any case.
    pub(super) fn on_wake(&mut self, now: Instant, rate: ProbeRate) -> bool {
        if self.next.is_none_or(|next| now < next) {
            return false;
        }
        self.next = None;
        if self.left < FOLLOWING && rate == ProbeRate::Down {
            self.left = 0;
            return false;
        }
        true
    }

    /// To be called when a probe has ended, ahead of the schedule or not.
    pub(super) fn ended(&mut self, now: Instant, result: ProbeResult) {
        // One that is due was asked for while the probe was made, or before its time.
        if self.left > 0 && is_immediate(result) {
            self.left -= 1;
            self.next = Some(now + PAUSE);
        } else if self.next.is_none() || self.left < FOLLOWING {
            *self = Self::default();
        }
    }
}

/// Whether nothing answers, and the probe has shown that without waiting: asking again at once
/// costs little. A probe that timed out is followed by `fast_interval`.
fn is_immediate(result: ProbeResult) -> bool {
    match result {
        ProbeResult::Refused
        | ProbeResult::Reset
        | ProbeResult::Unreachable
        | ProbeResult::Protocol => true,
        ProbeResult::Ok
        | ProbeResult::Tls
        | ProbeResult::Timeout
        | ProbeResult::Status
        | ProbeResult::Body
        | ProbeResult::Unverified
        | ProbeResult::Internal => false,
    }
}

#[cfg(test)]
mod tests;
