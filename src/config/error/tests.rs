use super::*;

fn one(line: usize, column: usize, width: usize, text: &str) -> String {
    let problem = Problem {
        location: Some(Location::new(line, column, width)),
        message: "wrong".to_owned(),
        hint: "fix it".to_owned(),
    };
    ConfigErrors::new(&[("f.yaml".to_owned(), text.to_owned())], problem.into()).to_string()
}

#[test]
fn marks_stand_below_what_they_mark() {
    expect_test::expect![[r"
        f.yaml:2:4: wrong
             2 | b: wl c
               |    ^^^^
          hint: fix it
        1 problem in f.yaml"]]
    .assert_eq(&one(2, 4, 4, "a: 1\nb: wl c\n"));
}

#[test]
fn wide_characters_and_tabs_take_their_room() {
    expect_test::expect![[r"
        f.yaml:1:5: wrong
             1 | 漢字:    x y
               |          ^
          hint: fix it
        1 problem in f.yaml"]]
    .assert_eq(&one(1, 5, 1, "漢字:\tx y"));
}

#[test]
fn a_terminal_never_sees_control_characters() {
    let shown = one(1, 1, 3, "a\u{1b}[31m\u{202e}b\u{7f}\u{9b}");
    assert!(
        !shown.replace('\n', "").chars().any(char::is_control),
        "{shown}"
    );
    assert!(
        shown.contains(r"a\u{1b}[31m\u{202e}b\u{7f}\u{9b}"),
        "{shown}"
    );
    assert!(shown.contains("| ^^^^^^^^\n"), "{shown}");

    let named = ConfigErrors::file("a\u{1b}\nb", "wrong", "fix it").to_string();
    assert_eq!(named.lines().count(), 3, "{named}");
}

#[test]
fn a_long_line_is_cut_around_the_mark() {
    let text = format!("{}HERE{}", "x".repeat(5000), "y".repeat(5000));
    let shown = one(1, 5001, 4, &text);
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[1].len() < 120, "{shown}");
    let here = lines[1].find("HERE").unwrap();
    assert_eq!(lines[2].find("^^^^"), Some(here), "{shown}");
    assert!(
        lines[1].starts_with("     1 | ...x") && lines[1].ends_with("y..."),
        "{shown}"
    );
}

#[test]
fn a_place_past_the_end_is_survived() {
    assert!(one(9, 9, 9, "a").contains("f.yaml:9:9: wrong"));
}
