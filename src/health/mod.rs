//! Health: how outcomes become verdicts. Pure, but for its one owner task.

mod machine;
mod task;

use std::fmt;

pub(crate) use machine::weight;
use machine::{Machine, Transition};
pub(crate) use task::HealthTask;

/// The verdict on one real server of one virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// No verdict yet.
    Unknown,
    /// It passes its check.
    Up,
    /// It fails its check.
    Down,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}
