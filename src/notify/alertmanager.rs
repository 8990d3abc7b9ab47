//! Conditions as alerts, in the two forms that Prometheus's Alertmanager has: the
//! one that it sends to its webhooks, and the one that its own API takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::event::{Message, short};
use crate::model::Severity;

/// The end of an alert that has none yet: Go's zero time.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// Intervals of `repeat_interval` after which Alertmanager takes an alert as
/// resolved that is not sent again, as of an agent that ended: as many as
/// Prometheus gives itself.
const INTERVALS: u32 = 4;

type Texts = BTreeMap<&'static str, String>;

/// An alert of one condition.
struct Alert {
    is_firing: bool,
    labels: Texts,
    annotations: Texts,
    starts_at: SystemTime,
    /// When it was found to fire, or not to.
    at: SystemTime,
}

impl Alert {
    fn of(message: &Message) -> Option<Self> {
        let condition = message.event.condition()?;
        let severity = match condition.severity {
            Severity::Problem => "critical",
            Severity::Warning => "warning",
        };
        let subject = short(&condition.subject);
        let summary = format!("{}: {subject}", condition.kind.declaration().message);
        let labels = [
            ("alertname", condition.kind.to_string()),
            ("instance", message.host.to_string()),
            ("job", "lvs-agent".to_owned()),
            ("mode", message.role.as_str().to_owned()),
            ("severity", severity.to_owned()),
            ("subject", subject),
        ];
        let annotations = [
            ("summary", summary),
            ("description", short(&condition.message)),
            ("fix", short(&condition.fix)),
        ];
        Some(Self {
            is_firing: !message.event.is_cleared(),
            labels: labels.into(),
            annotations: annotations.into(),
            starts_at: condition.since,
            at: message.at,
        })
    }

    /// Of each condition of the group, as it is at last.
    fn all(group: &[Arc<Message>]) -> Vec<Self> {
        let mut alerts: Vec<Self> = Vec::new();
        for alert in group.iter().filter_map(|message| Self::of(message)) {
            alerts.retain(|before| before.labels != alert.labels);
            alerts.push(alert);
        }
        alerts
    }

    fn status(&self) -> &'static str {
        status(self.is_firing)
    }
}

fn status(is_firing: bool) -> &'static str {
    if is_firing { "firing" } else { "resolved" }
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// What a webhook of Alertmanager gets, in version 4 of its format.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'a str,
    group_labels: Texts,
    common_labels: Texts,
    common_annotations: Texts,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    alerts: Vec<SentAlert>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentAlert {
    status: &'static str,
    labels: Texts,
    annotations: Texts,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'static str,
    fingerprint: String,
}

/// The body for a program that takes what Alertmanager sends to a webhook;
/// `receiver` is the target's name.
pub(super) fn notification(
    group: &[Arc<Message>],
    receiver: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let alerts = Alert::all(group);
    let hosts = group.first().map(|message| message.host.to_string());
    let group_labels: Texts = hosts.map(|host| ("instance", host)).into_iter().collect();
    let key = group_labels.iter();
    let key: Vec<_> = key
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    let notification = Notification {
        version: "4",
        group_key: format!("{{}}:{{{}}}", key.join(", ")),
        truncated_alerts: 0,
        status: status(alerts.iter().any(|alert| alert.is_firing)),
        receiver,
        group_labels,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: "",
        alerts: alerts.into_iter().map(SentAlert::from).collect(),
    };
    serde_json::to_vec(&notification)
}

impl From<Alert> for SentAlert {
    fn from(alert: Alert) -> Self {
        let ends_at = if alert.is_firing {
            NO_END.to_owned()
        } else {
            time(alert.at)
        };
        Self {
            status: alert.status(),
            fingerprint: fingerprint(&alert.labels),
            labels: alert.labels,
            annotations: alert.annotations,
            starts_at: time(alert.starts_at),
            ends_at,
            generator_url: "",
        }
    }
}

/// What all of them have.
fn common<'a>(mut all: impl Iterator<Item = &'a Texts>) -> Texts {
    let mut common = all.next().cloned().unwrap_or_default();
    for texts in all {
        common.retain(|name, value| texts.get(name) == Some(value));
    }
    common
}

/// Of a set of labels, as Prometheus has it: FNV-1a of 64 bits over sorted names
/// and values, each followed by 0xff.
fn fingerprint(labels: &Texts) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let texts = labels.iter().flat_map(|(name, value)| [*name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:016x}")
}

/// An alert as `POST /api/v2/alerts` takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostedAlert {
    labels: Texts,
    annotations: Texts,
    starts_at: String,
    ends_at: String,
}

/// The body for Alertmanager itself. An alert that fires ends by itself when it
/// has not been sent for four times `repeat_interval`.
pub(super) fn alerts(
    group: &[Arc<Message>],
    repeat_interval: Duration,
) -> Result<Vec<u8>, serde_json::Error> {
    let alerts = Alert::all(group).into_iter().map(|alert| PostedAlert {
        ends_at: time(if alert.is_firing {
            alert.at + repeat_interval * INTERVALS
        } else {
            alert.at
        }),
        labels: alert.labels,
        annotations: alert.annotations,
        starts_at: time(alert.starts_at),
    });
    serde_json::to_vec(&alerts.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
