use super::*;

#[test]
fn only_what_looks_ahead_waits_for_the_end() {
    let regex = |text| Pattern::Regex(Expression::new(text).unwrap());
    for settled in [
        "well",
        "^220 ",
        "(?m)^ok",
        "a|b",
        "[0-9]{1,2}",
        "(?i)OK",
        r"\xff",
    ] {
        assert!(regex(settled).is_settled_by_a_part(), "{settled}");
    }
    for open in [
        "well$", r"well\b", r"\bwell", "(?m)ok$", r"ok\z", "(?mR)^ok", r"\Bx",
    ] {
        assert!(!regex(open).is_settled_by_a_part(), "{open}");
    }
    assert!(Pattern::Text("$".to_owned()).is_settled_by_a_part());
}

#[test]
fn text_and_bytes_are_found_where_they_end() {
    let bytes = |bytes: &[u8]| Pattern::Bytes(bytes.to_vec());
    let text = |text: &str| Pattern::Text(text.to_owned());
    for (pattern, end) in [
        (text("ell"), Some(4)),
        (text("hello\0\u{7f}"), Some(7)),
        (text("x"), None),
        (bytes(b"o\x00"), Some(6)),
        (bytes(b"\x00\x7f"), Some(7)),
        (bytes(b"\x7f\x00"), None),
        (bytes(b"hello\x00\x7f!"), None),
    ] {
        assert_eq!(pattern.end_in(b"hello\x00\x7f"), end, "{pattern}");
    }
    assert_eq!(bytes(b"\x00\xff").to_string(), "the bytes 00 ff");
}

#[test]
fn what_every_answer_or_none_has_is_known() {
    let matched = |text| Pattern::Regex(Expression::new(text).unwrap()).matched();
    for all in [
        ".*", "", "^", "$", "^.*", "(?s).*$", "a?", "(ok)*", "|down", "^(a|)",
    ] {
        assert_eq!(matched(all), Matched::All, "{all}");
    }
    for none in ["[a&&b]", r"[^\x00-\x{10ffff}]x", r"x[a&&b]"] {
        assert_eq!(matched(none), Matched::None, "{none}");
    }
    for some in ["^$", "ok", "^.*$", ".", ".+", r"\b", "(?m)^$", r"\B"] {
        assert_eq!(matched(some), Matched::Some, "{some}");
    }
    assert_eq!(Pattern::Text("x".to_owned()).matched(), Matched::Some);
}
