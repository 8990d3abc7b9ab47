use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Confirmed, Unverified};
use crate::model::Family;
use crate::runtime::shared::Shared;

/// For how long what was found holds.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// For how long a canary need not be sent again. IPVS puts a line in the
/// kernel's log for each (`ip_vs_scheduler_err` in `ip_vs_sched.c`).
const CANARY_GOOD_FOR: Duration = Duration::from_secs(30);

/// What was found, and when.
type Found = (Result<(), Unverified>, Instant);

/// Whether IPVS takes the packets of probes, by what was last found.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    found: Shared<BTreeMap<Family, Found>>,
    /// The last canary that was refused as it should be.
    refused: Shared<BTreeMap<Family, (Confirmed, Instant)>>,
}

impl Guard {
    /// Takes in what was found.
    pub(super) fn note(&self, family: Family, found: Result<(), Unverified>, now: Instant) {
        self.found.lock().insert(family, (found, now));
    }

    /// Takes in that this canary was refused.
    pub(super) fn note_refused(&self, family: Family, canary: Confirmed, now: Instant) {
        self.refused.lock().insert(family, (canary, now));
    }

    /// Whether this canary was refused so lately that no other is needed.
    pub(super) fn was_refused(&self, family: Family, canary: Confirmed, now: Instant) -> bool {
        let refused = self.refused.lock();
        refused.get(&family).is_some_and(|(before, at)| {
            *before == canary && now.saturating_duration_since(*at) < CANARY_GOOD_FOR
        })
    }

    /// Whether it does, by what is not too old.
    pub(super) fn holds(&self, family: Family, now: Instant) -> Result<(), Unverified> {
        match self.found.lock().get(&family) {
            Some((found, at)) if now.saturating_duration_since(*at) <= GOOD_FOR => found.clone(),
            _ => Err(Unverified::NoCanary),
        }
    }
}

#[cfg(test)]
mod tests;
