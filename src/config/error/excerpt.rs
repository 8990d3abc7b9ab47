//! The line that a problem is on, with the place marked.

use unicode_width::UnicodeWidthChar;

use crate::config::node::Location;
use crate::config::problem::push_printable;

/// The most of a line that is shown, in terminal columns.
const WINDOW: usize = 100;
/// How much of it may come before the mark.
const BEFORE: usize = 60;
/// Stands where the line was cut.
const CUT: &str = "...";
/// A tab is shown as these.
const TAB: &str = "    ";

/// Two lines: the source, cut to a window around the place, and the marks.
pub(super) fn render(location: Location, line: &str) -> String {
    let characters: Vec<char> = line.chars().collect();
    let start = (location.column - 1).min(characters.len());
    let end = (start + location.width).clamp(start, characters.len());
    let shown = |from: usize, to: usize| {
        let mut text = String::new();
        for &character in characters.get(from..to).unwrap_or_default() {
            if character == '\t' {
                text.push_str(TAB);
            } else {
                push_printable(&mut text, character);
            }
        }
        text
    };

    let mut first = start;
    while first > 0 && width(&shown(first - 1, start)) <= BEFORE {
        first -= 1;
    }
    let mut last = first;
    let mut total = 0;
    while last < characters.len() {
        total += width(&shown(last, last + 1));
        if total > WINDOW {
            break;
        }
        last += 1;
    }
    let cut_before = if first > 0 { CUT } else { "" };
    let cut_after = if last < characters.len() { CUT } else { "" };

    let number = location.line;
    let source = shown(first, last);
    let padding = width(cut_before) + width(&shown(first, start));
    let marks = width(&shown(start, end.min(last))).max(1);
    let source = format!("{number:>6} | {cut_before}{source}{cut_after}");
    format!(
        "{}\n{:>6} | {:padding$}{:^<marks$}",
        source.trim_end(),
        "",
        "",
        ""
    )
}

/// Terminal columns; nothing of width unknown is left after `push_printable`.
fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}
