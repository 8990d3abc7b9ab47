//! The events that targets are notified of.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::model::{Announcement, Condition, ConditionType, Diagnosis, Role};
use crate::runtime::own_command;
use crate::runtime::printable::printable;
use crate::status::{ConditionChange, RealServerRecord, ServiceRecord};

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
    /// What is wrong with the real server, and what to do about it.
    diagnosis: Option<Diagnosis>,
    fix: Option<String>,
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
    /// A condition still holds after `repeat_interval`.
    ConditionContinues,
}

impl EventKind {
    pub(super) const fn as_str(self) -> &'static str {
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
            Self::ConditionContinues => "condition_continues",
        }
    }
}

impl Event {
    /// Of the agent or the host as a whole. `detail` says why, for people.
    pub(crate) fn of_agent(kind: EventKind, detail: &str) -> Self {
        Self {
            kind,
            service: None,
            real_server: None,
            detail: short(detail),
            diagnosis: None,
            fix: None,
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

    pub(super) const fn kind(&self) -> EventKind {
        self.kind
    }

    /// The condition that the event is about, if it is about one.
    pub(super) const fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    pub(super) fn is_cleared(&self) -> bool {
        self.kind == EventKind::ConditionCleared
    }

    /// Whether its source has an event of its own for the same.
    pub(super) fn is_reported_by_source(&self) -> bool {
        let condition = self.condition.as_ref();
        condition.is_some_and(|one| one.kind.declaration().announcement == Announcement::Source)
    }

    /// The condition whose beginning or end the event tells in place of the condition: its
    /// type, its subject where the event has one, and whether this is the end.
    pub(super) fn source_of_condition(&self) -> Option<(ConditionType, Option<String>, bool)> {
        let (kind, is_over) = match self.kind {
            EventKind::RealServerDown => (ConditionType::RealServerDown, false),
            EventKind::RealServerUp => (ConditionType::RealServerDown, true),
            EventKind::QuorumLost => (ConditionType::QuorumLost, false),
            EventKind::QuorumGained => (ConditionType::QuorumLost, true),
            EventKind::FailOpenStarted => (ConditionType::FailOpen, false),
            EventKind::FailOpenEnded => (ConditionType::FailOpen, true),
            EventKind::ReloadFailed => (ConditionType::ReloadFailed, false),
            EventKind::ReloadSucceeded => (ConditionType::ReloadFailed, true),
            EventKind::RealServerDrained
            | EventKind::RealServerWeightSet
            | EventKind::Drift
            | EventKind::ConditionRaised
            | EventKind::ConditionCleared
            | EventKind::ConditionContinues => return None,
        };
        Some((
            kind,
            Some(self.subject()).filter(|subject| !subject.is_empty()),
            is_over,
        ))
    }

    /// What it is about, for people: a real server, a service or the subject of
    /// a condition; empty for the agent itself.
    pub(super) fn subject(&self) -> String {
        match (&self.condition, &self.service, &self.real_server) {
            (Some(condition), ..) => format!("{} {}", condition.kind, condition.subject),
            (None, Some((service, _)), Some((real_server, _))) => {
                format!("{service}/{real_server}")
            }
            (None, Some((service, _)), None) => service.to_string(),
            (None, None, _) => String::new(),
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
        let mut event = Self {
            real_server: Some((name, real_server.key.to_string())),
            ..Self::of_service(kind, service, detail)
        };
        if kind == EventKind::RealServerDown {
            let live = real_server.live.lock();
            event.diagnosis = live.diagnosis;
            let fix = live.suggested_fix(service.subject(real_server));
            event.fix = fix.map(|fix| short(&own_command::complete(&fix.to_string())));
        }
        event
    }
}

/// An event as it is sent: a JSON object of texts, or environment variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) event: Event,
    pub(super) at: SystemTime,
    /// The name of the host that tells.
    pub(super) host: Arc<str>,
    pub(super) role: Role,
}

/// A text as it is passed on. One that is cut ends in an ellipsis: nobody takes half a
/// command for a whole one.
pub(super) fn short(text: &str) -> String {
    let text = printable(text);
    match text.char_indices().nth(LONGEST_DETAIL - 1) {
        Some((end, last)) if end + last.len_utf8() < text.len() => {
            text.chars().take(LONGEST_DETAIL - 1).chain(['…']).collect()
        }
        _ => text,
    }
}

impl Message {
    /// The end of the condition that this message raised.
    pub(super) fn as_cleared(&self) -> Self {
        self.of_same_condition(EventKind::ConditionCleared, self.at)
    }

    /// That the condition which this message raised still holds.
    pub(super) fn as_continuing(&self, at: SystemTime) -> Self {
        self.of_same_condition(EventKind::ConditionContinues, at)
    }

    fn of_same_condition(&self, kind: EventKind, at: SystemTime) -> Self {
        let event = Event {
            kind,
            ..self.event.clone()
        };
        Self {
            event,
            at,
            host: Arc::clone(&self.host),
            role: self.role,
        }
    }

    /// What it says, in the order in which it is written. What does not apply
    /// is not there.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let Event {
            kind,
            service,
            real_server,
            detail,
            diagnosis,
            fix,
            condition,
        } = &self.event;
        let mut fields = vec![
            ("event", kind.as_str().to_owned()),
            ("at", humantime::format_rfc3339_millis(self.at).to_string()),
            ("host", self.host.to_string()),
            ("mode", self.role.as_str().to_owned()),
        ];
        if let Some((name, key)) = service {
            fields.push(("service", name.to_string()));
            fields.push(("service_address", key.clone()));
        }
        if let Some((name, key)) = real_server {
            fields.push(("real_server", name.to_string()));
            fields.push(("real_server_address", key.clone()));
        }
        if let Some(diagnosis) = diagnosis {
            fields.push(("diagnosis", diagnosis.to_string()));
        }
        if let Some(fix) = fix {
            fields.push(("fix", fix.clone()));
        }
        if let Some(condition) = condition {
            fields.push(("condition", condition.kind.to_string()));
            fields.push(("subject", short(&condition.subject)));
            fields.push(("severity", condition.severity.to_string()));
            fields.push(("fix", short(&condition.fix)));
        }
        fields.push(("detail", detail.clone()));
        fields
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields())
    }
}

#[cfg(test)]
pub(super) mod tests;
