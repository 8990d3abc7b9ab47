//! Lines of the log that are alike: the first are written one by one, and a
//! number stands for those that follow. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So many lines of a kind are written one by one, and one more each second.
const SINGLE: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);
/// The number is written when no line has come for so long,
const QUIET: Duration = Duration::from_secs(1);
/// and so long after the first that it stands for at the latest.
const LONGEST: Duration = Duration::from_secs(10);
/// So many subjects are named beside the number.
const NAMED: usize = 3;

/// What lines are about that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LineKind {
    Down,
    OtherDiagnosis,
    Up,
    Quiesced,
    QuiescedNoLonger,
    QuorumLost,
    QuorumMet,
    SorryServerServes,
    SorryServerServesNoLonger,
    FailOpen,
    FailOpenNoLonger,
    OtherWeight,
    AdminState,
    Drained,
}

/// What was not written line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) kind: LineKind,
    /// What they have in common beside the kind: a diagnosis, a reason.
    pub(super) common: String,
    pub(super) number: usize,
    /// Some of them: `web/rs1, web/rs2, web/rs3`.
    pub(super) named: String,
    /// What to do about the first.
    pub(super) fix: Option<String>,
}

/// What was written of each kind, and what was not.
#[derive(Debug, Default)]
pub(super) struct LogLimiter {
    kinds: BTreeMap<LineKind, Burst>,
}

#[derive(Debug)]
struct Burst {
    /// When as many lines may be written again as at first.
    full_at: Instant,
    /// When the first and the newest came that were not written.
    unwritten: Option<(Instant, Instant)>,
    rest: BTreeMap<String, Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    number: usize,
    named: Vec<String>,
    fix: Option<String>,
}

impl LogLimiter {
    /// Whether a line of this kind is written; else it is counted among those
    /// that have `common` in common, with its subject and its fix.
    pub(super) fn admit(
        &mut self,
        kind: LineKind,
        common: &str,
        subject: impl FnOnce() -> String,
        fix: impl FnOnce() -> Option<String>,
        now: Instant,
    ) -> bool {
        let burst = self.kinds.entry(kind).or_insert_with(|| Burst {
            full_at: now,
            unwritten: None,
            rest: BTreeMap::new(),
        });
        let full_at = burst.full_at.max(now);
        // Once a number is to come, later lines do not overtake it.
        if burst.unwritten.is_none() && full_at - now <= PERIOD * (SINGLE - 1) {
            burst.full_at = full_at + PERIOD;
            return true;
        }
        let first = burst.unwritten.map_or(now, |(first, _)| first);
        burst.unwritten = Some((first, now));
        let rest = burst.rest.entry(common.to_owned()).or_default();
        if rest.number == 0 {
            rest.fix = fix();
        }
        if rest.named.len() < NAMED {
            rest.named.push(subject());
        }
        rest.number += 1;
        false
    }

    /// When the next number is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let unwritten = self.kinds.values().filter_map(|burst| burst.unwritten);
        let due = unwritten.map(|(first, last)| (last + QUIET).min(first + LONGEST));
        due.min()
    }

    /// The numbers that are due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Summary> {
        let mut due = Vec::new();
        for (kind, burst) in &mut self.kinds {
            let is_due = burst
                .unwritten
                .is_some_and(|(first, last)| now >= last + QUIET || now >= first + LONGEST);
            if !is_due {
                continue;
            }
            burst.unwritten = None;
            let rest = std::mem::take(&mut burst.rest);
            due.extend(rest.into_iter().map(|(common, rest)| Summary {
                kind: *kind,
                common,
                number: rest.number,
                named: rest.named.join(", "),
                fix: rest.fix,
            }));
        }
        self.kinds
            .retain(|_, burst| burst.full_at > now || burst.unwritten.is_some());
        due
    }
}

#[cfg(test)]
mod tests;
