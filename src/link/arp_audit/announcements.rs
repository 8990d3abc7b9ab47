//! The schedule of announcements of VIPs. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Another host that has the VIP answers a question within that time.
pub(super) const ANSWER: Duration = Duration::from_millis(250);

/// So many announcements at once, as keepalived's `garp_master_repeat`.
pub(super) const REPEAT: u32 = 5;

/// From these to as many more, as keepalived's `garp_master_delay`: a switch may
/// have dropped all frames from a port that has just come up.
pub(super) const DELAY: Duration = Duration::from_secs(5);

/// VIPs follow each other like this, so that many of them make no burst.
const SPREAD: Duration = Duration::from_millis(1);

/// The VIPs to announce, and when. The VIPs of this host and the claims of other
/// hosts are the input, frames to send the output.
///
/// A new VIP of this host, and every VIP when the link is back, is asked for, and
/// announced unless a host has answered: [`REPEAT`] times at once and again
/// after [`DELAY`]. A VIP is not announced while another host claims it. When
/// that ends, the VIP is announced like a new one, so that clients with the
/// other host in their caches return.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    vips: BTreeMap<IpAddr, Option<Planned>>,
    due: BTreeSet<(Instant, IpAddr)>,
    conflicts: BTreeSet<IpAddr>,
    link_down: bool,
    refresh: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Planned {
    at: Instant,
    next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Ask,
    First,
    Second,
    Refresh,
}

/// What to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Send {
    /// The question for its holder.
    Question(IpAddr),
    /// So many announcements.
    Announcement(IpAddr, u32),
}

impl Announcements {
    /// Replaces the VIPs of this host.
    pub(super) fn hold(&mut self, held: &BTreeSet<IpAddr>, now: Instant) {
        let gone: Vec<_> = self.vips.keys().copied().collect();
        for vip in gone.into_iter().filter(|vip| !held.contains(vip)) {
            self.plan(vip, None);
            self.vips.remove(&vip);
        }
        let new: Vec<_> = held.iter().copied().collect();
        let new = new.into_iter().filter(|vip| !self.vips.contains_key(vip));
        self.begin(new.collect(), now);
    }

    /// Replaces the time from one regular announcement of a VIP to the next.
    pub(super) fn refresh(&mut self, refresh: Option<Duration>, now: Instant) {
        if std::mem::replace(&mut self.refresh, refresh) == refresh {
            return;
        }
        let at_rest =
            |planned: &Option<Planned>| planned.is_none_or(|planned| planned.next == Next::Refresh);
        let vips = self.vips.iter().filter(|(_, planned)| at_rest(planned));
        let vips: Vec<_> = vips.map(|(vip, _)| *vip).collect();
        for vip in vips {
            if self.may_announce(vip) {
                self.rest(vip, now);
            }
        }
    }

    /// Takes the state of the link; all VIPs are announced when it is back.
    pub(super) fn link(&mut self, down: bool, now: Instant) {
        let was_down = std::mem::replace(&mut self.link_down, down);
        if was_down != down {
            let vips = self.vips.keys().copied().collect();
            self.begin(vips, now);
        }
    }

    /// Takes the VIPs that other hosts claim.
    pub(super) fn conflicts(&mut self, conflicts: BTreeSet<IpAddr>, now: Instant) {
        let before = std::mem::replace(&mut self.conflicts, conflicts);
        let changed = before.symmetric_difference(&self.conflicts);
        let changed = changed.filter(|vip| self.vips.contains_key(vip));
        self.begin(changed.copied().collect(), now);
    }

    /// When [`due`](Self::due) has something to send.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What to send now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Send> {
        let mut sends = Vec::new();
        while let Some((at, vip)) = self.due.first().copied()
            && at <= now
        {
            self.due.pop_first();
            let Some(planned) = self.vips.get(&vip).copied().flatten() else {
                continue;
            };
            match planned.next {
                Next::Ask => {
                    sends.push(Send::Question(vip));
                    self.plan(vip, Some((now + ANSWER, Next::First)));
                }
                Next::First => {
                    sends.push(Send::Announcement(vip, REPEAT));
                    self.plan(vip, Some((now + DELAY, Next::Second)));
                }
                Next::Second => {
                    sends.push(Send::Announcement(vip, REPEAT));
                    self.rest(vip, now);
                }
                Next::Refresh => {
                    sends.push(Send::Announcement(vip, 1));
                    self.rest(vip, now);
                }
            }
        }
        sends
    }

    fn may_announce(&self, vip: IpAddr) -> bool {
        !self.link_down && !self.conflicts.contains(&vip)
    }

    /// Starts again with these VIPs, or waits where they must not be announced.
    fn begin(&mut self, vips: Vec<IpAddr>, now: Instant) {
        let mut at = now;
        for vip in vips {
            if self.may_announce(vip) {
                self.plan(vip, Some((at, Next::Ask)));
                at += SPREAD;
            } else {
                self.plan(vip, None);
            }
        }
    }

    fn rest(&mut self, vip: IpAddr, now: Instant) {
        let refresh = self.refresh;
        self.plan(vip, refresh.map(|refresh| (now + refresh, Next::Refresh)));
    }

    fn plan(&mut self, vip: IpAddr, planned: Option<(Instant, Next)>) {
        let planned = planned.map(|(at, next)| Planned { at, next });
        if let Some(Some(before)) = self.vips.insert(vip, planned) {
            self.due.remove(&(before.at, vip));
        }
        self.due.extend(planned.map(|planned| (planned.at, vip)));
    }
}

#[cfg(test)]
mod tests;
