//! The verdict on a real server.

use std::fmt;

/// The verdict on one real server of one virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// No verdict yet.
    Unknown,
    /// The real server passes its check.
    Up,
    /// The real server fails its check.
    Down,
}

impl Health {
    /// As it is shown.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
