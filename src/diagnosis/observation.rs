//! What the newest reliable probes of a real server saw. Pure.

use super::{PathResult, Unavailability};

/// The newest reliable results of a real server's probes, by path. Two
/// unreliable probes in a row replace them, one alone does not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observation {
    pub(crate) plain: Option<PathResult>,
    pub(crate) vip: Option<PathResult>,
    /// The newest probe was unreliable.
    unreliable: bool,
}

impl Observation {
    /// How clients lose the real server; `None` while the real server answers.
    /// The result through the VIP decides, if there is one.
    pub(crate) fn unavailability(self) -> Option<Unavailability> {
        let known = |path_result: &PathResult| *path_result != PathResult::Unknown;
        if self.plain == Some(PathResult::NoNeighbour) && self.vip != Some(PathResult::Passed) {
            return Some(Unavailability::Gone);
        }
        match self.vip.filter(known).or(self.plain)? {
            PathResult::NoNeighbour => Some(Unavailability::Gone),
            PathResult::Refused
            | PathResult::NoReply
            | PathResult::NoDatagramReply
            | PathResult::Filtered => Some(Unavailability::Unreachable),
            PathResult::Passed
            | PathResult::WrongAnswer
            | PathResult::Unknown
            | PathResult::Reported(_) => None,
        }
    }

    /// Records the results of one probe. Returns false if the probe was ignored,
    /// as the first unreliable one after reliable ones is.
    pub(crate) fn note(&mut self, plain: Option<PathResult>, vip: Option<PathResult>) -> bool {
        let first = self.plain.or(self.vip).is_none();
        let is_unreliable = [plain, vip].contains(&Some(PathResult::Unknown));
        if is_unreliable && !self.unreliable && !first {
            self.unreliable = true;
            return false;
        }
        *self = Self {
            plain,
            vip,
            unreliable: is_unreliable,
        };
        true
    }
}

#[cfg(test)]
mod tests;
