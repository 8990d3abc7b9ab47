use std::collections::BTreeMap;

use crate::probe::{OUT_OF_DESCRIPTORS, Outcome, ProbeId};

/// What strerror(3) has for `EMFILE`, and begins with for `ENFILE`.
const TOO_MANY_OPEN_FILES: &str = "Too many open files";
/// As many reasons at once are told each by itself.
const MOST_REASONS: usize = 16;
/// So often a probe that cannot be made is told to be so for another reason.
const MOST_CHANGES: u8 = 4;

/// The probes that this host cannot make, each with its reason: until it can,
/// no verdict of theirs changes, and that is not to go unseen.
///
/// Each reason is told once, with the first probe that it keeps from being
/// made, and again when that is over; so that one probe that never can be made
/// hides no other trouble. Of reasons without end, the first few are told; that
/// there are no file descriptors always is.
#[derive(Debug, Default)]
pub(super) struct Unmade {
    probes: BTreeMap<ProbeId, UnmadeProbe>,
    reasons: BTreeMap<String, Reason>,
}

#[derive(Debug)]
struct UnmadeProbe {
    reason: String,
    changes: u8,
}

#[derive(Debug, Default)]
struct Reason {
    probes: usize,
    told: bool,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// This is a new reason.
    Cannot(String),
    /// It is none any more, and the probe was made.
    Again(String),
}

impl Unmade {
    /// Takes the newest outcome of a probe.
    pub(super) fn note(&mut self, probe: ProbeId, outcome: &Outcome) -> Option<Told> {
        if outcome.result.evidence().is_some() {
            let UnmadeProbe { reason, .. } = self.probes.remove(&probe)?;
            let told = self.leave(&reason);
            return told.then_some(Told::Again(reason));
        }
        let no_descriptors = [OUT_OF_DESCRIPTORS, TOO_MANY_OPEN_FILES];
        let no_descriptors = no_descriptors.iter().any(|it| outcome.detail.contains(it));
        let reason = if no_descriptors {
            OUT_OF_DESCRIPTORS
        } else {
            &outcome.detail
        };
        let before = self.probes.get(&probe);
        if before.is_some_and(|before| before.reason == reason) {
            return None;
        }
        let changes = before.map_or(0, |before| before.changes.saturating_add(1));
        let now = UnmadeProbe {
            reason: reason.to_owned(),
            changes,
        };
        if let Some(before) = self.probes.insert(probe, now) {
            self.leave(&before.reason);
        }
        let told = self.reasons.values().filter(|reason| reason.told).count();
        let found = self.reasons.entry(reason.to_owned()).or_default();
        found.probes += 1;
        let few = changes < MOST_CHANGES && told < MOST_REASONS;
        let tell = !found.told && (no_descriptors || few);
        found.told |= tell;
        tell.then(|| Told::Cannot(reason.to_owned()))
    }

    /// Forgets the probes that are no longer.
    pub(super) fn retain(&mut self, is_there: impl Fn(ProbeId) -> bool) {
        let gone: Vec<_> = self.probes.keys().copied().collect();
        for probe in gone.into_iter().filter(|probe| !is_there(*probe)) {
            if let Some(gone) = self.probes.remove(&probe) {
                self.leave(&gone.reason);
            }
        }
    }

    /// One probe less has this reason; whether it was the last, of a reason that was told.
    fn leave(&mut self, reason: &str) -> bool {
        let Some(found) = self.reasons.get_mut(reason) else {
            return false;
        };
        found.probes -= 1;
        if found.probes > 0 {
            return false;
        }
        self.reasons
            .remove(reason)
            .is_some_and(|reason| reason.told)
    }
}

#[cfg(test)]
mod tests;
