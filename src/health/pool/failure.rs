//! What becomes of a real server that fails, beyond its weight of 0.

use std::time::Instant;

use super::{Member, Pool};
use crate::diagnosis::Unavailability;
use crate::model::{AdminState, Health, Weight};

/// What is to be done with a real server beside setting its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    /// Nothing.
    Weight,
    /// The real server is taken out of the table until it has a weight again.
    Remove,
    /// The connections are ended: the real server is taken out of the table and put back.
    Reset,
}

impl Pool {
    /// Takes what a probe that began at `started` has shown of how the real server at this
    /// place is lost to its clients; the sorry server's place is after the
    /// last. Tells whether that is worse than what was known since it is down:
    /// then [`take_handling`](Self::take_handling) may tell what follows.
    pub(crate) fn set_unavailability(
        &mut self,
        member: usize,
        unavailability: Option<Unavailability>,
        started: Instant,
    ) -> bool {
        if !self.is_evidence(started) {
            return false;
        }
        let Some(member) = self.member_mut(member) else {
            return false;
        };
        let is_down = member.machine.health() == Health::Down;
        let known = member.unavailability.filter(|_| is_down);
        member.unavailability = known.max(unavailability);
        is_down && member.unavailability > known
    }

    /// What is to be done, since the last [`recompute_weights`](Self::recompute_weights), with real
    /// servers that are down, by place; of each once while it is down, and
    /// nothing while frozen. One that an operator drains is left alone.
    pub(crate) fn take_handling(&mut self) -> Vec<(usize, Handling)> {
        let rule = self.policy.on_failure;
        let serves = |member: &Member| member.wanted != Weight::ZERO;
        let others_serve = self.members.iter().chain(&self.sorry_server).any(serves);
        if self.frozen || !others_serve && !rule.even_the_last {
            return Vec::new();
        }
        let members = self.members.iter_mut().chain(&mut self.sorry_server);
        let mut handling = Vec::new();
        for (place, member) in members.enumerate() {
            let is_down = member.machine.health() == Health::Down;
            if !is_down || serves(member) || member.handled {
                continue;
            }
            if member.admin != AdminState::Enabled {
                continue;
            }
            let is_lost = rule
                .resets_from
                .is_some_and(|from| member.unavailability >= Some(from));
            let what = if rule.removes {
                Handling::Remove
            } else if is_lost {
                Handling::Reset
            } else {
                continue;
            };
            member.handled = true;
            handling.push((place, what));
        }
        handling
    }

    /// Whether the real server at this place is to be out of the table.
    pub(crate) fn is_removed(&self, member: usize) -> bool {
        self.member(member).is_some_and(|member| {
            self.policy.on_failure.removes
                && member.handled
                && member.machine.health() == Health::Down
                && member.wanted == Weight::ZERO
        })
    }
}

#[cfg(test)]
mod tests;
