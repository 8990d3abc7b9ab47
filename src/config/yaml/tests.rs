use std::fmt::Write as _;

use super::*;

fn tree(text: &str) -> Result<Node, String> {
    let mut budget = MAX_VALUES;
    match parse(text, 0, &mut budget) {
        Ok(root) => Ok(root.unwrap()),
        Err(found) => Err(found.problems[0].message.clone()),
    }
}

/// Each level repeats the one below it twice.
fn doubling(levels: usize) -> String {
    let mut text = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..=levels {
        let below = level - 1;
        writeln!(text, "a{level}: &a{level} [*a{below}, *a{below}]").unwrap();
    }
    text
}

#[test]
fn aliases_share_what_they_repeat_and_are_bounded() {
    assert!(tree(&doubling(8)).is_ok());
    let message = tree(&doubling(40)).unwrap_err();
    assert!(message.contains("aliases stand for more than"), "{message}");
}

#[test]
fn depth_counts_through_aliases() {
    let nest = |inner: &str| format!("{}{inner}{}", "[".repeat(40), "]".repeat(40));
    let text = format!("a: &a {}\nb: {}\n", nest("1"), nest("*a"));
    let message = tree(&text).unwrap_err();
    assert!(message.contains("nested more than 64 deep"), "{message}");
    assert!(tree(&format!("a: &a {}\nb: *a\n", nest("1"))).is_ok());
}

#[test]
fn problem_in_an_alias_is_at_its_anchor() {
    let root = tree("a: &a { b: 1 }\nc: *a\n").unwrap();
    let Content::Mapping(entries) = root.content() else {
        panic!("a mapping");
    };
    assert_eq!(entries[0].value, entries[1].value);
    let place = entries[1].value.location;
    assert_eq!((place.line(), place.column(), place.width()), (1, 4, 11));
}
