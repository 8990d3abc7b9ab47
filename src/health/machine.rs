//! Rise and fall: how the results of probes become the health of one real server. Pure.

use std::num::NonZeroU16;
use std::time::Instant;

use crate::model::{Health, Weight};
use crate::probe::ProbeRate;

/// The health of one real server of one virtual service: the streak of equal outcomes, and the
/// health that the last long enough streak gave.
///
/// ```text
///              rise passes                 fall failures
///   unknown ───────────────▶ up      up ─────────────────▶ down
///   unknown ───────────────▶ down    down ───────────────▶ up
///             fall failures                rise passes
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    rise: NonZeroU16,
    fall: NonZeroU16,
    health: Health,
    streak: Streak,
}

/// The number of equal outcomes up to the newest one.
#[derive(Debug, Clone, Copy)]
enum Streak {
    None,
    Passes(u16),
    Failures { count: u16, first: Instant },
}

/// A change of health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) from: Health,
    pub(crate) to: Health,
    /// The outcomes in a row that decided.
    pub(crate) outcomes: u16,
    /// When the first failed probe of the streak began; `None` for a streak of passes.
    pub(crate) first_failure: Option<Instant>,
}

impl Machine {
    /// A machine of unknown health.
    pub(crate) fn new(rise: NonZeroU16, fall: NonZeroU16) -> Self {
        Self {
            rise,
            fall,
            health: Health::Unknown,
            streak: Streak::None,
        }
    }

    /// A machine of a real server that no probe asks: up, and for good.
    pub(crate) fn always_up() -> Self {
        Self {
            health: Health::Up,
            ..Self::new(NonZeroU16::MIN, NonZeroU16::MIN)
        }
    }

    /// The passes in a row that it takes from now on to be up.
    pub(crate) fn set_rise(&mut self, rise: NonZeroU16) {
        self.rise = rise;
    }

    /// The health.
    pub(crate) fn health(&self) -> Health {
        self.health
    }

    /// This machine with the health of another: how a real server whose check changed begins.
    pub(crate) fn with_verdict_of(&self, other: &Self) -> Self {
        let Self { rise, fall, .. } = *self;
        let health = other.health;
        let streak = Streak::None;
        Self {
            rise,
            fall,
            health,
            streak,
        }
    }

    /// This machine with the health and the streak of another: how a real server whose check asks
    /// the same, perhaps with another rise and fall, goes on.
    pub(crate) fn continuing(&self, other: &Self) -> Self {
        let Self { rise, fall, .. } = *self;
        let Self { health, streak, .. } = *other;
        Self {
            rise,
            fall,
            health,
            streak,
        }
    }

    /// Counts what another real server's machine has counted of the same probe
    /// as this one's own. The answer is the health that follows.
    pub(crate) fn learn_from(&mut self, other: &Self) -> Health {
        self.streak = other.streak;
        self.health = match (other.streak, other.health) {
            (Streak::Passes(count), _) if count >= self.rise.get() => Health::Up,
            (Streak::Failures { count, .. }, _) if count >= self.fall.get() => Health::Down,
            (Streak::None, Health::Up) if other.rise >= self.rise => Health::Up,
            (Streak::None, Health::Down) if other.fall >= self.fall => Health::Down,
            (Streak::None | Streak::Passes(_) | Streak::Failures { .. }, _) => self.health,
        };
        self.health
    }

    /// Forgets the outcomes since the last transition: they prove nothing.
    pub(crate) fn reset_streak(&mut self) {
        self.streak = Streak::None;
    }

    /// Takes the next outcome, of a probe that began at `started`.
    pub(crate) fn on_outcome(&mut self, passed: bool, started: Instant) -> Option<Transition> {
        self.streak = match (self.streak, passed) {
            (Streak::Passes(count), true) => Streak::Passes(count.saturating_add(1)),
            (Streak::None | Streak::Failures { .. }, true) => Streak::Passes(1),
            (Streak::Failures { count, first }, false) => Streak::Failures {
                count: count.saturating_add(1),
                first,
            },
            (Streak::None | Streak::Passes(_), false) => Streak::Failures {
                count: 1,
                first: started,
            },
        };
        let (to, outcomes, first_failure) = match self.streak {
            Streak::Passes(count) if count >= self.rise.get() => (Health::Up, count, None),
            Streak::Failures { count, first } if count >= self.fall.get() => {
                (Health::Down, count, Some(first))
            }
            Streak::None | Streak::Passes(_) | Streak::Failures { .. } => return None,
        };
        let from = std::mem::replace(&mut self.health, to);
        (from != to).then_some(Transition {
            from,
            to,
            outcomes,
            first_failure,
        })
    }

    /// How urgent the next outcome is.
    pub(crate) fn rate(&self) -> ProbeRate {
        match (self.health, self.streak) {
            (Health::Up, Streak::None | Streak::Passes(_)) => ProbeRate::Normal,
            (Health::Down, Streak::None | Streak::Failures { .. }) => ProbeRate::Down,
            (Health::Unknown, _)
            | (Health::Up, Streak::Failures { .. })
            | (Health::Down, Streak::Passes(_)) => ProbeRate::Fast,
        }
    }
}

/// The weight that a health asks for.
///
/// `found` is the weight that the kernel had when the agent started, 0 for a real server that was
/// not in the table. This weight stays while the health is unknown.
pub(crate) fn weight(health: Health, configured: Weight, found: Weight) -> Weight {
    match health {
        Health::Up => configured,
        Health::Down => Weight::ZERO,
        Health::Unknown if configured == Weight::ZERO => Weight::ZERO,
        Health::Unknown => found,
    }
}

#[cfg(test)]
mod tests;
