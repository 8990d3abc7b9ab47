use super::*;

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

#[test]
fn a_whole_number_has_its_value() {
    for (text, number) in [("0x1f", 31), ("-0o17", -15), ("0b11", 3), ("+10", 10)] {
        assert_eq!(integer(text), Some(number), "{text}");
    }
    for text in ["1.0", "1e3", "01", "0x+1", &"9".repeat(60)] {
        assert_eq!(integer(text), None, "{text}");
    }
}
