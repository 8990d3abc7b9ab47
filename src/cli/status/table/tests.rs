use super::*;

const COLUMNS: &[Column] = &[
    Column::left("NAME"),
    Column::right("WEIGHT").gives_way(1),
    Column::right("ACTIVE").gives_way(2),
    Column::left("LAST PROBE"),
];

fn lines(width: Option<usize>, probe: &str) -> Vec<String> {
    let row: Vec<Cell> = vec!["rs1".into(), "100".into(), "7".into(), probe.into()];
    let mut out = Vec::new();
    let canvas = Canvas {
        width,
        has_colours: false,
    };
    write(&mut out, COLUMNS, &[row], canvas).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().map(str::to_owned).collect()
}

const PROBE: &str = "connection refused, port 80, 300us, 5s ago";

#[test]
fn nothing_is_cut_in_a_pipe() {
    assert_eq!(
        lines(None, PROBE),
        [
            "NAME  WEIGHT  ACTIVE  LAST PROBE",
            "rs1      100       7  connection refused, port 80, 300us, 5s ago",
        ]
    );
}

#[test]
fn columns_give_way_by_their_rank_and_the_last_one_is_cut() {
    for (width, expected) in [
        (
            64,
            "rs1      100       7  connection refused, port 80, 300us, 5s ago",
        ),
        (
            60,
            "rs1      100       7  connection refused, port 80, 300us,...",
        ),
        (46, "rs1      100       7  connection refused, p..."),
        (45, "rs1      100  connection refused, port 80,..."),
        (32, "rs1   connection refused, por..."),
        (20, "rs1   connection ..."),
        (7, "rs1   ."),
        (2, ".."),
    ] {
        assert_eq!(lines(Some(width), PROBE)[1], expected, "{width}");
    }
}

#[test]
fn wide_characters_count_as_two_columns() {
    let long = "机".repeat(40);
    let shown = &lines(Some(50), &long)[1];
    assert!(shown.ends_with("机..."), "{shown}");
    assert!(shown.width() <= 50, "{shown}");
}

#[test]
fn line_ends_without_blanks() {
    assert_eq!(lines(None, "")[1], "rs1      100       7");
}

#[test]
fn colour_covers_only_the_text() {
    let cell = Cell {
        text: "down".to_owned(),
        tone: Some(Tone::Problem),
    };
    let columns = const { &[Column::left("HEALTH"), Column::left("FOR")] };
    let mut out = Vec::new();
    let canvas = Canvas {
        width: None,
        has_colours: true,
    };
    write(&mut out, columns, &[vec![cell, "5s".into()]], canvas).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("mdown\x1b["), "{text:?}");
    assert!(text.ends_with("m    5s\n"), "{text:?}");
}
