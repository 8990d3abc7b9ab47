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
pub(super) fn render(location: Location, line: &[char]) -> String {
    let start = location.column().saturating_sub(1).min(line.len());
    let end = start.saturating_add(location.width()).min(line.len());
    let part = |from: usize, to: usize| line.get(from..to).unwrap_or_default();

    let before = part(0, start).iter().rev();
    let first = start - count_fitting(before, BEFORE);
    let last = first + count_fitting(part(first, line.len()).iter(), WINDOW);
    let cut_before = if first > 0 { CUT } else { "" };
    let cut_after = if last < line.len() { CUT } else { "" };

    let padding = cut_before.len() + width(&shown(part(first, start)));
    let marks = width(&shown(part(start, end.min(last)))).max(1);
    let source = format!(
        "{:>6} | {cut_before}{}{cut_after}",
        location.line(),
        shown(part(first, last))
    );
    let source = source.trim_end();
    format!("{source}\n{0:>6} | {0:padding$}{0:^<marks$}", "")
}

/// How many of the characters fit in so many columns; as many characters at
/// most, since some take no column.
fn count_fitting<'c>(characters: impl Iterator<Item = &'c char>, columns: usize) -> usize {
    let mut used = 0;
    characters
        .take(columns)
        .take_while(|character| {
            used += width(&shown(std::slice::from_ref(character)));
            used <= columns
        })
        .count()
}

/// The characters as the terminal may have them.
fn shown(characters: &[char]) -> String {
    let mut text = String::new();
    for &character in characters {
        if character == '\t' {
            text.push_str(TAB);
        } else {
            push_printable(&mut text, character);
        }
    }
    text
}

/// Terminal columns; nothing of width unknown is left after `push_printable`.
fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}
