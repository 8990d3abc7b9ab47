use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{Level, debug, error, info, warn};

use super::{Failure, LINES_AT_ONCE, ReconcileError, Writing, count};
use crate::plan::Subject;
use crate::runtime::error_chain::error_chain;

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

/// One that is there.
#[derive(Debug)]
struct Obstacle {
    text: String,
    level: Level,
    /// It stays until somebody does what its text says.
    lasting: bool,
}

impl Obstacle {
    fn of(failure: &Failure, level: Level) -> (About, Self) {
        let obstacle = Self {
            text: error_chain(&failure.error),
            level,
            lasting: failure.error.is_lasting(),
        };
        (About::Step(failure.subject.clone()), obstacle)
    }
}

/// What was said of the obstacles that are there: each is an ERROR, or a
/// WARN if traffic does not depend on it, when it appears and when it changes,
/// and an INFO when it is gone. One that may go by itself is said again once a
/// minute.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    /// Nothing is written, so nothing becomes as configured.
    dry_run: bool,
    said: BTreeMap<About, (Obstacle, Instant)>,
}

impl Obstacles {
    /// Nothing is said yet.
    pub(super) fn of(writing: Writing) -> Self {
        Self {
            dry_run: writing == Writing::DryRun,
            ..Self::default()
        }
    }

    /// Says what a pass that ended at `now` has found in the way; traffic can
    /// do without what is `tolerated`.
    pub(super) fn note<Done>(
        &mut self,
        result: &Result<Done, ReconcileError>,
        tolerated: &[Failure],
        now: Instant,
    ) {
        let mut found = BTreeMap::new();
        match result {
            Err(ReconcileError::Observe(error)) => {
                let obstacle = Obstacle {
                    text: error_chain(error),
                    level: Level::ERROR,
                    lasting: error.cause.is_lasting(),
                };
                return self.say(now, [(About::Observation, obstacle)]);
            }
            Err(ReconcileError::Steps(failures)) => {
                found.extend(failures.iter().map(|f| Obstacle::of(f, Level::ERROR)));
            }
            Ok(_) => {}
        }
        found.extend(tolerated.iter().map(|f| Obstacle::of(f, Level::WARN)));
        let gone = |about: &About| *about != About::Memory && !found.contains_key(about);
        let any_gone = self.said.keys().any(gone);
        self.forget(gone);
        if any_gone && found.is_empty() && !self.dry_run {
            info!("the kernel is as configured again");
        }
        self.say(now, found);
    }

    /// Says why what is owned is not remembered, or that it is again.
    pub(super) fn note_memory(&mut self, error: Option<&str>, now: Instant) {
        match error {
            Some(error) => {
                let obstacle = Obstacle {
                    text: error.to_owned(),
                    level: Level::ERROR,
                    lasting: false,
                };
                self.say(now, [(About::Memory, obstacle)]);
            }
            None => self.forget(|about| *about == About::Memory),
        }
    }

    fn say(&mut self, now: Instant, found: impl IntoIterator<Item = (About, Obstacle)>) {
        let mut lines = 0_usize;
        for (about, obstacle) in found {
            let said = self.said.get(&about).is_some_and(|(said, at)| {
                let same = (&said.text, said.level) == (&obstacle.text, obstacle.level);
                same && (obstacle.lasting || now.duration_since(*at) < SILENCE)
            });
            if said {
                continue;
            }
            lines += 1;
            let text = &obstacle.text;
            if lines > LINES_AT_ONCE {
                debug!("{text}");
            } else if obstacle.level == Level::WARN {
                warn!("{text}; traffic does not depend on it");
            } else {
                error!("{text}");
            }
            self.said.insert(about, (obstacle, now));
        }
        if lines > LINES_AT_ONCE {
            let number = lines - LINES_AT_ONCE;
            error!(
                number,
                "more steps are not done: `lvs-agent plan` lists the steps"
            );
        }
    }

    /// Says of those that `gone` names that they are.
    fn forget(&mut self, gone: impl Fn(&About) -> bool) {
        let mut lines = 0_usize;
        self.said.retain(|about, (obstacle, _)| {
            if !gone(about) {
                return true;
            }
            lines += 1;
            let text = &obstacle.text;
            if lines <= LINES_AT_ONCE {
                info!("mended: {text}");
            } else {
                debug!("mended: {text}");
            }
            false
        });
        if lines > LINES_AT_ONCE {
            info!("{} mended", count(lines, "obstacle"));
        }
    }
}

#[cfg(test)]
mod tests;
