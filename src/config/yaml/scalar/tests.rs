use proptest::prelude::*;
use serde_yaml::Value;

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
        "1.",
        "-0",
        "-0x1f",
        "99999999999999999999",
        "1e999",
    ] {
        assert_eq!(plain(text), Content::Number(text.into()), "{text}");
    }
    for text in [
        "007", "-007", "1_000", "0xg", "+-1", "--1", "1s", "yes", "inf", "nan", "0x", "-", "1:2",
        "---", "...", ".", "+", "infinity", "-.nan", "0xé", "é", "1e", ".inf.",
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

proptest! {
    /// A number of any length stays a number here.
    #[test]
    fn another_reader_takes_a_short_scalar_for_the_same(text in "[-+]{0,2}0{0,2}[xob.]?[0-9a]{0,3}[.eE_]?[-+]?[0-9]{0,2}") {
        prop_assume!(!text.chars().all(|c| matches!(c, '-' | '.')));
        prop_assume!(text.parse().is_ok_and(f64::is_finite) || text.parse::<f64>().is_err());
        let other = match serde_yaml::from_str(&text) {
            Ok(Value::Null) => Content::Null,
            Ok(Value::Bool(value)) => Content::Bool(value),
            Ok(Value::Number(_)) => Content::Number(text.as_str().into()),
            _ => Content::Text(text.as_str().into()),
        };
        prop_assert_eq!(plain(&text), other);
    }
}
