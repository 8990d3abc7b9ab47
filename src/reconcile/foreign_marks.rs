//! Services of other programs by marks of probes.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::{LINES_AT_ONCE, Reconciler};
use crate::kernel::Ipvs;
use crate::model::ServiceKey;
use crate::plan::probe_marks::Marks;

/// What was said of the marks for probes: each trouble once.
#[derive(Debug, Default)]
pub(super) struct SaidOfMarks {
    foreign: BTreeSet<ServiceKey>,
    shortage: Option<String>,
}

impl SaidOfMarks {
    /// Says which services of others were found by such marks, and whether
    /// marks are left for all paths.
    pub(super) fn note(&mut self, foreign: &BTreeSet<ServiceKey>, marks: &Marks) {
        let new: Vec<_> = foreign.difference(&self.foreign).collect();
        for key in new.iter().take(LINES_AT_ONCE) {
            warn!("{}", not_remembered(key));
        }
        if let Some(number) = new
            .len()
            .checked_sub(LINES_AT_ONCE)
            .filter(|more| *more > 0)
        {
            warn!(
                number,
                "more services by a mark of `director.probe_mark` are not remembered"
            );
        }
        self.foreign.clone_from(foreign);

        let shortage = marks.shortage();
        if shortage == self.shortage {
            return;
        }
        if let Some(shortage) = &shortage {
            warn!("{}", mark_shortage(shortage, foreign));
        } else {
            info!("each way to a real server has a mark of `director.probe_mark` again");
        }
        self.shortage = shortage;
    }
}

/// What there is to say of a service by a mark for probes that is not owned.
pub(crate) fn not_remembered(key: &ServiceKey) -> String {
    format!(
        "the table has the service {key} by a mark of `director.probe_mark`, and the agent does \
         not remember to have made it: it is left alone, and probes take other marks; if nobody \
         needs it: {}",
        key.removal()
    )
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
