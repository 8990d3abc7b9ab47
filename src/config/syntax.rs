//! Messages of the YAML parser in words that help to correct the file.

use super::node::Location;
use super::problem::{Problem, quoted};

/// What to do where collections are nested too deeply.
pub(super) const TOO_DEEP_HINT: &str =
    "a configuration is at most 10 deep: look for brackets that are opened and not closed";
/// What to do where aliases multiply.
pub(super) const ALIASES_HINT: &str =
    "an alias (`*name`) repeats a whole value: let none stand inside what another one repeats";

/// The lines of a text, as YAML 1.2 (section 5.4) breaks them.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let line = rest?;
        let Some(end) = line.find(['\n', '\r']) else {
            rest = None;
            return Some(line);
        };
        let (line, tail) = line.split_at(end);
        rest = tail.strip_prefix("\r\n").or_else(|| tail.get(1..));
        Some(line)
    })
}

/// A bracket that is still open on a later line, where nothing fits any more.
pub(super) fn unclosed_bracket(bracket: Location, closing: char, noticed: Location) -> Problem {
    let line = noticed.line();
    Problem {
        location: Some(bracket),
        message: "this bracket is not closed".to_owned(),
        hint: format!("close it with `{closing}` before line {line}"),
    }
}

/// A character that no YAML file may hold, or that readers of YAML disagree on.
pub(super) fn forbidden_character(text: &str) -> Option<Problem> {
    lines(text).enumerate().find_map(|(index, line)| {
        let (column, character) = line.chars().enumerate().find(|&(_, c)| is_forbidden(c))?;
        let location = Location::new(index + 1, column + 1, 1);
        Some(Problem {
            location: Some(location),
            message: format!(
                "the invisible character U+{:04X} is not allowed in YAML",
                u32::from(character)
            ),
            hint: "delete it; it may have come in by copy and paste".to_owned(),
        })
    })
}

/// Not printable by YAML 1.2 (section 5.1), or a line break in YAML 1.1 alone.
fn is_forbidden(character: char) -> bool {
    (character.is_control() && character != '\t')
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// What a parser says contains one of these; then the message and the hint are these.
/// The first that fits is taken.
const SENTENCES: [(&[&str], &str, &str); 13] = [
    (
        &["recursion limit"],
        "lists and mappings are nested too deeply",
        TOO_DEEP_HINT,
    ),
    (
        &["unknown anchor"],
        "this alias stands for nothing that is defined above it",
        "define it with `&name` where the value stands first; \
         if the `*` is part of a text, put the text in quotes",
    ),
    (
        &["escape"],
        "in this text, a `\\` is followed by what YAML does not know",
        "put the text in single quotes, or write `\\\\` for a backslash",
    ),
    (
        &["trailing content"],
        "something follows the closing quote",
        "put all of the text between one pair of quotes",
    ),
    (
        &["quoted scalar"],
        "this quote is not closed",
        "put the same quote at the end of the text",
    ),
    (
        &["unexpected character"],
        "a value cannot start with this character",
        "put the value in quotes",
    ),
    (
        &["mapping values are not allowed"],
        "a `:` cannot stand here",
        "indent this line like its neighbours; put a text that holds `: ` in quotes",
    ),
    (
        &["block sequence entries are not allowed"],
        "a list cannot start here",
        "put the `-` on a line of its own, below the key",
    ),
    (
        &["expected node content"],
        "a value is missing here",
        "write the value; between brackets, one `,` stands between two values",
    ),
    (
        &["misplaced bracket"],
        "this bracket closes nothing",
        "remove it, or open it before",
    ),
    (
        &["',' or"],
        "the list or mapping in brackets does not go on like this",
        "put a `,` between the entries and the closing bracket after the last",
    ),
    (
        &["expected '-'"],
        "this does not fit the list above it",
        "start the entry with `- `, below the other entries' `-`",
    ),
    (
        &["did not find expected key", "invalid indentation"],
        "this does not fit the mapping around it",
        "let all keys of one mapping start in the same column",
    ),
];

/// Sentences for what a parser said at `location`; `before` is the last value that it understood.
pub(super) fn explain(
    parser_message: &str,
    location: Location,
    before: Option<Location>,
    text: &str,
) -> Problem {
    let line = nth_line(text, location.line());
    let before = before.filter(|before| {
        before.line() < location.line() && parser_message.contains("mapping values are not allowed")
    });
    // A tab is noticed on its line, or where the text starts that goes on into that line.
    let last = location.line() + usize::from(parser_message.contains("found a tab"));
    let tabs = (location.line()..=last).find_map(|number| tabs(number, nth_line(text, number)));
    let (location, message, hint) = if let Some(tabs) = tabs {
        (
            tabs,
            "the line is indented with a tab, and YAML takes only spaces",
            "replace the tab by spaces, as many as its neighbours have",
        )
    } else if let Some(before) = before {
        swallowed_line(before, location, text)
    } else if parser_message.contains("expected key") && looks_like_bare_ipv6(line) {
        (
            location,
            "an IPv6 address in brackets must be in quotes",
            "write it like `address: \"[2001:db8::200]:80\"`",
        )
    } else if let Some((_, message, hint)) = SENTENCES
        .iter()
        .find(|(parts, _, _)| parts.iter().any(|part| parser_message.contains(part)))
    {
        (location, *message, *hint)
    } else {
        return Problem {
            location: Some(location),
            message: format!("not valid YAML: {}", quoted(parser_message)),
            hint: "look at the indentation and the quotes of this line and the one above"
                .to_owned(),
        };
    };
    Problem {
        location: Some(location),
        message: message.to_owned(),
        hint: hint.to_owned(),
    }
}

/// A text that started on an earlier line, at `before`, took in the start of
/// the line at `location`, which was meant to be a key of its own.
fn swallowed_line(
    before: Location,
    location: Location,
    text: &str,
) -> (Location, &'static str, &'static str) {
    if indentation(nth_line(text, before.line())) + 1 == before.column() {
        return (
            before,
            "this line has no `: ` after its key",
            "write `key: value`, with a space after the `:`",
        );
    }
    let column = indentation(nth_line(text, location.line())) + 1;
    let width = location.column().saturating_sub(column);
    let key = Location::new(location.line(), column, width);
    (
        key,
        "this line is indented too far, and so continues the text above it",
        "let its first letter stand below that of the key above",
    )
}

fn nth_line(text: &str, number: usize) -> &str {
    lines(text).nth(number.saturating_sub(1)).unwrap_or("")
}

/// How many characters of white space the line starts with.
fn indentation(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).count()
}

/// From the first tab of the line's indentation to its end.
fn tabs(number: usize, line: &str) -> Option<Location> {
    let indentation = indentation(line);
    let tab = line.chars().take(indentation).position(|c| c == '\t')?;
    Some(Location::new(number, tab + 1, indentation - tab))
}

/// Whether the line has something like `: [2001:db8::200]:80`, which YAML takes for a list.
fn looks_like_bare_ipv6(line: &str) -> bool {
    let Some((_, bracket)) = line.split_once(": [") else {
        return false;
    };
    bracket.split_once("]:").is_some_and(|(inside, _)| {
        inside.matches(':').count() >= 2
            && inside
                .chars()
                .all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'))
    })
}
