//! The registry of conditions: what is not as it should be now, each once.
//!
//! Conditions are raised and cleared by type and subject. The registry logs each
//! change once and notifies of it; `/status`, the page, `lvs-agent status`,
//! `doctor` and the metrics read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tracing::{debug, error, info, warn};

use crate::model::{Announcement, Condition, ConditionType, Severity};
use crate::runtime::error_chain::error_chain;
use crate::runtime::log_limit::LINES_AT_ONCE;
use crate::runtime::shared::Shared;
use crate::runtime::stored_file::{Damage, WriteResult, unsaved};

/// Conditions of one type that are kept: whatever fails in thousands has one
/// cause, and the metrics of real servers count the rest.
const MOST_OF_A_TYPE: usize = 256;

type Key = (ConditionType, String);

/// A condition was raised or cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConditionChange {
    /// The condition is new, or has another severity or message.
    Raised(Condition),
    Cleared(Condition),
}

type Listener = Box<dyn Fn(&ConditionChange) + Send + Sync>;

/// All conditions of this process.
#[derive(Default)]
pub(crate) struct Conditions {
    held: Shared<BTreeMap<Key, Condition>>,
    listener: OnceLock<Listener>,
}

impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conditions")
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl Conditions {
    /// From now on, `listener` is called with each change, whoever logs it. It is
    /// called once per process; a second listener is ignored.
    pub(crate) fn listen(&self, listener: impl Fn(&ConditionChange) + Send + Sync + 'static) {
        let _ = self.listener.set(Box::new(listener));
    }

    /// Raises a condition. One with the same key keeps the time of its start.
    pub(crate) fn raise(&self, condition: Condition) {
        let change = put(&mut self.held.lock(), condition);
        self.announce(change.as_slice());
    }

    /// Clears the condition with that key, if there is one.
    pub(crate) fn clear(&self, kind: ConditionType, subject: &str) {
        let removed = self.held.lock().remove(&(kind, subject.to_owned()));
        let change = removed.map(ConditionChange::Cleared);
        self.announce(change.as_slice());
    }

    /// Notes that the state file of this name is damaged, or that it is not.
    pub(crate) fn note_damage(&self, path: &Path, damage: Option<&Damage>, now: SystemTime) {
        if damage.is_none_or(Damage::is_set_aside) {
            let subject = path.display().to_string();
            self.clear(ConditionType::StateFileDamaged, &subject);
        }
        if let Some(damage) = damage {
            self.raise(damage.condition(now));
        }
    }

    /// Notes what came of a write of the state file of this name. `kind` says that the file
    /// does not hold what it should, and `message` makes the message of the error.
    pub(crate) fn note_written(
        &self,
        kind: ConditionType,
        path: &Path,
        written: WriteResult,
        message: impl FnOnce(&str) -> String,
        unit: &str,
        now: SystemTime,
    ) {
        let subject = path.display().to_string();
        match written {
            // The condition stays as it was until the result is known.
            WriteResult::Pending => {}
            WriteResult::Written(damage) => {
                self.note_damage(path, damage.as_ref(), now);
                self.clear(kind, &subject);
            }
            WriteResult::Failed(error) => self.raise(Condition {
                kind,
                severity: Severity::Problem,
                message: message(&error_chain(&error)),
                fix: unsaved::fix(&error, unit),
                subject,
                since: now,
            }),
        }
    }

    /// Makes `found` all conditions of these types: others of them are cleared.
    pub(crate) fn replace(
        &self,
        kinds: &[ConditionType],
        found: impl IntoIterator<Item = Condition>,
    ) {
        let mut changes = Vec::new();
        {
            let mut held = self.held.lock();
            let found: Vec<_> = found.into_iter().collect();
            let keys: BTreeSet<_> = found.iter().map(|one| (one.kind, &*one.subject)).collect();
            held.retain(|(kind, subject), condition| {
                let stays = !kinds.contains(kind) || keys.contains(&(*kind, subject.as_str()));
                if !stays {
                    changes.push(ConditionChange::Cleared(condition.clone()));
                }
                stays
            });
            drop(keys);
            changes.extend(found.into_iter().filter_map(|one| put(&mut held, one)));
        }
        self.announce(&changes);
    }

    /// All conditions, problems first.
    pub(crate) fn list(&self) -> Vec<Condition> {
        let mut list: Vec<_> = self.held.lock().values().cloned().collect();
        list.sort_by_key(|condition| condition.severity);
        list
    }

    /// How many conditions of a type and a severity there are.
    pub(crate) fn count(&self, kind: ConditionType, severity: Severity) -> usize {
        let held = self.held.lock();
        let of_kind = of_kind(&held, kind);
        of_kind.filter(|one| one.severity == severity).count()
    }

    /// How many problems and how many warnings there are.
    pub(crate) fn totals(&self) -> (usize, usize) {
        let held = self.held.lock();
        let problems = held
            .values()
            .filter(|one| one.severity == Severity::Problem);
        let problems = problems.count();
        (problems, held.len() - problems)
    }

    /// The conditions of a type.
    pub(crate) fn of_kind(&self, kind: ConditionType) -> Vec<Condition> {
        of_kind(&self.held.lock(), kind).cloned().collect()
    }

    /// The condition with that key.
    pub(crate) fn get(&self, kind: ConditionType, subject: &str) -> Option<Condition> {
        self.held.lock().get(&(kind, subject.to_owned())).cloned()
    }

    fn announce(&self, changes: &[ConditionChange]) {
        let mut number = 0_usize;
        for change in changes {
            let declared = change.condition().kind.declaration();
            if declared.announcement == Announcement::Registry {
                number += 1;
                log(change, number > LINES_AT_ONCE);
            }
            if let Some(listener) = self.listener.get() {
                listener(change);
            }
        }
        if number > LINES_AT_ONCE {
            let number = number - LINES_AT_ONCE;
            warn!(number, "more conditions changed: see `lvs-agent status`");
        }
    }
}

