use std::num::NonZeroU16;
use std::time::Instant;

use crate::model::{Health, Weight};
use crate::probe::Pace;

/// The health of one real server of one virtual service: a count of equal
/// outcomes in a row, and the verdict that the last long enough row gave.
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
    row: Row,
}

/// The outcomes in a row that are alike, up to the newest one.
#[derive(Debug, Clone, Copy)]
enum Row {
    None,
    Passes(u16),
    Failures { count: u16, first: Instant },
}

/// A change of verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) from: Health,
    pub(crate) to: Health,
    /// The outcomes in a row that decided.
    pub(crate) outcomes: u16,
    /// When the first failed probe of the row began; `None` for a row of passes.
    pub(crate) first_failure: Option<Instant>,
}

impl Machine {
    /// A machine without a verdict.
    pub(crate) fn new(rise: NonZeroU16, fall: NonZeroU16) -> Self {
        Self {
            rise,
            fall,
            health: Health::Unknown,
            row: Row::None,
        }
    }

    /// The passes in a row that it takes from now on to be up.
    pub(crate) fn set_rise(&mut self, rise: NonZeroU16) {
        self.rise = rise;
    }

    /// The verdict.
    pub(crate) fn health(&self) -> Health {
        self.health
    }

    /// This machine, which has no verdict yet, with the other's: what a check
    /// that changed starts over with.
    pub(crate) fn with_verdict_of(&self, other: &Self) -> Self {
        let Self { rise, fall, .. } = *self;
        let health = other.health;
        let row = Row::None;
        Self {
            rise,
            fall,
            health,
            row,
        }
    }

    /// Counts what another real server's machine has counted of the same probe
    /// as this one's own, and tells the verdict that follows from it here.
    pub(crate) fn learn_from(&mut self, other: &Self) -> Health {
        self.row = other.row;
        self.health = match (other.row, other.health) {
            (Row::Passes(count), _) if count >= self.rise.get() => Health::Up,
            (Row::Failures { count, .. }, _) if count >= self.fall.get() => Health::Down,
            (Row::None, Health::Up) if other.rise >= self.rise => Health::Up,
            (Row::None, Health::Down) if other.fall >= self.fall => Health::Down,
            (Row::None | Row::Passes(_) | Row::Failures { .. }, _) => self.health,
        };
        self.health
    }

    /// Forgets the outcomes since the last verdict: they prove nothing.
    pub(crate) fn forget_row(&mut self) {
        self.row = Row::None;
    }

    /// Takes the next outcome, of a probe that began at `started`.
    pub(crate) fn on_outcome(&mut self, passed: bool, started: Instant) -> Option<Transition> {
        self.row = match (self.row, passed) {
            (Row::Passes(count), true) => Row::Passes(count.saturating_add(1)),
            (Row::None | Row::Failures { .. }, true) => Row::Passes(1),
            (Row::Failures { count, first }, false) => Row::Failures {
                count: count.saturating_add(1),
                first,
            },
            (Row::None | Row::Passes(_), false) => Row::Failures {
                count: 1,
                first: started,
            },
        };
        let (to, outcomes, first_failure) = match self.row {
            Row::Passes(count) if count >= self.rise.get() => (Health::Up, count, None),
            Row::Failures { count, first } if count >= self.fall.get() => {
                (Health::Down, count, Some(first))
            }
            Row::None | Row::Passes(_) | Row::Failures { .. } => return None,
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
    pub(crate) fn pace(&self) -> Pace {
        match (self.health, self.row) {
            (Health::Up, Row::None | Row::Passes(_)) => Pace::Steady,
            (Health::Down, Row::None | Row::Failures { .. }) => Pace::Down,
            (Health::Unknown, _)
            | (Health::Up, Row::Failures { .. })
            | (Health::Down, Row::Passes(_)) => Pace::Doubt,
        }
    }
}

/// The weight that a verdict asks for.
///
/// `held` is what the kernel had when the agent first looked, 0 for a real
/// server that was not there: until there is a verdict, it stays.
pub(crate) fn weight(health: Health, configured: Weight, held: Weight) -> Weight {
    match health {
        Health::Up => configured,
        Health::Down => Weight::ZERO,
        Health::Unknown if configured == Weight::ZERO => Weight::ZERO,
        Health::Unknown => held,
    }
}

#[cfg(test)]
mod tests;
