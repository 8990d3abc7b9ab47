//! One real server of a pool, or its sorry server. Pure.

use std::num::NonZeroU16;
use std::time::Instant;

use super::PreviousIndex;
use super::policy::{MemberPolicy, Streaks};
use crate::diagnosis::Unavailability;
use crate::health::damping::Damping;
use crate::health::slow_start::SlowStart;
use crate::health::{Machine, Transition, weight};
use crate::model::{AdminState, Health, SetWeight, Weight};
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
    /// As configured; `None` where nothing is asked.
    streaks: Option<Streaks>,
    /// The weight that an operator has set in place of the configured one.
    pub(super) set_weight: Option<SetWeight>,
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
    /// The slow start begins when the pool lets the real server serve, or goes on from the weight
    /// that the real server was found with.
    Pending,
    Since(Instant),
}

impl Member {
    pub(super) fn new(policy: MemberPolicy) -> Self {
        let MemberPolicy {
            streaks,
            configured,
            found,
        } = policy;
        let is_unchecked = streaks.is_none();
        Self {
            machine: match streaks {
                Some(Streaks { rise, fall }) => Machine::new(rise, fall),
                None => Machine::always_up(),
            },
            streaks,
            damping: Damping::default(),
            slow_start: if is_unchecked && found < configured {
                SlowStartState::Pending
            } else {
                SlowStartState::Done
            },
            admin: AdminState::Enabled,
            arp_conflict: false,
            quiesced: false,
            configured,
            set_weight: None,
            advice: None,
            wanted: weight(Health::Unknown, configured, found),
            unavailability: None,
            handled: false,
        }
    }

    /// Takes over what the pool of the previous configuration knows of the same real server.
    pub(super) fn take_over(&mut self, old: &Self, previous: PreviousIndex) {
        let machine = if self.streaks.is_none() {
            Machine::always_up()
        } else if previous.asks_same {
            self.machine.continuing(&old.machine)
        } else {
            self.machine.with_verdict_of(&old.machine)
        };
        let comes_up = machine.health() == Health::Up && old.machine.health() != Health::Up;
        *self = Self {
            machine,
            configured: self.configured,
            streaks: self.streaks,
            advice: old.advice.filter(|_| previous.same_kind),
            ..*old
        };
        if comes_up {
            self.comes_up();
        }
    }

    /// A real server that comes up by the configuration begins as one that passes its check.
    fn comes_up(&mut self) {
        (self.unavailability, self.handled) = (None, false);
        self.slow_start = if self.wanted == Weight::ZERO {
            SlowStartState::Pending
        } else {
            SlowStartState::Done
        };
    }

    /// The configured passes in a row that bring the real server up.
    pub(super) fn rise(&self) -> NonZeroU16 {
        self.streaks.map_or(NonZeroU16::MIN, |streaks| streaks.rise)
    }

    /// The same with flap damping.
    pub(super) fn damped_rise(&self, now: Instant) -> NonZeroU16 {
        self.damping.rise(self.rise(), now)
    }

    /// Counts an outcome. A real server that comes up is no longer lost to its clients.
    pub(super) fn on_outcome(&mut self, passed: bool, started: Instant) -> Option<Transition> {
        let transition = self.machine.on_outcome(passed, started)?;
        if transition.to == Health::Up {
            (self.unavailability, self.handled) = (None, false);
        }
        Some(transition)
    }

    /// The full weight of the real server while it is up. Every sum counts with it.
    ///
    /// An operator's weight goes before the one that a check reports, as in HAProxy with
    /// `disable agent`; but a real server that asks for no new connections gets none.
    pub(super) fn share(&self) -> Weight {
        match self.set_weight {
            Some(_) if self.refuses_connections() => Weight::ZERO,
            Some(set) => set.in_place_of(self.configured),
            None => self.advised().unwrap_or(self.configured),
        }
    }

    /// The weight that the check reports in place of the configured one.
    pub(super) fn advised(&self) -> Option<Weight> {
        match self.advice? {
            WeightAdvice::Ready => None,
            WeightAdvice::Drain => Some(Weight::ZERO),
            WeightAdvice::Weight(weight) => Some(weight),
            WeightAdvice::Percent(percent) => Some(self.configured.percent(percent)),
        }
    }

    /// Whether the check reports that no new connections shall come.
    fn refuses_connections(&self) -> bool {
        match self.advice {
            Some(WeightAdvice::Drain | WeightAdvice::Percent(0)) => true,
            Some(WeightAdvice::Weight(weight)) => weight == Weight::ZERO,
            None | Some(WeightAdvice::Ready | WeightAdvice::Percent(_)) => false,
        }
    }

    /// Whether the configuration, or an operator in its place, lets the real server serve at all.
    pub(super) fn may_serve(&self) -> bool {
        let set = self.set_weight.map(|set| set.in_place_of(self.configured));
        self.admin == AdminState::Enabled && set.unwrap_or(self.configured) != Weight::ZERO
    }

    pub(super) fn slow_start_weight(
        &mut self,
        slow_start: SlowStart,
        now: Instant,
    ) -> (Weight, Option<Instant>) {
        let since = match self.slow_start {
            SlowStartState::Done => return (self.share(), None),
            SlowStartState::Pending => slow_start.began(self.share(), self.wanted, now),
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
