//! The state of the ARP audit: which hosts claim a VIP, and when to ask. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Conflicts, Peers, Vips};
use crate::kernel::NeighbourMessage;
use crate::model::MacAddress;

/// From one question for a VIP to the next without a conflict: two of the usual
/// intervals of a check, so that a conflict is found as soon as a failed check.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// The shortest time between two questions for a VIP. Such a question follows the
/// question of a client, and an own question while another host answers.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// The first questions follow each other like this, so that many VIPs make no burst.
pub(super) const SPREAD: Duration = Duration::from_millis(100);

/// A claim ends after so many questions in a row without an answer.
pub(super) const UNANSWERED: u32 = 3;

/// How long an announcement of a host that answers no question stays in effect:
/// the host may announce the VIP again when it next talks to a client, and
/// that cannot be asked for.
const ANNOUNCED: Duration = Duration::from_mins(5);

/// Real servers that are asked for, beside a VIP, to find the owner of a MAC address.
const LOOKUPS: usize = 8;

/// So many hosts other than real servers are kept for each VIP, the first ones:
/// frames with ever new MAC addresses fill no memory. Real servers are known by
/// their MAC addresses, and always have room.
pub(super) const MOST_FOREIGN_HOSTS: usize = 16;

/// The hosts that claim VIPs, and when to ask. Messages are the input, questions
/// the output.
///
/// A claim of a VIP by another host begins a conflict. The conflict ends when
/// [`UNANSWERED`] questions in a row had no answer from that host, but after
/// announcements alone not before [`ANNOUNCED`] has passed without another one.
#[derive(Debug, Default)]
pub(super) struct Audit {
    vips: BTreeMap<IpAddr, Watched>,
    /// When to ask for each VIP next.
    due: BTreeSet<(Instant, IpAddr)>,
    /// The MAC addresses of real servers.
    known: BTreeMap<IpAddr, Option<MacAddress>>,
    /// Whether conflicts, or what is known of them, changed since that was asked.
    changed: bool,
    /// Whether a conflict began, so that MAC addresses are to be looked up afresh.
    lookup: bool,
}

/// One VIP.
#[derive(Debug)]
struct Watched {
    real_servers: BTreeSet<IpAddr>,
    next: Instant,
    last: Option<Instant>,
    conflicts: BTreeMap<MacAddress, Conflict>,
    /// Whether this host leaves it to another one.
    standby: bool,
    /// Real servers to ask for, since their MAC address is not known.
    unknown: Vec<IpAddr>,
}

impl Watched {
    fn new(first: Instant) -> Self {
        Self {
            real_servers: BTreeSet::new(),
            next: first,
            last: None,
            conflicts: BTreeMap::new(),
            standby: false,
            unknown: Vec::new(),
        }
    }

    /// Whether a claim of this MAC address is kept, for which the claim of an unknown
    /// host may have to go.
    fn make_room(&mut self, mac: MacAddress, known: &BTreeMap<IpAddr, Option<MacAddress>>) -> bool {
        if self.conflicts.contains_key(&mac) {
            return true;
        }
        let is_real_server = |mac: &MacAddress| {
            let mut real_servers = self.real_servers.iter();
            real_servers.any(|rip| known.get(rip) == Some(&Some(*mac)))
        };
        let foreign_hosts = self.conflicts.iter();
        let foreign_hosts: Vec<_> = foreign_hosts
            .filter(|(mac, _)| !is_real_server(mac))
            .collect();
        if foreign_hosts.len() < MOST_FOREIGN_HOSTS {
            return true;
        }
        let oldest = foreign_hosts
            .iter()
            .min_by_key(|(_, conflict)| conflict.last_claim);
        let Some(oldest) = oldest
            .map(|(mac, _)| **mac)
            .filter(|_| is_real_server(&mac))
        else {
            return false;
        };
        self.conflicts.remove(&oldest);
        true
    }

