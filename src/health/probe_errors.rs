//! Which probes this host cannot make, and which of their reasons the log has. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::model::ProbeResult;
use crate::net::tls::ClockError;
use crate::probe::{OUT_OF_DESCRIPTORS, Outcome, ProbeId};

/// What strerror(3) has for `EMFILE`, and begins with for `ENFILE`.
const TOO_MANY_OPEN_FILES: &str = "Too many open files";
/// The most reasons that are logged one by one at a time.
const MOST_REASONS: usize = 16;
/// How often another reason of the same probe is logged.
const MOST_CHANGES: u8 = 4;
/// How long neither a probe nor a reason is logged again after a result that could not be relied
/// on was logged.
const SILENCE: Duration = Duration::from_mins(1);

/// The probes that this host cannot make, each with its reason. The health of their real servers
/// stays as it is meanwhile, which the log must show.
///
/// Each reason is logged once, with the first probe that it stops, and again when the reason has
/// ended, so that one probe that never works hides no other problem. The number of reasons is
/// bounded; a lack of file descriptors is always logged.
///
/// A probe that was made and cannot be relied on counts among them from the
/// second in a row on. Such a reason may come and go: after its line, the next line waits, and is
/// written if the reason is still there.
#[derive(Debug, Default)]
pub(super) struct ProbeErrorLog {
    probes: BTreeMap<ProbeId, FailingProbe>,
    reasons: BTreeMap<String, Reason>,
    /// The probes whose last result alone could not be relied on.
    odd: BTreeSet<ProbeId>,
    /// The probes whose result depends on a clock of this host that is wrong.
    by_clock: BTreeSet<ProbeId>,
    /// The recent lines of results that could not be relied on.
    silent: RecentlyLogged,
    /// When a line that was left out may be written.
    due: Option<Instant>,
}

#[derive(Debug)]
struct FailingProbe {
    reason: String,
    changes: u8,
}

#[derive(Debug, Default)]
struct Reason {
    probes: usize,
    logged: bool,
    /// Whether the reason may come and go, so that its lines are damped.
    wavers: bool,
    /// The reason that the log has for a probe that has this reason now.
    instead_of: Option<String>,
}

/// What is to be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProbeErrorChange {
    /// The reason is new.
    Began(String),
    /// The reason has ended: the probe was made.
    Ended(String),
}

impl ProbeErrorLog {
    /// Takes the newest outcome of a probe.
    pub(super) fn note(
        &mut self,
        probe: ProbeId,
        outcome: &Outcome,
        now: Instant,
    ) -> Option<ProbeErrorChange> {
        if outcome.result == ProbeResult::Internal && ClockError::is_reported_in(&outcome.detail) {
            self.by_clock.insert(probe);
        } else {
            self.by_clock.remove(&probe);
        }
        if outcome.result.evidence().is_some() {
            self.odd.remove(&probe);
            let FailingProbe { reason, .. } = self.probes.remove(&probe)?;
            return self.leave(&reason).map(ProbeErrorChange::Ended);
        }
        let no_descriptors = [OUT_OF_DESCRIPTORS, TOO_MANY_OPEN_FILES];
        let no_descriptors = no_descriptors.iter().any(|it| outcome.detail.contains(it));
        let wavers = outcome.result == ProbeResult::Unverified && !no_descriptors;
        let reason = if no_descriptors {
            OUT_OF_DESCRIPTORS
        } else {
            &outcome.detail
        };
        let before = self.probes.get(&probe);
        if wavers && before.is_none() && self.odd.insert(probe) {
            return None;
        }
        self.odd.remove(&probe);
        if before.is_some_and(|before| before.reason == reason) {
            return None;
        }
        let changes = before.map_or(0, |before| before.changes.saturating_add(1));
        let latest = FailingProbe {
            reason: reason.to_owned(),
            changes,
        };
        let before = self.probes.insert(probe, latest);
        let instead_of = before.and_then(|before| self.leave(&before.reason));
        let found = self.reasons.entry(reason.to_owned()).or_default();
        found.probes += 1;
        found.wavers = wavers;
        if !found.logged && instead_of.is_some() {
            found.instead_of = instead_of;
        }
        if no_descriptors {
            let is_new = !found.logged;
            found.logged = true;
            return is_new.then(|| ProbeErrorChange::Began(reason.to_owned()));
        }
        self.log(probe, now)
    }

