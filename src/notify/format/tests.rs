use super::*;
use crate::notify::event::tests::message;
use crate::notify::event::{Event, EventKind};
use crate::status::fixture;

fn lost() -> Arc<Message> {
    let snapshot = fixture::director();
    let lost = Event::of_service(EventKind::QuorumLost, &snapshot.services[1], "0 of 1 left");
    Arc::new(message(lost))
}

fn variables(body: EventBody<'_>) -> Vec<String> {
    let environment = body.environment().into_iter();
    environment
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

#[test]
fn environment_has_the_fields_of_the_json_object() {
    let group = [lost()];
    assert_eq!(
        variables(EventBody::of(&group, false)),
        [
            "LVS_EVENT=quorum_lost",
            "LVS_AT=2026-01-02T03:04:05.000Z",
            "LVS_HOST=director1",
            "LVS_MODE=director",
            "LVS_SERVICE=marked",
            "LVS_SERVICE_ADDRESS=fwmark 10 ipv6",
            "LVS_DETAIL=0 of 1 left",
        ]
    );
}

#[test]
fn a_group_is_one_object_with_the_events_in_it() {
    let drift = Arc::new(message(Event::of_agent(EventKind::Drift, "x")));
    let group = [lost(), drift];
    let (one, two) = (
        serde_json::to_string(&*group[0]).unwrap(),
        serde_json::to_string(&*group[1]).unwrap(),
    );
    let body = EventBody::of(&group, true);
    assert_eq!(
        serde_json::to_string(&body).unwrap(),
        r#"{"event":"group","at":"2026-01-02T03:04:05.000Z","host":"director1","#.to_owned()
            + &format!(r#""mode":"director","count":2,"events":[{one},{two}]}}"#)
    );
    assert_eq!(
        variables(body),
        [
            "LVS_EVENT=group",
            "LVS_AT=2026-01-02T03:04:05.000Z",
            "LVS_HOST=director1",
            "LVS_MODE=director",
            "LVS_COUNT=2",
        ]
    );
}

#[test]
fn one_event_is_a_group_only_where_groups_are_asked_for() {
    let group = [lost()];
    let json = |is_grouped| serde_json::to_value(EventBody::of(&group, is_grouped)).unwrap();
    assert_eq!(json(false)["event"], "quorum_lost");
    assert_eq!(json(true)["event"], "group");
    assert_eq!(json(true)["events"][0], json(false));
}
