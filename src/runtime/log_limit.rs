//! Lines of the log that are alike: the first are written one by one, and a
//! number stands for those that follow. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Above this many lines of one kind at a time, one line stands for the others.
pub(crate) const LINES_AT_ONCE: usize = 16;

/// So many lines of a kind are written one by one, and one more each second.
const SINGLE: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);
/// The number is written when no line has come for so long,
const QUIET: Duration = Duration::from_secs(1);
/// and so long after the first that it stands for at the latest.
const LONGEST: Duration = Duration::from_secs(10);
/// So many subjects are named beside the number.
const NAMED: usize = 3;

/// What was not written line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary<K> {
    pub(crate) kind: K,
    /// What they have in common beside the kind: a diagnosis, a reason.
    pub(crate) common: String,
    pub(crate) number: usize,
    /// Some of them: `web/rs1, web/rs2, web/rs3`.
    pub(crate) named: String,
    /// What to do about the first.
    pub(crate) fix: Option<String>,
}

/// What was written of each kind, and what was not. `K` is what lines are
/// about that are alike.
#[derive(Debug)]
pub(crate) struct LogLimiter<K> {
    kinds: BTreeMap<K, Burst>,
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

impl<K> Default for LogLimiter<K> {
    fn default() -> Self {
        Self {
            kinds: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord> LogLimiter<K> {
    /// Whether a line of this kind is written; else it is counted among those
    /// that have `common` in common, with its subject and its fix.
    pub(crate) fn admit(
        &mut self,
        kind: K,
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

    /// When the next number is due, if there is one to come.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.kinds.values().filter_map(Burst::due).min()
    }

    /// The numbers that are due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Summary<K>> {
        let mut due = Vec::new();
        for (kind, burst) in &mut self.kinds {
            if burst.due().is_none_or(|due| now < due) {
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

impl Burst {
    /// When its number is due, if lines were not written.
    fn due(&self) -> Option<Instant> {
        let (first, last) = self.unwritten?;
        Some((last + QUIET).min(first + LONGEST))
    }
}

#[cfg(test)]
mod tests;