    /// The claim of the other director of a pair needs no question every second.
    fn is_watched_closely(&self) -> bool {
        !self.standby || self.conflicts.len() > 1
    }
}

#[derive(Debug)]
struct Conflict {
    last_claim: Instant,
    /// Whether it has ever answered a question.
    answers: bool,
    /// Questions since its last claim.
    questions: u32,
}

impl Conflict {
    fn is_over(&self, now: Instant) -> bool {
        let quiet = now.saturating_duration_since(self.last_claim);
        self.is_unanswered() && (self.answers || quiet >= ANNOUNCED)
    }

    fn is_unanswered(&self) -> bool {
        self.questions >= UNANSWERED
    }
}

impl Audit {
    /// Replaces the VIPs to ask for. The state of a VIP that stays is kept.
    pub(super) fn watch(&mut self, vips: &Vips, now: Instant) {
        let mut before = std::mem::take(&mut self.vips);
        let places = vips.len().max(1);
        let spread = PERIOD.checked_div(u32::try_from(places).unwrap_or(u32::MAX));
        let spread = spread.unwrap_or_default().min(SPREAD);
        let mut next = now;
        for (vip, real_servers) in vips {
            let watched = before.remove(vip).unwrap_or_else(|| {
                let first = next;
                next += spread;
                Watched::new(first)
            });
            let watched = Watched {
                real_servers: real_servers.clone(),
                ..watched
            };
            self.vips.insert(*vip, watched);
        }
        let due = self.vips.iter().map(|(vip, watched)| (watched.next, *vip));
        self.due = due.collect();
        let known = std::mem::take(&mut self.known);
        let real_servers = vips.values().flatten();
        self.known = real_servers
            .map(|rip| (*rip, known.get(rip).copied().flatten()))
            .collect();
        self.changed = true;
    }

    /// Takes the VIPs that this host leaves to another host, as the standby of a
    /// pair does: a host that has such a VIP, and is no real server, is the other
    /// director of the pair. Claims from before the change are forgotten, and
    /// asked for again.
    pub(super) fn leave(&mut self, left: &BTreeSet<IpAddr>, now: Instant) {
        let mut changed = Vec::new();
        for (vip, watched) in &mut self.vips {
            let standby = left.contains(vip);
            if std::mem::replace(&mut watched.standby, standby) != standby {
                let known = &self.known;
                watched
                    .conflicts
                    .retain(|mac, _| known.values().any(|known| *known == Some(*mac)));
                changed.push(*vip);
            }
        }
        self.changed |= !changed.is_empty();
        for vip in changed {
            self.ask_soon(vip, now);
        }
    }

    /// Takes a message of another host.
    pub(super) fn receive(&mut self, message: &NeighbourMessage, now: Instant) {
        if let Some(vip) = message.question {
            self.ask_soon(vip, now);
        }
        let Some(claim) = message.claim else { return };
        self.know(claim.address, message.from);
        let Some(watched) = self.vips.get_mut(&claim.address) else {
            return;
        };
        if !watched.make_room(message.from, &self.known) {
            return;
        }
        let conflict = watched.conflicts.entry(message.from).or_insert_with(|| {
            self.changed = true;
            self.lookup = true;
            Conflict {
                last_claim: now,
                answers: false,
                questions: 0,
            }
        });
        conflict.last_claim = now;
        conflict.answers |= claim.answer;
        conflict.questions = 0;
        if watched.is_watched_closely() {
            self.ask_soon(claim.address, now);
        }
    }

    /// Whether MAC addresses are to be looked up in the kernel's tables, and
    /// then [learned](Self::learn); asked once for each conflict that begins.
    pub(super) fn take_lookup(&mut self) -> bool {
        std::mem::take(&mut self.lookup)
    }

