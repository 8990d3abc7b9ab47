use std::time::SystemTime;

use super::*;
use crate::config::{NotifyTarget, Secret, Webhook, WebhookFormat};
use crate::model::{Announcement, Condition, ConditionType, Severity};
use crate::notify::event::EventKind::{ConditionCleared, ConditionRaised};
use crate::status::ConditionChange;

/// A webhook that does not exist; its task has no turn in these tests.
fn webhook(name: Option<&str>, format: WebhookFormat) -> Notify {
    Notify {
        name: name.map(Into::into),
        target: NotifyTarget::Webhook(Webhook {
            url: Secret::from("http://127.0.0.1:9/"),
            headers: std::collections::BTreeMap::new(),
            format,
            tls: None,
        }),
        timeout: Duration::from_secs(1),
        group_wait: Some(Duration::from_hours(1)),
        repeat_interval: None,
    }
}

fn events(configured: &[Notify], metrics: &Metrics) -> Arc<Events> {
    Events::start(configured, Role::Director, metrics, Arc::default()).unwrap()
}

fn condition(kind: ConditionType, severity: Severity) -> Condition {
    Condition {
        kind,
        subject: "x".to_owned(),
        severity,
        message: "it is so".to_owned(),
        fix: "fix it".to_owned(),
        since: SystemTime::UNIX_EPOCH,
    }
}

/// What waits for the target at this place.
async fn waiting(events: &Events, place: usize) -> Vec<(EventKind, Option<ConditionType>)> {
    let queue = Arc::clone(&events.targets.lock()[place].queue);
    queue.close();
    let group = queue.pop(Some(Duration::ZERO)).await;
    let group = group.iter().flat_map(|group| group.iter());
    group
        .map(|message| {
            let condition = message.event.condition();
            (
                message.event.kind(),
                condition.map(|condition| condition.kind),
            )
        })
        .collect()
}

/// Those whose source has no event of its own reach everybody.
#[tokio::test]
async fn conditions_of_every_type_reach_every_target_or_an_event_of_their_source_does() {
    let metrics = Metrics::new([]).unwrap();
    let [event, alert] = [WebhookFormat::Event, WebhookFormat::AlertmanagerWebhook];
    let events = events(&[webhook(None, event), webhook(None, alert)], &metrics);
    for kind in ConditionType::ALL {
        let condition = condition(*kind, kind.declaration().severities[0]);
        let change = ConditionChange::Raised(condition);
        events.emit(Event::of_condition(&change));
    }
    let all = ConditionType::ALL.iter();
    let raised: Vec<_> = all.map(|kind| (ConditionRaised, Some(*kind))).collect();
    assert_eq!(waiting(&events, 1).await, raised);
    let own_events = [
        ConditionType::ReloadFailed,
        ConditionType::QuorumLost,
        ConditionType::FailOpen,
        ConditionType::RealServerDown,
    ];
    for kind in own_events {
        assert_eq!(kind.declaration().announcement, Announcement::Source);
    }
    let others: Vec<_> = raised
        .into_iter()
        .filter(|(_, kind)| !own_events.iter().any(|own| Some(*own) == *kind))
        .collect();
    assert_eq!(waiting(&events, 0).await, others);
}

#[tokio::test]
async fn event_that_is_not_a_condition_is_not_sent_to_alertmanager() {
    let metrics = Metrics::new([]).unwrap();
    let [event, alert] = [WebhookFormat::Event, WebhookFormat::AlertmanagerApi];
    let events = events(&[webhook(None, event), webhook(None, alert)], &metrics);
    events.emit(Event::of_agent(EventKind::ReloadSucceeded, "x"));
    assert_eq!(
        waiting(&events, 0).await,
        [(EventKind::ReloadSucceeded, None)]
    );
    assert_eq!(waiting(&events, 1).await, []);
}

/// Its labels have the severity, so Alertmanager would keep the one of before.
#[tokio::test]
async fn an_alert_whose_severity_changes_ends_and_another_begins() {
    let metrics = Metrics::new([]).unwrap();
    let [event, alert] = [WebhookFormat::Event, WebhookFormat::AlertmanagerWebhook];
    let events = events(&[webhook(None, event), webhook(None, alert)], &metrics);
    let kind = ConditionType::SysctlWrong;
    for severity in [Severity::Warning, Severity::Warning, Severity::Problem] {
        let change = ConditionChange::Raised(condition(kind, severity));
        events.emit(Event::of_condition(&change));
    }
    let raised = (ConditionRaised, Some(kind));
    let ended = (ConditionCleared, Some(kind));
    assert_eq!(waiting(&events, 0).await, [raised; 3]);
    assert_eq!(waiting(&events, 1).await, [raised, raised, ended, raised]);
}

#[tokio::test]
async fn target_at_another_position_in_the_configuration_keeps_its_queued_events() {
    let metrics = Metrics::new([]).unwrap();
    let format = WebhookFormat::Event;
    let (a, b) = (webhook(Some("a"), format), webhook(Some("b"), format));
    let events = events(&[a.clone(), b.clone(), webhook(None, format)], &metrics);
    events.emit(Event::of_agent(EventKind::Drift, "x"));
    events
        .configure(&[b, webhook(None, format), a], &metrics)
        .unwrap();
    let drift = [(EventKind::Drift, None)];
    assert_eq!(waiting(&events, 0).await, drift);
    assert_eq!(
        waiting(&events, 1).await,
        drift,
        "it has another place only"
    );
    assert_eq!(waiting(&events, 2).await, drift);
    let count = |label: &str| metrics.notifications(label).unwrap().dropped.get();
    assert_eq!((count("a"), count("b")), (0, 0));
    let labels = events.targets.lock();
    let labels: Vec<_> = labels
        .iter()
        .map(|target| target.identity.lock().label.clone())
        .collect();
    assert_eq!(labels, ["b", "1", "a"]);
}

#[tokio::test]
async fn target_added_by_a_reload_receives_the_current_conditions() {
    let metrics = Metrics::new([]).unwrap();
    let [event, alert] = [WebhookFormat::Event, WebhookFormat::AlertmanagerApi];
    let old = webhook(Some("old"), event);
    let events = events(std::slice::from_ref(&old), &metrics);
    let kind = ConditionType::RealServerDown;
    for kind in [kind, ConditionType::SysctlWrong] {
        let change = ConditionChange::Raised(condition(kind, Severity::Problem));
        events.emit(Event::of_condition(&change));
    }
    let over = condition(ConditionType::SysctlWrong, Severity::Problem);
    events.emit(Event::of_condition(&ConditionChange::Cleared(over)));
    let configured = [webhook(None, event), old, webhook(None, alert)];
    events.configure(&configured, &metrics).unwrap();
    let reported = [(EventKind::ConditionContinues, Some(kind))];
    assert_eq!(waiting(&events, 0).await, reported);
    assert_eq!(
        waiting(&events, 1).await,
        [
            (ConditionRaised, Some(ConditionType::SysctlWrong)),
            (ConditionCleared, Some(ConditionType::SysctlWrong)),
        ]
    );
    assert_eq!(waiting(&events, 2).await, reported);
}
