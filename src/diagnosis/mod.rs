//! From what probes saw to what is wrong with a real server, and what mends it. Pure.

mod arp_conflict;
mod fix;
mod mend;
mod seen;

use crate::model::Diagnosis;

pub(crate) use arp_conflict::arp_conflict_fix;
pub(crate) use fix::Fix;
pub(crate) use mend::{Mend, Place};
pub(crate) use seen::Seen;

/// What one probe showed of its way and of what is at the end of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    /// The check passed.
    Well,
    /// The connection was refused.
    Refused,
    /// It was made, and the answer was wrong or did not come.
    Wrong,
    /// Nothing came back.
    Silent,
    /// A datagram had no answer, which does not show whether the host is there.
    Mute,
    /// An ICMP error said that the packets may not pass.
    Filtered,
    /// The last hop found nobody who has the address.
    NoNeighbour,
    /// Nothing that could be relied on.
    Unknown,
    /// The real server's own agent said what is wrong there.
    Told(Diagnosis),
}

/// How a real server that fails is lost to the clients that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// It refuses, or nothing comes back.
    Unreachable,
    /// Nobody has its address, or no route leads there.
    Gone,
}

impl Diagnosis {
    /// What follows from the last probe of the real server's own address and
    /// the last through the VIP, as far as there are such, and from whether it
    /// answers ARP for the VIP, or for its own address; `None` as long as there
    /// is nothing to go by.
    ///
    /// A thief of the VIP is named before all else: what the clients' packets
    /// meet depends on it, whatever probes see. After it comes what a probe
    /// was told in so many words, then what can only be concluded.
    pub(crate) fn of(
        plain: Option<Sight>,
        vip: Option<Sight>,
        arp_conflict: bool,
        present: bool,
    ) -> Option<Self> {
        if plain.is_none() && vip.is_none() {
            return arp_conflict.then_some(Self::ArpConflict);
        }
        if arp_conflict {
            return Some(Self::ArpConflict);
        }
        let known = |sight: &Sight| *sight != Sight::Unknown;
        let (seen_plain, seen_vip) = (plain.filter(known), vip.filter(known));
        let found = match (seen_plain, seen_vip) {
            (Some(Sight::Well), None) if vip.is_some() => Self::Unverified,
            (Some(plain), None) => Self::of_one(plain),
            (None, None) => Self::Unverified,
            (None, Some(vip)) => Self::of_one(vip),
            (Some(plain), Some(vip)) => Self::of_both(plain, vip),
        };
        let silent_but_there = present && found == Self::Unreachable;
        Some(if silent_but_there {
            Self::ApplicationDown
        } else {
            found
        })
    }

    const fn of_both(plain: Sight, vip: Sight) -> Self {
        use Sight::{Filtered, Mute, NoNeighbour, Refused, Silent, Told, Unknown, Well, Wrong};
        match (plain, vip) {
            (Told(told), _) | (_, Told(told)) => told,
            (Well, Well) => Self::Ok,
            // What comes there by one way and not by the other is held up on it.
            (Filtered, _) | (_, Filtered) | (Silent | NoNeighbour, Well) => Self::PathFiltered,
            (Well, Refused) => Self::NotListeningOnVip,
            (Well, Silent | NoNeighbour) => Self::VipMissing,
            (Silent | NoNeighbour, Silent | NoNeighbour) => Self::Unreachable,
            (Refused | Wrong | Mute, _) | (_, Refused | Wrong | Mute) => Self::ApplicationDown,
            (Unknown, _) | (_, Unknown) => Self::Unverified,
        }
    }

    /// Where nothing else was asked, or nothing else can be relied on.
    const fn of_one(sight: Sight) -> Self {
        match sight {
            Sight::Well => Self::Ok,
            Sight::Refused | Sight::Wrong | Sight::Mute => Self::ApplicationDown,
            Sight::Filtered => Self::PathFiltered,
            Sight::Silent | Sight::NoNeighbour => Self::Unreachable,
            Sight::Unknown => Self::Unverified,
            Sight::Told(told) => told,
        }
    }

    /// Whether what one probe has found is what is wrong: the others follow
    /// from two ways that differ, or from ARP.
    const fn is_as_found(self) -> bool {
        match self {
            Self::ApplicationDown | Self::Unreachable | Self::Unverified => true,
            Self::Ok
            | Self::VipMissing
            | Self::NotListeningOnVip
            | Self::PathFiltered
            | Self::ArpConflict => false,
        }
    }
}

#[cfg(test)]
mod tests;
