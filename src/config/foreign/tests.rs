use super::*;

#[test]
fn every_line_has_its_four_fields() {
    let lines = KEYS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(keys().count(), lines.count());
    assert_eq!(keys().count(), 99);
}

#[test]
fn a_key_of_keepalived_is_what_it_is_here() {
    let (ours, hint) = key("delay_loop", &["interval"]).unwrap();
    assert_eq!(ours, Some("interval"));
    assert!(
        hint.starts_with("keepalived's `delay_loop` is `interval` of `check`"),
        "{hint}"
    );
    assert_eq!(key("connect_ip", &[]).unwrap().0, None);
    assert!(key("interval", &[]).is_none());
}
