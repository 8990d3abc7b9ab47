use std::net::IpAddr;

use super::Timestamp;
use crate::diagnosis::arp_conflict_fix;
use crate::status::ArpRecord;

/// What the ARP audit of a director has found.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ArpAuditStatus {
    /// Why there is no audit, if there is none though there should be.
    pub(crate) error: Option<String>,
    /// Those that are audited.
    pub(crate) vips: Vec<ArpVipStatus>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ArpVipStatus {
    pub(crate) address: IpAddr,
    /// Who else says that they have it.
    pub(crate) conflicts: Vec<ArpConflictStatus>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ArpConflictStatus {
    pub(crate) mac: String,
    /// The names of the real servers with that MAC address; none of a stranger.
    pub(crate) real_servers: Vec<String>,
    pub(crate) since: Timestamp,
}

impl ArpAuditStatus {
    pub(super) fn of(record: &ArpRecord) -> Self {
        let vips = record.vips.iter().map(|(vip, conflicts)| {
            let conflicts = conflicts.iter().map(|(mac, conflict)| ArpConflictStatus {
                mac: mac.to_string(),
                real_servers: conflict
                    .real_servers
                    .values()
                    .map(ToString::to_string)
                    .collect(),
                since: Timestamp(conflict.since),
            });
            ArpVipStatus {
                address: *vip,
                conflicts: conflicts.collect(),
            }
        });
        Self {
            error: record.error.clone(),
            vips: vips.collect(),
        }
    }

    /// What is wrong, for people.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let error = self.error.iter();
        let mut warnings: Vec<_> = error
            .map(|error| format!("no ARP audit: {error}"))
            .collect();
        for vip in &self.vips {
            for conflict in &vip.conflicts {
                let (address, mac) = (vip.address, &conflict.mac);
                warnings.push(if conflict.real_servers.is_empty() {
                    format!("{address} is answered for by {mac} as well, which is no real server")
                } else {
                    let names = conflict.real_servers.join(", ");
                    let mend = arp_conflict_fix(address);
                    format!("{address} is answered for by {mac} as well, which is {names}: there, {mend}")
                });
            }
        }
        warnings
    }
}
