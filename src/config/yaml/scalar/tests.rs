use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn what_needs_no_parser_means_to_the_parser_the_same(
        text in prop_oneof![
            "[A-Za-z0-9_./:-]{0,6}",
            "[0-9.:]{1,12}",
            "(?i)(null|true|false|yes|no|inf|nan)[a-z0-9.]?",
            "[0-9]{1,3}(\\.[0-9]{1,3}){1,4}(:[0-9]{0,5})?",
            "[0-9]{1,24}[a-z]{0,2}",
        ],
    ) {
        prop_assert_eq!(plain(&text), by_parser(&text));
    }
}

#[test]
fn name_and_address_need_no_parser() {
    for text in [
        "rs1",
        "web-1.example",
        "s2277",
        "10.64.0.1",
        "172.16.0.1:80",
        "500ms",
        "1s",
    ] {
        assert!(is_plainly_text(text), "{text}");
    }
    for text in ["null", "True", "1.5", "80", "a b", "", "~", "2001:db8::1"] {
        assert!(!is_plainly_text(text), "{text}");
    }
    for (text, is_number) in [("0", true), ("65535", true), ("007", false), ("", false)] {
        assert_eq!(is_plainly_number(text), is_number, "{text}");
    }
}

#[test]
fn a_scalar_without_quotes_means_what_the_core_schema_says() {
    for text in [
        "1",
        "+1",
        "-17",
        "0",
        "0x1f",
        "0o17",
        "0b11",
        "1e3",
        "1.5",
        ".5",
        "-.inf",
        ".nan",
        "99999999999999999999",
        "-99999999999999999999",
    ] {
        assert_eq!(plain(text), Content::Number(text.into()), "{text}");
    }
    for text in [
        "007", "-007", "1_000", "0xg", "+-1", "--1", "1s", "yes", "inf", "nan", "0x", "-", "1:2",
    ] {
        assert_eq!(plain(text), Content::Text(text.into()), "{text}");
    }
    for (text, content) in [
        ("", Content::Null),
        ("~", Content::Null),
        ("NULL", Content::Null),
        ("nULL", Content::Text("nULL".into())),
        ("True", Content::Bool(true)),
        ("false", Content::Bool(false)),
    ] {
        assert_eq!(plain(text), content, "{text}");
    }
}
