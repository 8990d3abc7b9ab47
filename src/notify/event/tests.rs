use super::*;
use crate::status::fixture;

pub(in crate::notify) fn message(event: Event) -> Message {
    Message {
        event,
        at: fixture::start(),
        host: "director1".into(),
        mode: Mode::Director,
    }
}

#[test]
fn an_event_is_a_json_object_of_texts() {
    let snapshot = fixture::director();
    let web = &snapshot.services[0];
    let down = Event::of_real_server(
        EventKind::RealServerDown,
        web,
        &web.real_servers[1],
        "3 probes in a row failed, the last with: \"no\"",
    );
    assert_eq!(
        serde_json::to_string(&message(down)).unwrap(),
        r#"{"event":"real_server_down","at":"2026-01-02T03:04:05.000Z","host":"director1","#
            .to_owned()
            + r#""mode":"director","service":"web","service_address":"tcp 192.168.11.200:80","#
            + r#""real_server":"rs2","real_server_address":"192.168.11.22:80","#
            + r#""detail":"3 probes in a row failed, the last with: \"no\""}"#
    );
}

#[test]
fn a_detail_is_one_line_of_bounded_length() {
    let detail = format!("a\0b\nc{}", "é".repeat(5000));
    let event = Event::of_agent(EventKind::Drift, &detail);
    assert!(event.detail.starts_with("a b cé"));
    assert_eq!(event.detail.chars().count(), LONGEST_DETAIL);
}
