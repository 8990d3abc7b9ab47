//! Why weights are frozen, and what to say when that changes. Pure.

use std::collections::BTreeSet;

use crate::model::FreezeReason;

/// The reasons in effect.
#[derive(Debug, Default)]
pub(super) struct Freeze {
    reasons: BTreeSet<FreezeReason>,
}

/// How the reasons have changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FreezeChange {
    pub(super) reasons: BTreeSet<FreezeReason>,
    pub(super) began: Vec<FreezeReason>,
    /// The clock was a reason, and is none any more.
    pub(super) clock_ended: bool,
    /// Whether all weights are frozen now, if that has changed.
    pub(super) frozen: Option<bool>,
}

impl Freeze {
    /// Whether no weight may change.
    pub(super) fn is_frozen(&self) -> bool {
        freezes_all(&self.reasons)
    }

    pub(super) fn set(&mut self, reasons: BTreeSet<FreezeReason>) -> Option<FreezeChange> {
        if reasons == self.reasons {
            return None;
        }
        let before = std::mem::replace(&mut self.reasons, reasons);
        let frozen = self.is_frozen();
        Some(FreezeChange {
            began: self.reasons.difference(&before).cloned().collect(),
            clock_ended: before.contains(&FreezeReason::Clock)
                && !self.reasons.contains(&FreezeReason::Clock),
            frozen: (frozen != freezes_all(&before)).then_some(frozen),
            reasons: self.reasons.clone(),
        })
    }
}

fn freezes_all(reasons: &BTreeSet<FreezeReason>) -> bool {
    reasons.iter().any(FreezeReason::freezes_all)
}
