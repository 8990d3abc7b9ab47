use std::collections::BTreeSet;

use tracing::{info, warn};

use crate::model::ServiceKey;
use crate::via_vip::Marks;

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
        for key in foreign.difference(&self.foreign) {
            warn!("{}", not_remembered(key));
        }
        self.foreign.clone_from(foreign);

        let shortage = marks.shortage();
        if shortage == self.shortage {
            return;
        }
        if let Some(shortage) = &shortage {
            warn!("{shortage}; {}", more_marks(foreign));
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
