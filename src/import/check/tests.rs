use super::*;

const PLACE: SourceLocation = SourceLocation { file: 0, line: 1 };

fn text(check: Check, own: Option<u16>) -> String {
    serde_json::to_string(&check.into_mapping(own)).unwrap()
}

#[test]
fn port_is_written_unless_it_is_the_real_servers_own() {
    let check = |port| Check::new(Kind::new("tcp").at_port(port), Timing::default());
    assert_eq!(text(check(Some(80)), Some(80)), r#"{"tcp":{}}"#);
    assert_eq!(text(check(Some(80)), Some(8080)), r#"{"tcp":{"port":80}}"#);
    assert_eq!(text(check(None), Some(8080)), r#"{"tcp":{}}"#);
    let dns = Check::new(Kind::new("dns").at_port(Some(53)), Timing::default());
    assert_eq!(text(dns, Some(5353)), r#"{"dns":{}}"#);
}

#[test]
fn several_checks_become_all_and_single_check_stays_as_it_is() {
    let kinds = || vec![Kind::new("tcp").at_port(Some(25)), Kind::new("ping")];
    let all = Kind::all(kinds()).unwrap();
    let written = text(Check::new(all, Timing::default()), Some(80));
    assert_eq!(written, r#"{"all":[{"tcp":{"port":25}},{"ping":{}}]}"#);
    let one = Kind::all(kinds().split_off(1)).unwrap();
    assert_eq!(
        text(Check::new(one, Timing::default()), None),
        r#"{"ping":{}}"#
    );
    assert!(Kind::all(Vec::new()).is_none());
}

#[test]
fn times_out_of_range_are_limited_and_noted() {
    let mut notes = Notes::new("keepalived");
    let hours = Duration::from_hours(2);
    let timing = Timing::new((hours, Some(hours)), hours, 5000, PLACE, &mut notes);
    let written = text(Check::new(Kind::new("ping"), timing), None);
    assert_eq!(
        written,
        r#"{"ping":{},"interval":"1h","timeout":"1m","rise":1,"fall":1000}"#
    );
    let note_lines: Vec<_> = notes.lines().collect();
    assert_eq!(note_lines.len(), 4, "{note_lines:#?}");
    assert!(
        note_lines.iter().any(|note| note.contains("1m is written")),
        "{note_lines:#?}"
    );
}

#[test]
fn writes_note_for_regular_expression_of_another_syntax() {
    let mut notes = Notes::new("keepalived");
    assert!(pattern("^a{2}", PLACE, &mut notes).is_some());
    assert_eq!(notes.lines().count(), 0);
    assert!(pattern("(?<!a)b", PLACE, &mut notes).is_none());
    let note_lines: Vec<_> = notes.lines().collect();
    assert!(
        note_lines[0].contains("`(?<!a)b` is left out"),
        "{note_lines:?}"
    );
}
