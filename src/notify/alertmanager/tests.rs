use serde_json::{Value, json};

use super::*;
use crate::model::{Condition, ConditionType};
use crate::notify::event::tests::message;
use crate::notify::event::{Event, EventKind};
use crate::status::{ConditionChange, fixture};

fn condition(subject: &str) -> Condition {
    Condition {
        kind: ConditionType::VipMissing,
        subject: subject.to_owned(),
        severity: Severity::Problem,
        message: "it was removed\nby hand".to_owned(),
        fix: "wait".to_owned(),
        since: fixture::start() - Duration::from_mins(1),
    }
}

fn raised(subject: &str) -> Arc<Message> {
    let change = ConditionChange::Raised(condition(subject));
    Arc::new(message(Event::of_condition(&change)))
}

fn cleared(subject: &str) -> Arc<Message> {
    let change = ConditionChange::Cleared(condition(subject));
    Arc::new(message(Event::of_condition(&change)))
}

fn sent(group: &[Arc<Message>]) -> Value {
    serde_json::from_slice(&notification(group, "ops").unwrap()).unwrap()
}

fn posted(group: &[Arc<Message>]) -> Value {
    let body = alerts(group, Duration::from_mins(1)).unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn raised_condition_is_firing_and_cleared_condition_is_resolved() {
    let labels = json!({
        "alertname": "vip_missing", "instance": "director1", "job": "lvs-agent",
        "mode": "director", "severity": "critical", "subject": "192.0.2.1 lo",
    });
    let annotations = json!({
        "summary": "VIP missing: 192.0.2.1 lo",
        "description": "it was removed by hand",
        "fix": "wait",
    });
    let (began, now) = ("2026-01-02T03:03:05.000Z", "2026-01-02T03:04:05.000Z");
    let notification = sent(&[raised("192.0.2.1 lo")]);
    let mut expected = json!({
        "version": "4", "groupKey": "{}:{instance=\"director1\"}", "truncatedAlerts": 0,
        "status": "firing", "receiver": "ops", "groupLabels": { "instance": "director1" },
        "commonLabels": labels, "commonAnnotations": annotations, "externalURL": "",
        "alerts": [{
            "status": "firing", "labels": labels, "annotations": annotations,
            "startsAt": began, "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
            "fingerprint": notification["alerts"][0]["fingerprint"],
        }],
    });
    assert_eq!(notification, expected);
    expected["status"] = json!("resolved");
    expected["alerts"][0]["status"] = json!("resolved");
    expected["alerts"][0]["endsAt"] = json!(now);
    assert_eq!(sent(&[cleared("192.0.2.1 lo")]), expected);

    let mut expected = json!([{
        "labels": labels, "annotations": annotations, "startsAt": began,
        "endsAt": "2026-01-02T03:08:05.000Z",
    }]);
    assert_eq!(posted(&[raised("192.0.2.1 lo")]), expected);
    expected[0]["endsAt"] = json!(now);
    assert_eq!(posted(&[cleared("192.0.2.1 lo")]), expected);
}

#[test]
fn group_has_the_latest_state_of_each_condition() {
    let group = [
        raised("a"),
        raised("b"),
        cleared("a"),
        raised("c"),
        cleared("c"),
        raised("c"),
    ];
    let status = |notification: &Value| -> Vec<(String, String)> {
        let alerts = notification["alerts"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        alerts
            .map(|alert| (text(&alert["labels"]["subject"]), text(&alert["status"])))
            .collect()
    };
    let notification = sent(&group);
    let pairs = [("b", "firing"), ("a", "resolved"), ("c", "firing")];
    assert_eq!(
        status(&notification),
        pairs.map(|(subject, status)| (subject.to_owned(), status.to_owned()))
    );
    assert_eq!(notification["status"], "firing");
    assert_eq!(notification["commonLabels"].get("subject"), None);
    assert_eq!(notification["commonLabels"]["alertname"], "vip_missing");
    assert_eq!(notification["commonAnnotations"]["fix"], "wait");
    assert_eq!(posted(&group).as_array().unwrap().len(), 3);
    let drift = Arc::new(message(Event::of_agent(EventKind::Drift, "x")));
    assert_eq!(posted(&[drift]), json!([]), "no condition is no alert");
}

/// `tests/notify/alertmanager.rs` compares others with Alertmanager's own.
#[test]
fn fingerprint_without_labels_is_the_initial_value_of_the_hash() {
    assert_eq!(fingerprint(&Texts::new()), "cbf29ce484222325");
}