    /// Takes the neighbours of the kernel. Real servers whose MAC address is still
    /// unknown will be asked for, once in each conflict.
    pub(super) fn learn(&mut self, neighbours: &BTreeMap<IpAddr, MacAddress>) {
        for (address, mac) in neighbours {
            self.know(*address, *mac);
        }
        for watched in self.vips.values_mut() {
            if !watched.conflicts.is_empty() && watched.unknown.is_empty() {
                let real_servers = watched.real_servers.iter();
                let known = |rip: &&IpAddr| !matches!(self.known.get(rip), Some(Some(_)));
                watched.unknown = real_servers.filter(known).copied().collect();
            }
        }
    }

    fn know(&mut self, address: IpAddr, mac: MacAddress) {
        if let Some(known) = self.known.get_mut(&address)
            && *known != Some(mac)
        {
            *known = Some(mac);
            self.changed = true;
        }
    }

    /// When [`questions`](Self::questions) has questions.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due.first().map(|(next, _)| *next)
    }

    /// The addresses to ask for now.
    pub(super) fn questions(&mut self, now: Instant) -> Vec<IpAddr> {
        let mut questions = Vec::new();
        while let Some((next, vip)) = self.due.first().copied()
            && next <= now
        {
            self.due.pop_first();
            let Some(watched) = self.vips.get_mut(&vip) else {
                continue;
            };
            let before = watched.conflicts.len();
            watched
                .conflicts
                .retain(|_, conflict| !conflict.is_over(now));
            self.changed |= watched.conflicts.len() != before;
            for conflict in watched.conflicts.values_mut() {
                conflict.questions = conflict.questions.saturating_add(1);
            }
            questions.push(vip);
            let left = watched.unknown.len().saturating_sub(LOOKUPS);
            questions.extend(watched.unknown.drain(left..));

            // Once more after the last question that counts, whose answer takes some time.
            let urgent = watched
                .conflicts
                .values()
                .any(|c| c.questions <= UNANSWERED);
            let urgent = urgent && watched.is_watched_closely();
            watched.last = Some(now);
            watched.next = now + if urgent { AGAIN } else { PERIOD };
            self.due.insert((watched.next, vip));
        }
        questions
    }

    fn ask_soon(&mut self, vip: IpAddr, now: Instant) {
        let Some(watched) = self.vips.get_mut(&vip) else {
            return;
        };
        let soonest = watched.last.map_or(now, |last| now.max(last + AGAIN));
        if soonest < watched.next {
            self.due.remove(&(watched.next, vip));
            watched.next = soonest;
            self.due.insert((soonest, vip));
        }
    }

    /// The conflicts, and the holders of the VIPs that are left to other hosts, if
    /// they changed.
    pub(super) fn take_changed(&mut self) -> Option<(Conflicts, Peers)> {
        std::mem::take(&mut self.changed).then(|| {
            let peers = self.peers();
            (self.conflicts(&peers), peers)
        })
    }

    fn peers(&self) -> Peers {
        let peer = |(vip, watched): (&IpAddr, &Watched)| {
            let theirs = |mac: &MacAddress| {
                let mut real_servers = watched.real_servers.iter();
                real_servers.any(|rip| self.known.get(rip) == Some(&Some(*mac)))
            };
            let mut foreign_hosts = watched.conflicts.keys().filter(|mac| !theirs(mac));
            let foreign_host = foreign_hosts.next().filter(|_| watched.standby)?;
            foreign_hosts
                .next()
                .is_none()
                .then_some((*vip, *foreign_host))
        };
        self.vips.iter().filter_map(peer).collect()
    }

    fn conflicts(&self, peers: &Peers) -> Conflicts {
        let mut conflicts = Conflicts::new();
        for (vip, watched) in &self.vips {
            let others = watched.conflicts.keys();
            for mac in others.filter(|mac| peers.get(vip) != Some(mac)) {
                let theirs = |rip: &&IpAddr| self.known.get(rip) == Some(&Some(*mac));
                let real_servers = watched.real_servers.iter().filter(theirs);
                conflicts.insert((*vip, *mac), real_servers.copied().collect());
            }
        }
        conflicts
    }
}

#[cfg(test)]
mod tests;
