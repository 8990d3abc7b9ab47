//! The weight that a check reports for a real server.

use crate::model::Weight;

/// A weight reported by a check: by the answer of an agent, the output of a
/// program, or the content of a file.
///
/// A reported weight stays in effect until the next report; an outcome without
/// one changes nothing. A real server that is down has weight 0 whatever its
/// check reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WeightAdvice {
    /// Percent of the configured weight, which may exceed 100. A percentage above
    /// 0 never rounds down to weight 0.
    Percent(u16),
    /// This weight in place of the configured one.
    Weight(Weight),
    /// No new connections; existing ones continue.
    Drain,
    /// The configured weight.
    Ready,
}
