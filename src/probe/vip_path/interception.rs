//! The last findings of the canary.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Confirmed, Unverified};
use crate::model::Family;
use crate::runtime::shared::Shared;

/// How long a finding stays in effect.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// How long a refused canary stays in effect. IPVS writes a line to the
/// kernel's log for each canary (`ip_vs_scheduler_err` in `ip_vs_sched.c`).
const CANARY_GOOD_FOR: Duration = Duration::from_secs(30);

/// A finding and its time.
type Found = (Result<(), Unverified>, Instant);

/// Whether IPVS intercepts the packets of probes, by the last finding.
#[derive(Debug, Default)]
pub(crate) struct InterceptionCheck {
    found: Shared<BTreeMap<Family, Found>>,
    /// The last canary that IPVS refused.
    refused: Shared<BTreeMap<Family, (Confirmed, Instant)>>,
}

impl InterceptionCheck {
    /// Takes a finding.
    pub(super) fn note(&self, family: Family, found: Result<(), Unverified>, now: Instant) {
        self.found.lock().insert(family, (found, now));
    }

    /// Takes the refusal of this canary.
    pub(super) fn note_refused(&self, family: Family, canary: Confirmed, now: Instant) {
        self.refused.lock().insert(family, (canary, now));
    }

    /// Whether the last refusal of this canary is recent enough.
    pub(super) fn was_refused(&self, family: Family, canary: Confirmed, now: Instant) -> bool {
        let refused = self.refused.lock();
        refused.get(&family).is_some_and(|(before, at)| {
            *before == canary && now.saturating_duration_since(*at) < CANARY_GOOD_FOR
        })
    }

    /// Succeeds if IPVS does, by a finding that is not too old.
    pub(super) fn ensure(&self, family: Family, now: Instant) -> Result<(), Unverified> {
        match self.found.lock().get(&family) {
            Some((found, at)) if now.saturating_duration_since(*at) <= GOOD_FOR => found.clone(),
            _ => Err(Unverified::NoCanary),
        }
    }
}

#[cfg(test)]
mod tests;
