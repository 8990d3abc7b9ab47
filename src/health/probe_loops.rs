//! Whether every probe's own loop turns: each has to report, whatever came of
//! the probe.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::Check;
use crate::probe::ProbeId;

/// From one look at all of them to the next.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// When each probe last reported.
#[derive(Debug)]
pub(super) struct ProbeLoops {
    loops: BTreeMap<ProbeId, LoopState>,
    next_check: Instant,
    /// Whether one was stuck at the last look.
    logged: bool,
}

#[derive(Debug)]
struct LoopState {
    last: Instant,
    /// A loop that has been silent for longer is stuck.
    bound: Duration,
}

/// What a look showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) number: usize,
    /// The first of them, and for how long it is silent, if none was before.
    pub(super) new: Option<(ProbeId, Duration)>,
}

impl ProbeLoops {
    /// All as if they had reported now.
    pub(super) fn new<'a>(
        probes: impl IntoIterator<Item = (ProbeId, &'a Check)>,
        now: Instant,
    ) -> Self {
        let loop_state = |check: &Check| LoopState {
            last: now,
            bound: (check.longest_interval() + check.longest_probe()) * 3 + Duration::from_secs(5),
        };
        let probes = probes.into_iter();
        Self {
            loops: probes.map(|(id, check)| (id, loop_state(check))).collect(),
            next_check: now,
            logged: false,
        }
    }

    pub(super) fn reported(&mut self, probe: ProbeId, now: Instant) {
        if let Some(state) = self.loops.get_mut(&probe) {
            state.last = now;
        }
    }

    /// When [`Self::check`] does something again.
    pub(super) fn next_check(&self) -> Instant {
        self.next_check
    }

    /// `None` if the last look was not long ago.
    pub(super) fn check(&mut self, now: Instant) -> Option<Stuck> {
        if now < self.next_check {
            return None;
        }
        self.next_check = now + CHECK_INTERVAL;
        let mut stuck = Stuck::default();
        for (id, state) in &self.loops {
            let silence = now.saturating_duration_since(state.last);
            if silence > state.bound {
                stuck.number += 1;
                if !self.logged {
                    stuck.new.get_or_insert((*id, silence));
                }
            }
        }
        self.logged = stuck.number > 0;
        Some(stuck)
    }
}

#[cfg(test)]
mod tests;
