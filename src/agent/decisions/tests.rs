use std::fs;

use super::*;
use crate::status::fixture;

fn load(file: &DecisionFile) -> (Decisions, bool) {
    let loaded = file.load(IfDamaged::SetAside).unwrap();
    (loaded.value, loaded.damage.is_none())
}

fn key(number: u8) -> MemberKey {
    let real_server = format!("192.0.2.{number}:80").parse().unwrap();
    ("tcp 192.0.2.1:80".parse().unwrap(), real_server)
}

fn decision(reason: Option<&str>) -> Decision {
    Decision {
        since: Some(fixture::start()),
        by: Some("root (uid 0)".into()),
        reason: reason.map(Into::into),
    }
}

fn drain(decision: Decision) -> WantedDrain {
    WantedDrain {
        deadline: fixture::start(),
        decision,
    }
}

/// A drain with all that there can be of it and one without, and a weight.
fn decisions() -> Decisions {
    let full = drain(decision(Some(r#"new {"kernel"} \ é"#)));
    let bare = drain(Decision::default());
    let weight = OperatorWeight {
        set: "50%".parse().unwrap(),
        decision: decision(None),
    };
    Decisions {
        drains: [(key(21), full), (key(22), bare)].into(),
        weights: [(key(22), weight)].into(),
    }
}

#[test]
fn saved_content_is_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = DecisionFile::new(&directory.path().join("made"));
    assert_eq!(load(&file), (Decisions::default(), true));
    let path = directory.path().join("made/drains.json");
    let drains = Decisions {
        weights: BTreeMap::new(),
        ..decisions()
    };
    for decisions in [decisions(), drains] {
        file.save(&decisions);
        assert_eq!(load(&file), (decisions, true));
        let text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(text["version"], 1, "{text}");
    }
    assert!(file.remove().unwrap());
    assert!(!file.remove().unwrap());
}

#[test]
fn damaged_entries_are_named_and_the_others_are_still_wanted() {
    let entry = |real_server: &str, rest: &str| {
        format!(r#"{{"service":"tcp 192.0.2.1:80","real_server":"{real_server}",{rest}}}"#)
    };
    let good = entry("192.0.2.21:80", r#""deadline":"2026-01-01T00:00:00Z""#);
    let wrong = entry("rs1", r#""deadline":"2026-01-01T00:00:00Z""#);
    let late = entry("192.0.2.22:80", r#""deadline":"soon""#);
    let since = entry("192.0.2.24:80", r#""since":"once""#);
    let endless = entry("192.0.2.25:80", r#""since":"2026-01-01T00:00:00Z""#);
    let heavy = entry("192.0.2.22:80", r#""weight":"heavy""#);
    let half = entry("192.0.2.23:80", r#""weight":"50%""#);
    let number = entry(
        "192.0.2.26:80",
        r#""deadline":"2026-01-01T00:00:00Z","reason":5"#,
    );
    let list = entry(
        "192.0.2.27:80",
        r#""deadline":"2026-01-01T00:00:00Z","by":["a"]"#,
    );
    let damaged = format!(
        r#"{{"version":1,"drains":[{wrong},7,{good},{late},{since},{endless},{number},{list}],
            "weights":[{heavy},{half}]}}"#
    );
    let Content { value, cause } = content(damaged.as_bytes());
    let kept: Vec<_> = value.drains.keys().copied().collect();
    // What is wrong beside the real server is no reason to let it serve.
    assert_eq!(kept, [21, 22, 24, 25, 26, 27].map(key));
    let kept: Vec<_> = value.weights.keys().copied().collect();
    assert_eq!(kept, [key(23)]);
    let cause = cause.unwrap();
    for named in [
        "\"rs1\"",
        "; 7: ",
        "\"soon\"",
        "\"once\"",
        "the drain has no deadline",
        "`heavy` is not a weight",
        "its `reason` is no text",
    ] {
        assert!(cause.contains(named), "{cause}");
    }
    let many = format!(r#"{{"version":1,"drains":[{}7]}}"#, "7,".repeat(99));
    let cause = content(many.as_bytes()).cause.unwrap();
    assert!(cause.ends_with("; and 92 more"), "{cause}");
}

#[test]
fn text_of_another_form_or_an_earlier_version_is_damage() {
    for (text, cause) in [
        ("[]", "it is not an object"),
        ("[1,[]]", "it is not an object"),
        (
            r#"{"version":0,"drains":[]}"#,
            "it has version 0, which no lvs-agent writes",
        ),
    ] {
        assert_eq!(content(text.as_bytes()).cause.as_deref(), Some(cause));
    }
    // What can be read is still wanted.
    let whole = String::from_utf8(text(&decisions()).unwrap()).unwrap();
    let old = whole.replace("\"version\": 1", "\"version\": 0");
    assert_ne!(old, whole);
    assert_eq!(content(old.as_bytes()).value, decisions());
}

/// An operator has taken these real servers out of service, whoever has changed the file since.
#[test]
fn unknown_keys_are_damage_and_the_entries_that_have_them_are_still_wanted() {
    let all = decisions();
    let whole = String::from_utf8(text(&all).unwrap()).unwrap();
    for (list, index) in [("drains", 0), ("drains", 1), ("weights", 0)] {
        let mut file: Value = serde_json::from_str(&whole).unwrap();
        file[list][index]["until"] = Value::from("tomorrow");
        let Content { value, cause } = content(file.to_string().as_bytes());
        assert_eq!(value, all, "{file}");
        let cause = cause.unwrap();
        assert!(cause.ends_with("it has the unknown key `until`"), "{cause}");
        let cut_off = file.to_string();
        let cut_off = cut_off.strip_suffix('}').unwrap();
        assert_eq!(content(cut_off.as_bytes()).value, all, "{cut_off}");
    }
    let mut file: Value = serde_json::from_str(&whole).unwrap();
    file["drained"] = file["drains"].clone();
    let Content { value, cause } = content(file.to_string().as_bytes());
    assert_eq!(value, all, "{file}");
    let cause = cause.unwrap();
    assert!(cause.starts_with("unknown field `drained`"), "{cause}");
}

#[test]
fn array_in_place_of_an_entry_is_damage() {
    let drain =
        r#"["tcp 192.0.2.1:80","192.0.2.21:80",null,"2026-01-01T00:00:00Z",null,null,null]"#;
    let file = format!(r#"{{"version":1,"drains":[{drain}]}}"#);
    let Content { value, cause } = content(file.as_bytes());
    assert_eq!(value, Decisions::default());
    let cause = cause.unwrap();
    let expected = "expected an object with `service` and `real_server`";
    assert!(cause.ends_with(expected), "{cause}");
}

#[test]
fn whole_entries_of_a_text_that_is_damaged_elsewhere_are_still_wanted() {
    let all = decisions();
    let whole = text(&all).unwrap();
    let end_of = |number: u8| {
        let name = format!("192.0.2.{number}:80");
        let begin = whole.windows(name.len()).position(|w| w == name.as_bytes());
        let begin = begin.unwrap();
        // The first brace after it that is in no text.
        let brace = whole[begin..].windows(2).position(|w| w == b"\n ").unwrap() + begin;
        brace
            + whole[brace..]
                .windows(6)
                .position(|w| w == b"\n    }")
                .unwrap()
            + 6
    };
    let first = end_of(21);
    let begin_of_weight = whole.windows(7).position(|w| w == b"weights").unwrap();
    let drains = |number| Decisions {
        drains: all.drains.clone().into_iter().take(number).collect(),
        weights: BTreeMap::new(),
    };
    let cases = [
        (
            "cut off after the first",
            whole[..first].to_vec(),
            drains(1),
        ),
        (
            "cut off before its end",
            whole[..first - 1].to_vec(),
            drains(0),
        ),
        (
            "cut off in the second",
            whole[..first + 60].to_vec(),
            drains(1),
        ),
        (
            "cut off before the weights",
            whole[..begin_of_weight].to_vec(),
            drains(2),
        ),
        (
            "zeros after it",
            [&whole[..], &[0; 512]].concat(),
            all.clone(),
        ),
        (
            "zeros before it",
            [&[0; 512][..], &whole].concat(),
            all.clone(),
        ),
        (
            "a byte order mark",
            [&b"\xef\xbb\xbf"[..], &whole].concat(),
            all.clone(),
        ),
        ("twice", whole.repeat(2), all.clone()),
        (
            "no drains",
            b"{\"version\":1,\"drains\":{}}".to_vec(),
            drains(0),
        ),
        ("braces", b"}{}{{}}".to_vec(), drains(0)),
    ];
    for (name, text, expected) in cases {
        let Content { value, cause } = content(&text);
        assert!(cause.is_some(), "{name}");
        assert_eq!(value, expected, "{name}");
    }
}
