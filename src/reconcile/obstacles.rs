use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{debug, error, info};

use super::{Failure, ReconcileError, STEPS_AT_INFO, Writing, count};
use crate::error_chain::error_chain;
use crate::plan::Subject;

/// How long what is in the way is not said again while it stays the same.
const SILENCE: Duration = Duration::from_mins(1);

/// What an obstacle is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// Reading the kernel: of all else nothing is known.
    Observation,
    /// Remembering what is owned.
    Memory,
    /// One step.
    Step(Subject),
}

/// What was said of the obstacles that are there: each is an ERROR when it
/// appears, when it changes and once a minute, and an INFO when it is gone.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    /// Nothing is written, so nothing becomes as configured.
    dry_run: bool,
    said: BTreeMap<About, (String, Instant)>,
}

impl Obstacles {
    /// Nothing is said yet.
    pub(super) fn of(writing: Writing) -> Self {
        Self {
            dry_run: writing == Writing::DryRun,
            ..Self::default()
        }
    }

    /// Says what a pass that ended at `now` has found in the way.
    pub(super) fn note<Done>(&mut self, result: &Result<Done, ReconcileError>, now: Instant) {
        match result {
            Err(ReconcileError::Observe(error)) => {
                self.say(now, vec![(About::Observation, error_chain(error))]);
            }
            Err(ReconcileError::Steps(failures)) => {
                let about = |failure: &Failure| {
                    let text = error_chain(&failure.error);
                    (About::Step(failure.subject.clone()), text)
                };
                let found: BTreeMap<_, _> = failures.iter().map(about).collect();
                self.forget(|about| *about != About::Memory && !found.contains_key(about));
                self.say(now, found);
            }
            Ok(_) => {
                let mut about = self.said.keys();
                let was_in_the_way = about.any(|about| *about != About::Memory);
                self.forget(|about| *about != About::Memory);
                if was_in_the_way && !self.dry_run {
                    info!("the kernel is as configured again");
                }
            }
        }
    }

    /// Says why what is owned is not remembered, or that it is again.
    pub(super) fn note_memory(&mut self, error: Option<&str>, now: Instant) {
        match error {
            Some(error) => self.say(now, [(About::Memory, error.to_owned())]),
            None => self.forget(|about| *about == About::Memory),
        }
    }

    fn say(&mut self, now: Instant, found: impl IntoIterator<Item = (About, String)>) {
        let mut lines = 0_usize;
        for (about, text) in found {
            let said = self.said.get(&about);
            if said.is_some_and(|(said, at)| *said == text && now.duration_since(*at) < SILENCE) {
                continue;
            }
            lines += 1;
            if lines <= STEPS_AT_INFO {
                error!("{text}");
            } else {
                debug!("{text}");
            }
            self.said.insert(about, (text, now));
        }
        if lines > STEPS_AT_INFO {
            error!("{} not done", count(lines, "step"));
        }
    }

    /// Says of those that `gone` names that they are.
    fn forget(&mut self, gone: impl Fn(&About) -> bool) {
        let mut lines = 0_usize;
        self.said.retain(|about, (text, _)| {
            if !gone(about) {
                return true;
            }
            lines += 1;
            if lines <= STEPS_AT_INFO {
                info!("mended: {text}");
            } else {
                debug!("mended: {text}");
            }
            false
        });
        if lines > STEPS_AT_INFO {
            info!("{} mended", count(lines, "obstacle"));
        }
    }
}

#[cfg(test)]
mod tests;
