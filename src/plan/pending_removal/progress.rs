//! The end of the removal of a real server that is leaving: what is due at a time. Pure.

use std::time::{Duration, Instant};

use crate::config::DirectorRemoval;
use crate::model::{Connections, DestinationLoad, DrainRule, Weight};

/// The time that a real server has for the answers that it is about to give, with
/// `on_removal: remove`: new connections go to others by then.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// How far the removal of one real server is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemovalProgress {
    /// When the real server is removed whatever is left.
    deadline: Instant,
    /// As last read from the kernel.
    pub(crate) connections: Connections,
    /// When the real server was first seen without a weight, with `on_removal: remove`.
    idle_since: Option<Instant>,
}

/// What decides on the removal, beside connections and time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemovalFacts {
    /// The rule by which a drain of the virtual service ends.
    pub(crate) rule: DrainRule,
    pub(crate) on_removal: DirectorRemoval,
    /// Whether the real server has a weight in the kernel.
    pub(crate) has_weight: bool,
    /// Whether the configured real servers of the virtual service serve without it.
    pub(crate) is_replaced: bool,
    /// Whether a configured real server of the virtual service is to have a weight.
    pub(crate) others_have_weight: bool,
}

/// What is due for a real server that is leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemovalStep {
    /// Nothing.
    Wait,
    /// Nothing, although the deadline has passed: nobody would serve without the real server.
    Overdue,
    /// The weight becomes 0.
    Quiesce,
    /// The real server is removed from the table.
    Remove(RemovalReason),
}

/// Why a real server that is leaving is removed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemovalReason {
    /// The deadline has passed.
    Deadline,
    /// With `on_removal: remove`, the time for the last answers has passed.
    Replaced,
    /// The last connection has ended.
    Idle,
}

impl RemovalReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "its time is up",
            Self::Replaced => "others serve",
            Self::Idle => "no active connection is left",
        }
    }
}

impl RemovalProgress {
    pub(crate) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            connections: Connections::default(),
            idle_since: None,
        }
    }

    /// What is due now. A real server that serves keeps its weight until it is replaced. The
    /// deadline ends that where another real server is to have a weight, and nowhere else.
    pub(crate) fn next_step(&mut self, facts: RemovalFacts, now: Instant) -> RemovalStep {
        let is_late = now >= self.deadline;
        if facts.has_weight {
            return match (facts.is_replaced, is_late) {
                (true, _) => RemovalStep::Quiesce,
                (false, false) => RemovalStep::Wait,
                (false, true) if facts.others_have_weight => RemovalStep::Quiesce,
                (false, true) => RemovalStep::Overdue,
            };
        }
        if is_late {
            return RemovalStep::Remove(RemovalReason::Deadline);
        }
        let active_connections = self.connections.active;
        let is_idle = facts.rule.is_idle(DestinationLoad {
            weight: Weight::ZERO,
            active_connections,
        });
        match facts.on_removal {
            DirectorRemoval::Remove => {
                let idle_since = *self.idle_since.get_or_insert(now);
                if now >= idle_since + LAST_ANSWERS {
                    RemovalStep::Remove(RemovalReason::Replaced)
                } else if active_connections == 0 {
                    RemovalStep::Remove(RemovalReason::Idle)
                } else {
                    RemovalStep::Wait
                }
            }
            DirectorRemoval::Drain if is_idle => RemovalStep::Remove(RemovalReason::Idle),
            DirectorRemoval::Drain => RemovalStep::Wait,
        }
    }
}

#[cfg(test)]
mod tests;
