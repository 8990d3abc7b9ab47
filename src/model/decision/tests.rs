use super::*;

fn weight(value: u32) -> Weight {
    Weight::new(value).unwrap()
}

#[test]
fn percentage_is_of_the_configured_weight_and_no_part_of_a_weight_rounds_to_nothing() {
    for (set, configured, expected) in [
        ("50%", 8, 4),
        ("50%", 5, 2),
        ("33%", 100, 33),
        ("1%", 1, 1),
        ("99%", 1, 1),
        ("0%", 8, 0),
        ("50%", 0, 0),
        ("200%", 3, 6),
        ("25600%", Weight::MAX.get(), Weight::MAX.get()),
        ("0", 8, 0),
        ("7", 8, 7),
        ("7", 0, 7),
    ] {
        let set: SetWeight = set.parse().unwrap();
        assert_eq!(
            set.in_place_of(weight(configured)),
            weight(expected),
            "{set} of {configured}"
        );
    }
}

#[test]
fn weight_is_written_as_it_was_given_and_nothing_else_is_one() {
    for text in ["0%", "50%", "25600%", "0", "2147483647"] {
        let set: SetWeight = text.parse().unwrap();
        assert_eq!(set.to_string(), text);
    }
    for wrong in [
        "",
        "%",
        "-1",
        "+1",
        "1.5",
        "50 %",
        "25601%",
        "99999%",
        "2147483648",
        "reset",
        "half",
    ] {
        let error = wrong.parse::<SetWeight>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{wrong}` is not a weight")),
            "{error}"
        );
    }
}

#[test]
fn operator_and_reason_follow_a_decision_where_they_are_known() {
    let (by, reason) = (Some("root (uid 0)"), Some("new kernel"));
    for (by, reason, expected) in [
        (by, reason, " by root (uid 0): new kernel"),
        (by, None, " by root (uid 0)"),
        (None, reason, ": new kernel"),
        (None, None, ""),
    ] {
        assert_eq!(by_and_reason(by, reason), expected);
    }
}
