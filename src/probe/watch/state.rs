//! When a watched connection is made, and what its end asks for. Pure.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::connection::End;
use crate::model::Watching;
use crate::probe::{ProbeId, ProbeRate};

/// A connection that was held for less than this time was of no use.
pub(super) const SHORT: Duration = Duration::from_secs(5);
/// The first wait after a second such connection in a row; each further one doubles the wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// So many such connections in a row show that the server does not hold connections.
const USELESS: u32 = 3;

/// One connection, the probes of its address and port, and how its last connections ended.
///
/// A connection is made only after a passed probe of a real server that is up, and is held until
/// the verdict of each of the probes is down. So each probe makes at most one connection, each
/// connection has at most one end, and an end makes at most one probe of each check. Before the
/// real server is up there is none, for the probes that its ends make would count as `rise`.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The probes whose last result is a pass.
    passing: BTreeSet<ProbeId>,
    /// The probes that passed before and fail now, without a verdict yet. A process that dies
    /// ends its connections one after the other, so a probe may fail before the end is known.
    in_doubt: BTreeSet<ProbeId>,
    /// The probes without a result so far.
    fresh: BTreeSet<ProbeId>,
    connection: Connection,
    /// Connections in a row that were short.
    short: u32,
    /// How the last of them ended.
    last_end: Option<End>,
    /// When the next connection may be made, if not at once.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Connection {
    #[default]
    None,
    Opening,
    Held(Instant),
}

/// What is to be done with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    Open,
    Close,
}

impl State {
    /// A probe is to be made.
    pub(super) fn added(&mut self, probe: ProbeId) {
        self.fresh.insert(probe);
    }

    /// A probe has ended: passed, failed, or (`None`) without saying anything of the real server.
    /// `rate` is the rate of the probe.
    pub(super) fn probed(
        &mut self,
        probe: ProbeId,
        passed: Option<bool>,
        rate: ProbeRate,
        now: Instant,
    ) -> Action {
        if passed.is_some() {
            self.fresh.remove(&probe);
        }
        match passed {
            None => Action::Nothing,
            Some(false) if rate == ProbeRate::Down => self.forget(probe),
            Some(false) => {
                if self.passing.remove(&probe) {
                    self.in_doubt.insert(probe);
                }
                Action::Nothing
            }
            Some(true) => {
                self.in_doubt.remove(&probe);
                self.passing.insert(probe);
                if rate == ProbeRate::Normal {
                    self.up(probe, now)
                } else {
                    Action::Nothing
                }
            }
        }
    }

    /// The real server is up, without doubt.
    pub(super) fn up(&mut self, probe: ProbeId, now: Instant) -> Action {
        let waits = self.not_before.is_some_and(|earliest| now < earliest);
        if !self.passing.contains(&probe) || self.connection != Connection::None || waits {
            return Action::Nothing;
        }
        self.connection = Connection::Opening;
        Action::Open
    }

    /// A probe is no longer made. One that a reload makes in its place, for a check that was
    /// changed, keeps the connection.
    pub(super) fn removed(&mut self, probe: ProbeId) -> Action {
        self.fresh.remove(&probe);
        if self.passing.contains(&probe) {
            self.passing.append(&mut self.fresh);
        }
        self.forget(probe)
    }

    /// The verdict of a probe is down.
    fn forget(&mut self, probe: ProbeId) -> Action {
        self.passing.remove(&probe);
        self.in_doubt.remove(&probe);
        let is_needed = !(self.passing.is_empty() && self.in_doubt.is_empty());
        if is_needed || self.connection == Connection::None {
            return Action::Nothing;
        }
        self.connection = Connection::None;
        Action::Close
    }

    /// The connection is established.
    pub(super) fn opened(&mut self, now: Instant) {
        if self.connection == Connection::Opening {
            self.connection = Connection::Held(now);
        }
    }

    /// The connection has ended, or could not be made. Returns the probes to be made now.
    pub(super) fn ended(&mut self, end: End, now: Instant) -> Vec<ProbeId> {
        let held = match std::mem::take(&mut self.connection) {
            // It was closed here, and its end was on the way.
            Connection::None => return Vec::new(),
            Connection::Opening => Duration::ZERO,
            Connection::Held(since) => now.saturating_duration_since(since),
        };
        if held >= SHORT && end != End::TooMuch {
            (self.short, self.last_end, self.not_before) = (0, None, None);
        } else {
            self.last_end = Some(end);
            self.short = self.short.saturating_add(1);
            self.not_before = wait(self.short).map(|wait| now + wait);
        }
        let in_doubt = std::mem::take(&mut self.in_doubt);
        if end == End::ByServer {
            self.passing.union(&in_doubt).copied().collect()
        } else {
            Vec::new()
        }
    }

    /// What is shown of it.
    pub(super) fn watching(&self, now: Instant) -> Watching {
        match self.connection {
            Connection::Held(since)
                if self.short < USELESS || now.saturating_duration_since(since) >= SHORT =>
            {
                Watching::Connected
            }
            _ if self.short >= USELESS => match self.last_end {
                Some(End::TooMuch) => Watching::TooMuchSent,
                Some(End::NotMade) => Watching::NotMade,
                Some(End::ByServer) | None => Watching::EndedByServer,
            },
            Connection::None | Connection::Opening | Connection::Held(_) => Watching::NotConnected,
        }
    }
}

/// A server that restarts ends one short connection; so the first one makes nobody wait.
fn wait(short: u32) -> Option<Duration> {
    let doublings = short.checked_sub(2)?;
    let factor = 2_u32.saturating_pow(doublings);
    Some(FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests;
