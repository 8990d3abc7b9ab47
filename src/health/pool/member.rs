//! One real server of a pool, or its sorry server. Pure.

use std::time::Instant;

use crate::diagnosis::Unavailability;
use crate::health::damping::Damping;
use crate::health::slow_start::SlowStart;
use crate::health::{Machine, weight};
use crate::model::{AdminState, Health, Weight};
use crate::probe::WeightAdvice;

/// One real server of a pool, or its sorry server.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) machine: Machine,
    pub(super) damping: Damping,
    pub(super) slow_start: SlowStartState,
    pub(super) admin: AdminState,
    /// Whether the real server answers ARP for the VIP, and is to be quiesced for that.
    pub(super) arp_conflict: bool,
    /// Whether the weight is 0 for that reason.
    pub(super) quiesced: bool,
    pub(super) configured: Weight,
    /// The newest advice, if there was any.
    pub(super) advice: Option<WeightAdvice>,
    /// The weight that the kernel should have.
    pub(super) wanted: Weight,
    /// How the real server is lost to its clients: the worst that was seen since it is down.
    pub(super) unavailability: Option<Unavailability>,
    /// Whether the real server was removed or reset since it is down.
    pub(super) handled: bool,
}

/// Where a real server is in its slow start.
#[derive(Debug, Clone, Copy)]
pub(super) enum SlowStartState {
    /// No slow start, or no longer.
    Done,
    /// It begins when the pool lets it serve.
    Pending,
    Since(Instant),
}

impl Member {
    pub(super) fn new(machine: Machine, configured: Weight, found: Weight) -> Self {
        Self {
            machine,
            damping: Damping::default(),
            slow_start: SlowStartState::Done,
            admin: AdminState::Enabled,
            arp_conflict: false,
            quiesced: false,
            configured,
            advice: None,
            wanted: weight(Health::Unknown, configured, found),
            unavailability: None,
            handled: false,
        }
    }

    /// The full weight of the real server while it is up. Every sum counts with it.
    pub(super) fn share(&self) -> Weight {
        match self.advice {
            None | Some(WeightAdvice::Ready) => self.configured,
            Some(WeightAdvice::Drain) => Weight::ZERO,
            Some(WeightAdvice::Weight(weight)) => weight,
            Some(WeightAdvice::Percent(percent)) => scaled(self.configured, percent),
        }
    }

    pub(super) fn slow_start_weight(
        &mut self,
        slow_start: SlowStart,
        now: Instant,
    ) -> (Weight, Option<Instant>) {
        let since = match self.slow_start {
            SlowStartState::Done => return (self.share(), None),
            SlowStartState::Pending => now,
            SlowStartState::Since(since) => since,
        };
        let (weight, next) = slow_start.weight(self.share(), since, now);
        self.slow_start = match next {
            Some(_) => SlowStartState::Since(since),
            None => SlowStartState::Done,
        };
        (weight, next)
    }

    /// Sets the weight. The answer is the weight if it has changed.
    pub(super) fn want(&mut self, weight: Weight) -> Option<Weight> {
        let before = std::mem::replace(&mut self.wanted, weight);
        (before != weight).then_some(weight)
    }
}

/// So many percent of a weight, rounded down, but not to nothing, and not
/// more than there can be.
fn scaled(weight: Weight, percent: u16) -> Weight {
    let scaled = u64::from(weight.get()) * u64::from(percent);
    let floor = u64::from(scaled > 0);
    let scaled = u32::try_from((scaled / 100).max(floor)).ok();
    scaled.and_then(Weight::new).unwrap_or(Weight::MAX)
}
