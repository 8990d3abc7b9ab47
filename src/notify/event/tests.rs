use super::*;
use crate::status::fixture;

pub(in crate::notify) fn message(event: Event) -> Message {
    Message {
        event,
        at: fixture::start(),
        host: "director1".into(),
        role: Role::Director,
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
            + r#""diagnosis":"application_down","fix":"on 192.168.11.22, see whether the service "#
            + r"runs: `ss -ltnup 'sport = :80'` and its log; if it does, what a firewall there "
            + r#"drops: `nft list ruleset`","#
            + r#""detail":"3 probes in a row failed, the last with: \"no\""}"#
    );
}

/// The same cause and fix as in `/status`.
#[test]
fn event_of_a_real_server_that_goes_down_has_cause_and_fix() {
    let snapshot = fixture::director();
    let web = &snapshot.services[0];
    let rs = &web.real_servers[1];
    rs.live.lock().diagnosis = Some(Diagnosis::Unreachable);
    let fields = |kind| {
        let event = Event::of_real_server(kind, web, rs, "no");
        let fields = message(event).fields().into_iter();
        fields.collect::<std::collections::BTreeMap<_, _>>()
    };
    let down = fields(EventKind::RealServerDown);
    assert_eq!(down["diagnosis"], Diagnosis::Unreachable.to_string());
    let fix = rs.live.lock().suggested_fix(web.subject(rs)).unwrap();
    assert_eq!(down["fix"], fix.to_string());
    assert!(!fields(EventKind::RealServerUp).contains_key("fix"));
}

#[test]
fn a_detail_is_one_line_of_bounded_length() {
    let detail = format!("a\0b\nc{}", "é".repeat(5000));
    let event = Event::of_agent(EventKind::Drift, &detail);
    assert!(event.detail.starts_with("a b cé"));
    assert_eq!(event.detail.chars().count(), LONGEST_DETAIL);
    assert!(event.detail.ends_with("é…"));
    assert_eq!(
        short(&"é".repeat(LONGEST_DETAIL)),
        "é".repeat(LONGEST_DETAIL)
    );
}
