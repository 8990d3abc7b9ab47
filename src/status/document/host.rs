//! What concerns the agent and its host as a whole.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{ConnectionsStatus, Timestamp};
use crate::config::SorryServer;
use crate::model::{Condition, ConditionType, Severity, SysctlKey};
use crate::status::LeavingRecord;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConfigStatus {
    pub(crate) path: String,
    pub(crate) loaded_at: Timestamp,
    /// Of the file and of what it includes; empty of an agent of an earlier version.
    pub(crate) sha256: String,
    pub(crate) last_reload: ReloadStatus,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ReloadStatus {
    pub(crate) ok: bool,
    pub(crate) error: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ReconcileStatus {
    pub(crate) last_success: Option<Timestamp>,
    pub(crate) error: Option<String>,
    /// In a dry run, how many steps would bring the kernel to what is configured.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) pending_steps: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Something that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConditionStatus {
    /// The name of a type of condition.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) subject: String,
    /// `problem` or `warning`.
    pub(crate) severity: String,
    pub(crate) message: String,
    pub(crate) fix: String,
    pub(crate) since: Timestamp,
}

impl ConditionStatus {
    pub(super) fn of(condition: Condition) -> Self {
        Self {
            kind: condition.kind.to_string(),
            subject: condition.subject,
            severity: condition.severity.to_string(),
            message: condition.message,
            fix: condition.fix,
            since: Timestamp(condition.since),
        }
    }

    /// Whether clients suffer.
    pub(crate) fn is_problem(&self) -> bool {
        self.severity == Severity::Problem.as_str()
    }

    /// Whether the condition says that a real server is down, of those that the totals count.
    pub(super) fn is_of_counted_server(&self) -> bool {
        self.kind == ConditionType::RealServerDown.as_str()
            && self.real_server() != Some(SorryServer::NAME)
    }

    /// The name of the virtual service, if the condition is about one or about one of its
    /// real servers.
    pub(crate) fn service(&self) -> &str {
        let subject = self.subject.split_once('/');
        subject.map_or(&self.subject, |(service, _)| service)
    }

    /// The name of the real server, if the condition is about one.
    pub(super) fn real_server(&self) -> Option<&str> {
        let subject = self.subject.split_once('/');
        subject.map(|(_, real_server)| real_server)
    }

    /// The condition in one line; `age` says how long ago a point in time was.
    pub(crate) fn summary(&self, age: impl FnOnce(SystemTime) -> String) -> String {
        let Self {
            kind,
            subject,
            severity,
            message,
            ..
        } = self;
        format!(
            "{severity} {kind} {subject} for {}: {message}",
            age(self.since.0)
        )
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct VipStatus {
    pub(crate) address: String,
    pub(crate) interface: String,
    pub(crate) configured: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SysctlStatus {
    pub(crate) key: String,
    pub(crate) want: String,
    /// `None` if the kernel has no such parameter.
    pub(crate) have: Option<String>,
}

impl SysctlStatus {
    /// Whether the kernel has the value that is wanted, or a stricter one.
    pub(crate) fn is_ok(&self) -> bool {
        let Some(have) = &self.have else {
            return false;
        };
        let key = self.key.parse::<SysctlKey>();
        key.map_or(*have == self.want, |key| key.is_satisfied(have, &self.want))
    }
}

/// A time-out of the table, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TimeoutStatus {
    /// `tcp`, `tcpfin` or `udp`.
    pub(crate) name: String,
    /// `None` if it is left as it is.
    pub(crate) want: Option<u32>,
    pub(crate) have: u32,
}

/// A real server that is no longer configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LeavingStatus {
    /// The name that its virtual service had.
    pub(crate) service: String,
    /// What the kernel knows that by.
    pub(crate) service_address: String,
    /// The name that it had.
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) connections: ConnectionsStatus,
    /// When it is removed whatever is left, unless nobody else serves.
    pub(crate) deadline: Timestamp,
    /// Whether it serves, since what replaces it does not yet.
    pub(crate) serves: bool,
}

impl LeavingStatus {
    /// What it does until it is removed.
    pub(crate) const fn state(&self) -> &'static str {
        if self.serves { "serves" } else { "drains" }
    }

    pub(super) fn of(record: LeavingRecord) -> Self {
        Self {
            service: record.service,
            service_address: record.service_key.to_string(),
            name: record.real_server,
            address: record.key.to_string(),
            connections: ConnectionsStatus::of(record.connections),
            deadline: Timestamp(record.deadline),
            serves: record.serves,
        }
    }
}