impl ConditionChange {
    pub(crate) const fn condition(&self) -> &Condition {
        match self {
            Self::Raised(condition) | Self::Cleared(condition) => condition,
        }
    }
}

fn of_kind(
    held: &BTreeMap<Key, Condition>,
    kind: ConditionType,
) -> impl Iterator<Item = &Condition> {
    let from = held.range((kind, String::new())..);
    from.take_while(move |((other, _), _)| *other == kind)
        .map(|(_, condition)| condition)
}

/// Inserts a condition, and returns what that changes.
fn put(held: &mut BTreeMap<Key, Condition>, condition: Condition) -> Option<ConditionChange> {
    let key = (condition.kind, condition.subject.clone());
    if let Some(before) = held.get_mut(&key) {
        let since = before.since;
        let same = (before.severity, &before.message) == (condition.severity, &condition.message);
        *before = Condition { since, ..condition };
        return (!same).then(|| ConditionChange::Raised(before.clone()));
    }
    let of_kind = held.range((condition.kind, String::new())..);
    let of_kind = of_kind.take_while(|((kind, _), _)| *kind == condition.kind);
    if of_kind.count() >= MOST_OF_A_TYPE {
        return None;
    }
    held.insert(key, condition.clone());
    Some(ConditionChange::Raised(condition))
}

/// Writes the line of a change; `is_beyond` says that too many were written already.
fn log(change: &ConditionChange, is_beyond: bool) {
    let condition = change.condition();
    let declared = condition.kind.declaration();
    let (kind, message) = (declared.name, declared.message);
    let (subject, reason, fix) = (&*condition.subject, &*condition.message, &*condition.fix);
    match (change, condition.severity) {
        _ if is_beyond => debug!(condition = kind, subject, reason, "{message}"),
        (ConditionChange::Cleared(_), _) => {
            info!(
                condition = kind,
                subject,
                was = reason,
                "cleared: {message}"
            );
        }
        (ConditionChange::Raised(_), Severity::Problem) => {
            error!(condition = kind, subject, reason, fix, "{message}");
        }
        (ConditionChange::Raised(_), Severity::Warning) => {
            warn!(condition = kind, subject, reason, fix, "{message}");
        }
    }
}

/// One registry outlives all configurations that are read.
pub(crate) type SharedConditions = Arc<Conditions>;

#[cfg(test)]
mod tests;