    /// A line that was left out before and still holds, with its probe.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(ProbeId, ProbeErrorChange)> {
        self.due.filter(|due| *due <= now)?;
        self.due = None;
        let wavers = |reason: &String| {
            let reason = self.reasons.get(reason);
            reason.is_some_and(|reason| reason.wavers && !reason.logged)
        };
        let unlogged = self.probes.iter().filter(|(_, it)| wavers(&it.reason));
        let unlogged: Vec<_> = unlogged.map(|(probe, _)| *probe).collect();
        let logged = unlogged
            .into_iter()
            .find_map(|probe| Some((probe, self.log(probe, now)?)))?;
        // There may be more.
        self.due = Some(now);
        Some(logged)
    }

    /// When [`Self::take_due`] may have something.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a probe depends on this host's clock, which is wrong.
    pub(super) fn clock_is_wrong(&self) -> bool {
        !self.by_clock.is_empty()
    }

    /// Forgets the probes that are no longer.
    pub(super) fn retain(&mut self, is_there: impl Fn(ProbeId) -> bool) {
        self.odd.retain(|probe| is_there(*probe));
        self.by_clock.retain(|probe| is_there(*probe));
        let gone: Vec<_> = self.probes.keys().copied().collect();
        for probe in gone.into_iter().filter(|probe| !is_there(*probe)) {
            if let Some(gone) = self.probes.remove(&probe) {
                self.leave(&gone.reason);
            }
        }
    }

    /// Logs why this probe cannot be made, unless the log has the reason already, had it not long
    /// ago, or has too many.
    fn log(&mut self, probe: ProbeId, now: Instant) -> Option<ProbeErrorChange> {
        let FailingProbe { reason, changes } = self.probes.get(&probe)?;
        let logged = self.reasons.values().filter(|reason| reason.logged).count();
        let found = self.reasons.get_mut(reason)?;
        if found.logged || *changes >= MOST_CHANGES || logged >= MOST_REASONS {
            return None;
        }
        if found.wavers {
            if let Some(until) = self.silent.until(probe, reason, now) {
                self.due = Some(self.due.map_or(until, |due| due.min(until)));
                return None;
            }
            self.silent.begin(probe, reason, now);
        }
        found.logged = true;
        found.instead_of = None;
        Some(ProbeErrorChange::Began(reason.clone()))
    }

    /// One probe less has this reason; if it was the last, the logged reason
    /// is not so any more.
    fn leave(&mut self, reason: &str) -> Option<String> {
        let found = self.reasons.get_mut(reason)?;
        found.probes -= 1;
        if found.probes > 0 {
            return None;
        }
        let (reason, found) = self.reasons.remove_entry(reason)?;
        found.logged.then_some(reason).or(found.instead_of)
    }
}

/// When each result that could not be relied on was last logged.
#[derive(Debug, Default)]
struct RecentlyLogged {
    probes: BTreeMap<ProbeId, Instant>,
    reasons: BTreeMap<String, Instant>,
}

impl RecentlyLogged {
    fn begin(&mut self, probe: ProbeId, reason: &str, now: Instant) {
        let recent = |logged: &Instant| *logged + SILENCE > now;
        self.probes.retain(|_, logged| recent(logged));
        self.reasons.retain(|_, logged| recent(logged));
        self.probes.insert(probe, now);
        self.reasons.insert(reason.to_owned(), now);
    }

    /// Until when neither is logged; `None` if both may be.
    fn until(&self, probe: ProbeId, reason: &str, now: Instant) -> Option<Instant> {
        let logged = self.probes.get(&probe).max(self.reasons.get(reason));
        logged
            .map(|logged| *logged + SILENCE)
            .filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests;
