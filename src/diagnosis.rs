//! The diagnosis of a real server from the results of its probes, and the fix. Pure.

mod arp_conflict;
mod diagnosis_fix;
mod fix;
mod observation;

use crate::model::Diagnosis;

pub(crate) use arp_conflict::arp_conflict_fix;
pub(crate) use diagnosis_fix::{DiagnosisFix, DiagnosisSubject};
pub(crate) use fix::Fix;
pub(crate) use observation::Observation;

/// The result of one probe on one path: what the probe shows of the network
/// and of the real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PathResult {
    /// The check passed.
    Passed,
    /// The connection was refused.
    Refused,
    /// The connection was established, and the answer was wrong or missing.
    WrongAnswer,
    /// No packet came back.
    NoReply,
    /// A datagram had no reply, which does not show whether the host is up.
    NoDatagramReply,
    /// An ICMP error reports that a filter rejects the packets.
    Filtered,
    /// The last hop found no neighbour with the address.
    NoNeighbour,
    /// The probe was unreliable.
    Unknown,
    /// The agent on the real server reported this diagnosis.
    Reported(Diagnosis),
}

/// How existing clients lose a real server that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unavailability {
    /// The real server refuses, or does not reply.
    Unreachable,
    /// No host has the address, or no route leads to it.
    Gone,
}

impl Diagnosis {
    /// The diagnosis from the newest result at the real server's own address
    /// (`plain`), the newest through the VIP (`vip`), whether the real server
    /// answers ARP for the VIP (`arp_conflict`), and whether it answers ARP for
    /// its own address (`present`). `None` if no input says anything.
    ///
    /// An ARP conflict comes first, since it decides where packets of clients
    /// go whatever probes see. A diagnosis that an agent reported comes next,
    /// and then the conclusion from both results.
    pub(crate) fn of(
        plain: Option<PathResult>,
        vip: Option<PathResult>,
        arp_conflict: bool,
        present: bool,
    ) -> Option<Self> {
        if plain.is_none() && vip.is_none() {
            return arp_conflict.then_some(Self::ArpConflict);
        }
        if arp_conflict {
            return Some(Self::ArpConflict);
        }
        let known = |path_result: &PathResult| *path_result != PathResult::Unknown;
        let (seen_plain, seen_vip) = (plain.filter(known), vip.filter(known));
        let found = match (seen_plain, seen_vip) {
            (Some(PathResult::Passed), None) if vip.is_some() => Self::Unverified,
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

    const fn of_both(plain: PathResult, vip: PathResult) -> Self {
        use PathResult::{
            Filtered, NoDatagramReply, NoNeighbour, NoReply, Passed, Refused, Reported, Unknown,
            WrongAnswer,
        };
        match (plain, vip) {
            (Reported(reported), _) | (_, Reported(reported)) => reported,
            (Passed, Passed) => Self::Ok,
            // Packets that arrive by one path only are filtered on the other.
            (Filtered, _) | (_, Filtered) | (NoReply | NoNeighbour, Passed) => Self::PathFiltered,
            (Passed, Refused) => Self::NotListeningOnVip,
            (Passed, NoReply | NoNeighbour) => Self::VipMissing,
            (NoReply | NoNeighbour, NoReply | NoNeighbour) => Self::Unreachable,
            (Refused | WrongAnswer | NoDatagramReply, _)
            | (_, Refused | WrongAnswer | NoDatagramReply) => Self::ApplicationDown,
            (Unknown, _) | (_, Unknown) => Self::Unverified,
        }
    }

    /// The diagnosis if only one path has a reliable result.
    const fn of_one(path_result: PathResult) -> Self {
        match path_result {
            PathResult::Passed => Self::Ok,
            PathResult::Refused | PathResult::WrongAnswer | PathResult::NoDatagramReply => {
                Self::ApplicationDown
            }
            PathResult::Filtered => Self::PathFiltered,
            PathResult::NoReply | PathResult::NoNeighbour => Self::Unreachable,
            PathResult::Unknown => Self::Unverified,
            PathResult::Reported(reported) => reported,
        }
    }

    /// Whether the fix of one probe applies to this diagnosis. The other
    /// diagnoses follow from two paths that differ, or from ARP.
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
