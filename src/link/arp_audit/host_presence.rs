//! Which unresponsive real servers are present on the link. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::audit::{AGAIN, PERIOD, UNANSWERED};
use crate::kernel::NeighbourMessage;

/// The real servers that are present on the link although they answer no probe.
/// Messages are the input, questions the output.
///
/// Each is asked for at once and then every [`PERIOD`]. A question without an
/// answer is repeated soon, until [`UNANSWERED`] of them had none.
#[derive(Debug, Default)]
pub(super) struct HostPresence {
    asked: BTreeMap<IpAddr, Asked>,
}

#[derive(Debug)]
struct Asked {
    next: Instant,
    present: bool,
    /// Questions since its last message.
    questions: u32,
}

impl HostPresence {
    /// Replaces the real servers to ask for.
    pub(super) fn watch(&mut self, unresponsive: &BTreeSet<IpAddr>, now: Instant) {
        self.asked
            .retain(|address, _| unresponsive.contains(address));
        for address in unresponsive {
            self.asked.entry(*address).or_insert(Asked {
                next: now,
                present: false,
                questions: 0,
            });
        }
    }

    /// Takes a message, whether it is an answer or not.
    pub(super) fn receive(&mut self, message: &NeighbourMessage, now: Instant) {
        let claimed = message.claim.map(|claim| claim.address);
        if let Some(asked) = claimed.and_then(|address| self.asked.get_mut(&address)) {
            *asked = Asked {
                next: now + PERIOD,
                present: true,
                questions: 0,
            };
        }
    }

    /// When [`questions`](Self::questions) has questions.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.asked.values().map(|asked| asked.next).min()
    }

    /// The addresses to ask for now.
    pub(super) fn questions(&mut self, now: Instant) -> Vec<IpAddr> {
        let mut questions = Vec::new();
        for (address, asked) in &mut self.asked {
            if asked.next > now {
                continue;
            }
            // The last question that counts has had time for an answer.
            asked.present &= asked.questions < UNANSWERED;
            asked.questions = asked.questions.saturating_add(1);
            let given_up = asked.questions > UNANSWERED;
            asked.next = now + if given_up { PERIOD } else { AGAIN };
            questions.push(*address);
        }
        questions
    }

    /// The real servers that are present.
    pub(super) fn present(&self) -> BTreeSet<IpAddr> {
        let present = self.asked.iter().filter(|(_, asked)| asked.present);
        present.map(|(address, _)| *address).collect()
    }
}

#[cfg(test)]
mod tests;
