//! The findings of the ARP audit, as they are shown.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::{ArpConflicts, MacAddress};

/// What the audit has found, for all who show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ArpRecord {
    /// Why there is no audit, if there is none though there should be.
    pub(crate) error: Option<String>,
    /// Each VIP that is audited, and who else says that they have it.
    pub(crate) vips: BTreeMap<IpAddr, BTreeMap<MacAddress, ConflictRecord>>,
    /// Who has the VIPs that this host leaves to another one.
    pub(crate) peers: BTreeMap<IpAddr, MacAddress>,
}

/// Somebody else who says that they have a VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConflictRecord {
    pub(crate) since: SystemTime,
    /// The real servers with that MAC address, by address, with their names;
    /// of a foreign host there are none.
    pub(crate) real_servers: BTreeMap<IpAddr, Arc<str>>,
}

impl ArpRecord {
    /// The pairs of VIP and real server in conflict now.
    pub(crate) fn conflicting(&self) -> ArpConflicts {
        let mut conflicting = ArpConflicts::new();
        for (vip, conflicts) in &self.vips {
            for conflict in conflicts.values() {
                conflicting.extend(conflict.real_servers.keys().map(|rip| (*vip, *rip)));
            }
        }
        conflicting
    }
}

impl ConflictRecord {
    /// Whose it is, for people: `rs1 (192.168.11.21)`; `None` of a foreign host.
    pub(crate) fn owner(&self) -> Option<String> {
        let named = self.real_servers.iter();
        let named: Vec<_> = named.map(|(rip, name)| format!("{name} ({rip})")).collect();
        (!named.is_empty()).then(|| named.join(", "))
    }
}
