use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::model::Condition;
use crate::runtime::printable::printable;
use crate::status::{ConditionChange, Mode, RealServerRecord, ServiceRecord};

/// The longest detail that is passed on, in characters: an environment
/// variable and a chat message are no place for more.
const LONGEST_DETAIL: usize = 1024;

/// Something that somebody may want to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    kind: EventKind,
    /// Name, and what the kernel knows it by.
    service: Option<(Arc<str>, String)>,
    /// Name, and what the kernel knows it by.
    real_server: Option<(Arc<str>, String)>,
    detail: String,
    /// The condition that changed.
    condition: Option<Condition>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A real server came up.
    RealServerUp,
    /// A real server went down.
    RealServerDown,
    /// A real server that was being drained has no active connection left.
    RealServerDrained,
    /// An operator has set the weight of a real server, or reset it.
    RealServerWeightSet,
    /// A virtual service has fewer real servers left than it needs.
    QuorumLost,
    /// A virtual service has enough real servers again.
    QuorumGained,
    /// A virtual service keeps failing real servers, as too few others are left.
    FailOpenStarted,
    /// A virtual service relies on its checks again.
    FailOpenEnded,
    /// The kernel differed from what this agent had left there, and is being repaired.
    Drift,
    /// A new configuration was taken.
    ReloadSucceeded,
    /// A new configuration was refused; the old one goes on.
    ReloadFailed,
    /// A condition was raised, or has another severity or cause.
    ConditionRaised,
    /// A condition is over.
    ConditionCleared,
}

impl EventKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::RealServerUp => "real_server_up",
            Self::RealServerDown => "real_server_down",
            Self::RealServerDrained => "real_server_drained",
            Self::RealServerWeightSet => "real_server_weight_set",
            Self::QuorumLost => "quorum_lost",
            Self::QuorumGained => "quorum_gained",
            Self::FailOpenStarted => "fail_open_started",
            Self::FailOpenEnded => "fail_open_ended",
            Self::Drift => "drift",
            Self::ReloadSucceeded => "reload_succeeded",
            Self::ReloadFailed => "reload_failed",
            Self::ConditionRaised => "condition_raised",
            Self::ConditionCleared => "condition_cleared",
        }
    }
}

impl Event {
    /// Of the agent or the host as a whole. `detail` says why, for people.
    pub(crate) fn of_agent(kind: EventKind, detail: &str) -> Self {
        let detail = printable(detail).chars().take(LONGEST_DETAIL).collect();
        Self {
            kind,
            service: None,
            real_server: None,
            detail,
            condition: None,
        }
    }

    /// Of a condition that the registry announces; the detail is its cause.
    pub(crate) fn of_condition(change: &ConditionChange) -> Self {
        let kind = match change {
            ConditionChange::Raised(_) => EventKind::ConditionRaised,
            ConditionChange::Cleared(_) => EventKind::ConditionCleared,
        };
        let condition = change.condition();
        Self {
            condition: Some(condition.clone()),
            ..Self::of_agent(kind, &condition.message)
        }
    }

    /// Of a virtual service.
    pub(crate) fn of_service(kind: EventKind, service: &ServiceRecord, detail: &str) -> Self {
        Self {
            service: Some((Arc::clone(&service.name), service.key.to_string())),
            ..Self::of_agent(kind, detail)
        }
    }

    /// Of a real server of a virtual service.
    pub(crate) fn of_real_server(
        kind: EventKind,
        service: &ServiceRecord,
        real_server: &RealServerRecord,
        detail: &str,
    ) -> Self {
        let name = Arc::clone(&real_server.name);
        Self {
            real_server: Some((name, real_server.key.to_string())),
            ..Self::of_service(kind, service, detail)
        }
    }
}

/// An event as it is sent: a JSON object of texts, or environment variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) event: Event,
    pub(super) at: SystemTime,
    /// The name of the host that tells.
    pub(super) host: Arc<str>,
    pub(super) mode: Mode,
}

impl Message {
    /// What it says, in the order in which it is written. What does not apply
    /// is not there.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let Event {
            kind,
            service,
            real_server,
            detail,
            condition,
        } = &self.event;
        let mut fields = vec![
            ("event", kind.as_str().to_owned()),
            ("at", humantime::format_rfc3339_millis(self.at).to_string()),
            ("host", self.host.to_string()),
            ("mode", self.mode.as_str().to_owned()),
        ];
        if let Some((name, key)) = service {
            fields.push(("service", name.to_string()));
            fields.push(("service_address", key.clone()));
        }
        if let Some((name, key)) = real_server {
            fields.push(("real_server", name.to_string()));
            fields.push(("real_server_address", key.clone()));
        }
        if let Some(condition) = condition {
            let short = |text: &str| printable(text).chars().take(LONGEST_DETAIL).collect();
            fields.push(("condition", condition.kind.to_string()));
            fields.push(("subject", short(&condition.subject)));
            fields.push(("severity", condition.severity.to_string()));
            fields.push(("fix", short(&condition.fix)));
        }
        fields.push(("detail", detail.clone()));
        fields
    }

    /// `LVS_EVENT`, `LVS_SERVICE` and so on.
    pub(super) fn environment(&self) -> impl Iterator<Item = (String, String)> {
        let fields = self.fields().into_iter();
        fields.map(|(name, value)| (format!("LVS_{}", name.to_ascii_uppercase()), value))
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields())
    }
}

#[cfg(test)]
mod tests;
