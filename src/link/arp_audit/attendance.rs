use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::audit::{AGAIN, PERIOD, SILENCE};
use crate::kernel::Heard;

/// Which real servers are on the link though no probe of them is answered.
/// Pure: what is heard goes in, what to ask for comes out.
///
/// Each is asked for at once and then every [`PERIOD`]; a question without an
/// answer is followed by another soon, until [`SILENCE`] of them had none.
#[derive(Debug, Default)]
pub(super) struct Attendance {
    asked: BTreeMap<IpAddr, Asked>,
}

#[derive(Debug)]
struct Asked {
    next: Instant,
    present: bool,
    /// Questions since it was last heard.
    questions: u32,
}

impl Attendance {
    /// From now on asks for these.
    pub(super) fn watch(&mut self, silent: &BTreeSet<IpAddr>, now: Instant) {
        self.asked.retain(|address, _| silent.contains(address));
        for address in silent {
            self.asked.entry(*address).or_insert(Asked {
                next: now,
                present: false,
                questions: 0,
            });
        }
    }

    /// Takes what somebody has said, be it an answer or not.
    pub(super) fn hear(&mut self, heard: &Heard, now: Instant) {
        let claimed = heard.claim.map(|claim| claim.address);
        if let Some(asked) = claimed.and_then(|address| self.asked.get_mut(&address)) {
            *asked = Asked {
                next: now + PERIOD,
                present: true,
                questions: 0,
            };
        }
    }

    /// When [`questions`](Self::questions) has something to say.
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
            // The last question that counts was given its time.
            asked.present &= asked.questions < SILENCE;
            asked.questions = asked.questions.saturating_add(1);
            let given_up = asked.questions > SILENCE;
            asked.next = now + if given_up { PERIOD } else { AGAIN };
            questions.push(*address);
        }
        questions
    }

    /// Those that are there.
    pub(super) fn present(&self) -> BTreeSet<IpAddr> {
        let present = self.asked.iter().filter(|(_, asked)| asked.present);
        present.map(|(address, _)| *address).collect()
    }
}

#[cfg(test)]
mod tests;
