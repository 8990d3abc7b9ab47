//! What is wrong with a real server.

use std::fmt;

/// What is wrong with a real server: the label `cause` of
/// `lvs_real_server_diagnosis`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Diagnosis {
    /// Nothing.
    Ok,
    /// The host is there, and its application refuses, or answers wrongly or not at all.
    ApplicationDown,
    /// Its own address answers and the VIP does not.
    VipMissing,
    /// Nobody listens on the VIP there, and somebody does on its own address.
    NotListeningOnVip,
    /// An ICMP error says that packets may not pass.
    PathFiltered,
    /// The real server answers ARP for the VIP.
    ArpConflict,
    /// Nothing comes back at all.
    Unreachable,
    /// The checks cannot decide.
    Unverified,
}

impl Diagnosis {
    /// Every diagnosis, in the order of a scrape.
    pub(crate) const ALL: [Self; 8] = [
        Self::Ok,
        Self::ApplicationDown,
        Self::VipMissing,
        Self::NotListeningOnVip,
        Self::PathFiltered,
        Self::ArpConflict,
        Self::Unreachable,
        Self::Unverified,
    ];

    /// The label's and the field's value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ApplicationDown => "application_down",
            Self::VipMissing => "vip_missing",
            Self::NotListeningOnVip => "not_listening_on_vip",
            Self::PathFiltered => "path_filtered",
            Self::ArpConflict => "arp_conflict",
            Self::Unreachable => "unreachable",
            Self::Unverified => "unverified",
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
