//! Whether every probe's own loop turns: each has to report, whatever came of
//! the probe.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::Check;
use crate::probe::ProbeId;

/// From one look at all of them to the next.
const LOOK: Duration = Duration::from_secs(1);

/// When each probe last reported.
#[derive(Debug)]
pub(super) struct ProbeLoops {
    loops: BTreeMap<ProbeId, Turned>,
    next_look: Instant,
    /// Whether one was stuck at the last look.
    told: bool,
}

#[derive(Debug)]
struct Turned {
    last: Instant,
    /// It is stuck when it has been silent for longer.
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
        let turned = |check: &Check| Turned {
            last: now,
            bound: (check.longest_interval() + check.longest_probe()) * 3 + Duration::from_secs(5),
        };
        let probes = probes.into_iter();
        Self {
            loops: probes.map(|(id, check)| (id, turned(check))).collect(),
            next_look: now,
            told: false,
        }
    }

    pub(super) fn reported(&mut self, probe: ProbeId, now: Instant) {
        if let Some(turned) = self.loops.get_mut(&probe) {
            turned.last = now;
        }
    }

    /// When [`Self::look`] does something again.
    pub(super) fn next_check(&self) -> Instant {
        self.next_look
    }

    /// `None` if the last look was not long ago.
    pub(super) fn look(&mut self, now: Instant) -> Option<Stuck> {
        if now < self.next_look {
            return None;
        }
        self.next_look = now + LOOK;
        let mut stuck = Stuck::default();
        for (id, turned) in &self.loops {
            let silence = now.saturating_duration_since(turned.last);
            if silence > turned.bound {
                stuck.number += 1;
                if !self.told {
                    stuck.new.get_or_insert((*id, silence));
                }
            }
        }
        self.told = stuck.number > 0;
        Some(stuck)
    }
}

#[cfg(test)]
mod tests;
