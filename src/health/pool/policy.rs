//! What the configuration asks of a pool.

use std::num::NonZeroU16;

use super::FailureRule;
use crate::health::slow_start::SlowStart;
use crate::model::Weight;

/// What a virtual service asks of its pool.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Passes in a row that bring a real server up; damping lengthens it.
    pub(crate) rise: NonZeroU16,
    pub(crate) slow_start: SlowStart,
    pub(crate) flap_damping: bool,
    /// The weight of real servers that must be up.
    pub(crate) quorum: u64,
    /// How far from the quorum, below and above, it is lost and found again.
    pub(crate) hysteresis: u64,
    /// In percent of the whole weight: with less up than that, failing real
    /// servers serve, too.
    pub(crate) fail_open_below: Option<u8>,
    pub(crate) on_failure: FailureRule,
}

/// The sorry server of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SorryServer {
    pub(crate) rise: NonZeroU16,
    pub(crate) fall: NonZeroU16,
    /// The weight that it was found with; 0 for none.
    pub(crate) found: Weight,
}

/// The index that a real server had in the pool of the previous configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreviousIndex {
    pub(crate) index: usize,
    /// Whether its check is the same.
    pub(crate) same_check: bool,
    /// Whether the kind of its check is the same: then its advice stays in effect.
    pub(crate) same_kind: bool,
}
