//! What the ARP audit of a director has found.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::status::ArpRecord;

/// What the ARP audit of a director has found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ArpAuditStatus {
    /// Why there is no audit, if there is none though there should be.
    pub(crate) error: Option<String>,
    /// The VIPs that are audited.
    pub(crate) vips: Vec<ArpVipStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ArpVipStatus {
    pub(crate) address: String,
    /// Who else says that they have it.
    pub(crate) conflicts: Vec<ArpConflictStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ArpConflictStatus {
    pub(crate) mac: String,
    /// The names of the real servers with that MAC address; none of a foreign host.
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
                address: vip.to_string(),
                conflicts: conflicts.collect(),
            }
        });
        Self {
            error: record.error.clone(),
            vips: vips.collect(),
        }
    }
}
