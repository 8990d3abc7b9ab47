//! Whether a real server can serve through its VIPs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::model::{Protocol, short_duration};
use crate::readiness::{ReadinessIssue, ServiceReadiness};
use crate::runtime::clock;
use crate::status::{ReadinessRecord, Snapshot};

/// How many reasons [`readiness_of`] gives, and how many characters of each.
const REASONS: (usize, usize) = (8, 300);

/// What a director asks: the part of the status that is about one service.
#[derive(Debug, Serialize)]
struct Asked {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    readiness: Option<AskedReadiness>,
}

#[derive(Debug, Serialize)]
struct AskedReadiness {
    services: Vec<ServedStatus>,
}

/// Whether a real server can serve through its VIPs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ReadinessStatus {
    pub(crate) checked_at: Timestamp,
    /// Why the host cannot be looked at.
    pub(crate) error: Option<String>,
    /// The interfaces that are asked for addresses.
    pub(crate) interfaces: Vec<InterfaceStatus>,
    pub(crate) services: Vec<ServedStatus>,
}

/// What holds on an interface: the larger of `all` and its own value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct InterfaceStatus {
    pub(crate) name: String,
    pub(crate) arp_ignore: u32,
    pub(crate) arp_announce: u32,
}

/// A service that this host is a real server of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServedStatus {
    pub(crate) name: String,
    /// VIP and port.
    pub(crate) address: String,
    pub(crate) protocol: String,
    /// Whether nothing stands in the way.
    pub(crate) ready: bool,
    /// What does, in words.
    pub(crate) reasons: Vec<String>,
    /// What it is in a director's word, where it is clear.
    pub(crate) diagnosis: Option<String>,
    pub(crate) vip_configured: bool,
    /// `None` if the kernel cannot say.
    pub(crate) listening: Option<bool>,
    /// Whether a connection from the host itself was accepted; `None` where
    /// none is made: not TCP, no VIP, or nothing listens.
    pub(crate) self_test: Option<bool>,
}

/// Whether this host can serve that service, as JSON of some hundred bytes:
/// `/status` without all that a director does not ask, and with reasons cut.
pub(crate) fn readiness_of(
    snapshot: &Snapshot,
    protocol: Protocol,
    address: SocketAddr,
) -> Result<Vec<u8>, serde_json::Error> {
    let readiness = snapshot.readiness.lock();
    let readiness = readiness.as_ref().map(|record| {
        let services = record.services.iter();
        let services = services
            .filter(|one| one.service.protocol == protocol && one.service.address == address);
        let record = ReadinessRecord {
            services: services.cloned().collect(),
            arp: BTreeMap::new(),
            error: record.error.clone(),
            ..*record
        };
        let mut services = ReadinessStatus::of(record).services;
        for service in &mut services {
            service.reasons.truncate(REASONS.0);
            for reason in &mut service.reasons {
                if let Some((end, _)) = reason.char_indices().nth(REASONS.1) {
                    reason.truncate(end);
                    reason.push_str("...");
                }
            }
        }
        AskedReadiness { services }
    });
    serde_json::to_vec(&Asked {
        mode: snapshot.role.as_str(),
        readiness,
    })
}

impl ReadinessStatus {
    /// What was seen for long is no proof of what is: then nothing is ready.
    pub(super) fn of(record: ReadinessRecord) -> Self {
        /// Ten looks.
        const STALE: Duration = Duration::from_secs(10);
        let age = clock::monotonic().saturating_duration_since(record.seen);
        let error = record
            .error
            .map(|error| format!("this host cannot be looked at: {error}"));
        let stale = (age > STALE).then(|| {
            let age = short_duration(Duration::from_secs(age.as_secs()));
            format!("this host was last looked at {age} ago")
        });
        let failure = error.clone().or(stale);
        let services = record.services.into_iter();
        Self {
            checked_at: Timestamp(record.at),
            error,
            interfaces: record
                .arp
                .into_iter()
                .map(|(name, values)| InterfaceStatus {
                    name,
                    arp_ignore: values.ignore,
                    arp_announce: values.announce,
                })
                .collect(),
            services: services
                .map(|service| ServedStatus::of(&service, failure.as_ref()))
                .collect(),
        }
    }
}

impl ServedStatus {
    fn of(readiness: &ServiceReadiness, failure: Option<&String>) -> Self {
        let service = &readiness.service;
        let issues = readiness.issues.iter().map(ToString::to_string);
        let diagnosis = readiness.issues.first().and_then(ReadinessIssue::diagnosis);
        Self {
            name: service.name.to_string(),
            address: service.address.to_string(),
            protocol: service.protocol.to_string(),
            ready: readiness.ready() && failure.is_none(),
            reasons: failure.cloned().into_iter().chain(issues).collect(),
            diagnosis: diagnosis.map(|diagnosis| diagnosis.to_string()),
            vip_configured: readiness.vip_configured,
            listening: readiness.listening,
            self_test: readiness.self_test.as_ref().map(|t| t.failure.is_none()),
        }
    }
}
