//! The services of others by marks for probes, and what to do where marks run out.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::Reconciler;
use crate::kernel::Ipvs;
use crate::model::{Condition, ConditionType, ServiceKey, Severity};
use crate::plan::probe_marks::Marks;
use crate::status::Conditions;

/// Raises the conditions of the marks for probes: the services of others by such
/// marks, and that no mark is left for some paths.
pub(super) fn update(
    conditions: &Conditions,
    foreign: &BTreeSet<ServiceKey>,
    marks: &Marks,
    now: SystemTime,
) {
    let foreign_marks = foreign.iter().map(|key| Condition {
        kind: ConditionType::ForeignMark,
        subject: key.to_string(),
        severity: Severity::Warning,
        message: format!("{}: {LEFT_ALONE}", found(key)),
        fix: format!("if nobody needs it: {}", key.removal()),
        since: now,
    });
    let shortage = marks.shortage().map(|shortage| Condition {
        kind: ConditionType::MarksExhausted,
        subject: "director.probe_mark".to_owned(),
        severity: Severity::Warning,
        message: shortage,
        fix: more_marks(foreign),
        since: now,
    });
    let kinds = [ConditionType::ForeignMark, ConditionType::MarksExhausted];
    conditions.replace(&kinds, foreign_marks.chain(shortage));
}

/// What becomes of a service of others by a mark for probes.
const LEFT_ALONE: &str = "it is left alone, and probes take other marks";

fn found(key: &ServiceKey) -> String {
    format!(
        "the table has the service {key} by a mark of `director.probe_mark`, and the agent does \
         not remember to have made it"
    )
}

/// What there is to say of a service by a mark for probes that is not owned.
pub(crate) fn not_remembered(key: &ServiceKey) -> String {
    let (found, removal) = (found(key), key.removal());
    format!("{found}: {LEFT_ALONE}; if nobody needs it: {removal}")
}

impl<T: Ipvs> Reconciler<T> {
    /// What there is to say of the marks for probes: each service of others,
    /// and that no mark is left for some paths.
    pub(crate) fn notes_of_marks(&self, foreign: &BTreeSet<ServiceKey>) -> Vec<String> {
        let shortage = self.mark_registry.marks().shortage();
        let shortage = shortage.map(|shortage| mark_shortage(&shortage, foreign));
        foreign.iter().map(not_remembered).chain(shortage).collect()
    }
}

fn mark_shortage(shortage: &str, foreign: &BTreeSet<ServiceKey>) -> String {
    format!("{shortage}; {}", more_marks(foreign))
}

/// What helps where marks run out.
pub(crate) fn more_marks(foreign: &BTreeSet<ServiceKey>) -> String {
    let more = "give `mask` of `director.probe_mark` more bits";
    if foreign.is_empty() {
        return more.to_owned();
    }
    let removals: Vec<_> = foreign.iter().map(ServiceKey::removal).collect();
    format!(
        "{more}, or remove what others have by its marks and nobody needs: {}",
        removals.join("; ")
    )
}

#[cfg(test)]
mod tests;
