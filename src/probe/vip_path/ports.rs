//! Source ports of probes through VIPs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::model::ProbePath;

/// How long IPVS keeps a connection after a reset (10 s, `IP_VS_TCP_S_CLOSE`
/// in `ip_vs_proto_tcp.c`), and a little more.
const AFTER_RESET: Duration = Duration::from_secs(12);
/// The same for one that was never established (60 s after the last SYN,
/// `IP_VS_TCP_S_SYN_RECV`).
const UNANSWERED: Duration = Duration::from_secs(65);

/// At most this long passes from one canary to the next.
const CANARY: Duration = Duration::from_mins(2);

/// The user of a port; `None` is the canary.
pub(crate) type User = Option<ProbePath>;

/// How a connection ended, which decides how long IPVS may still know the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By a reset of this host.
    Reset,
    /// Before it was established.
    Unanswered,
    /// Established, and closed by the other end first.
    ClosedByPeer,
    /// Before it was established, at a peer that is not known.
    UnknownPeer,
    /// Another program has the port.
    #[default]
    Unusable,
}

/// The source ports of probes through VIPs. Pure.
///
/// IPVS finds a known connection by addresses and ports, and then ignores the
/// mark. So to one VIP and port, no source port is given to another path while
/// IPVS may know a connection from that port.
#[derive(Debug)]
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    established: Duration,
    start: u16,
    targets: BTreeMap<SocketAddr, Target>,
}

/// The ports to one VIP and port. Every port that was ever used is in use or rests.
#[derive(Debug, Default)]
struct Target {
    /// How many were ever used; they are consecutive from the start.
    used: u16,
    in_use: u16,
    /// When each becomes free for everybody.
    resting: BTreeSet<(Instant, u16)>,
    /// The last user of a resting port who may have the port again: IPVS then
    /// counts a new connection (`is_new_conn_expected` in `ip_vs_core.c`).
    owners: BTreeMap<u16, User>,
    /// The port of the canary.
    canary: Option<(Instant, u16)>,
}

impl Ports {
    /// `established` is for how long IPVS keeps an established connection
    /// without a packet, which is longer than after a FIN (2 min,
    /// `IP_VS_TCP_S_FIN_WAIT`); `seed` says which port comes first.
    pub(crate) fn new(range: RangeInclusive<u16>, established: Duration, seed: u32) -> Self {
        let count = u32::try_from(range.clone().len().max(1)).unwrap_or(1);
        Self {
            start: u16::try_from(seed % count).unwrap_or_default(),
            range,
            established,
            targets: BTreeMap::new(),
        }
    }

    /// A port from which `user` may connect to `target` now: one that has
    /// rested, or was never used; if there is none, one that `user` itself had
    /// before. The canary has its own. `None` when all are taken.
    pub(crate) fn take(&mut self, target: SocketAddr, user: User, now: Instant) -> Option<u16> {
        if !self.targets.contains_key(&target) {
            self.targets.retain(|_, target| !target.is_idle(now));
        }
        let count = u16::try_from(self.range.clone().len()).unwrap_or(u16::MAX);
        let known = self.targets.entry(target).or_default();
        let kept = known.canary.filter(|_| user.is_none());
        let port = match kept.or(known.resting.first().copied()) {
            Some((free, port)) if free <= now || kept.is_some() => known.wake(free, port),
            _ if known.used < count => {
                let place = (u32::from(self.start) + u32::from(known.used)) % u32::from(count);
                known.used += 1;
                u16::try_from(u32::from(*self.range.start()) + place).ok()?
            }
            _ => {
                let own = |(_, port): &&(Instant, u16)| known.owners.get(port) == Some(&user);
                let (free, port) = *known.resting.iter().find(own)?;
                known.wake(free, port)
            }
        };
        known.in_use += 1;
        Some(port)
    }

    /// Gives a port back that was taken.
    pub(crate) fn give_back(
        &mut self,
        target: SocketAddr,
        user: User,
        port: u16,
        ending: Ending,
        now: Instant,
    ) {
        let rest = match ending {
            Ending::Reset | Ending::Unusable => AFTER_RESET,
            Ending::Unanswered | Ending::UnknownPeer => UNANSWERED,
            Ending::ClosedByPeer => self.established + AFTER_RESET,
        };
        // Or it might find none when all others are taken.
        let keeps = user.is_none() && ending != Ending::Unusable;
        let free = now + if keeps { rest.max(CANARY) } else { rest };
        let Some(known) = self.targets.get_mut(&target) else {
            return;
        };
        known.in_use = known.in_use.saturating_sub(1);
        known.resting.insert((free, port));
        if ending == Ending::Reset {
            known.owners.insert(port, user);
        }
        if keeps {
            known.canary = Some((free, port));
        }
    }
}

impl Target {
    fn wake(&mut self, free: Instant, port: u16) -> u16 {
        self.resting.remove(&(free, port));
        self.owners.remove(&port);
        self.canary = self.canary.filter(|(_, kept)| *kept != port);
        port
    }

    /// Nothing that is known of it matters any more.
    fn is_idle(&self, now: Instant) -> bool {
        self.in_use == 0 && self.resting.last().is_none_or(|(free, _)| *free <= now)
    }
}

#[cfg(test)]
mod tests;
