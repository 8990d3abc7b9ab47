//! What a scalar without quotes means, in YAML's core schema (YAML 1.2,
//! section 10.3), with binary numbers besides.

use serde_yaml::Value;

use crate::config::node::Content;
use crate::config::whole_number::{has_leading_zero, integer};

/// The value of a scalar without quotes.
pub(in crate::config) fn plain(text: &str) -> Content {
    match text {
        "true" => Content::Bool(true),
        "false" => Content::Bool(false),
        _ if is_plainly_text(text) => Content::Text(text.into()),
        _ if is_plainly_number(text) => Content::Number(text.into()),
        _ => by_parser(text),
    }
}

/// Whether a text is a whole number in decimal, of less than 64 bits.
fn is_plainly_number(text: &str) -> bool {
    let is_short = (1..=18).contains(&text.len());
    is_short && text.bytes().all(|b| b.is_ascii_digit()) && !has_leading_zero(text)
}

/// Whether a text is a name, an IPv4 address, with or without a port, or a duration, which most
/// scalars of a large configuration are: the parser would set itself up for each.
fn is_plainly_text(text: &str) -> bool {
    let first = text.bytes().next().unwrap_or_default();
    if first.is_ascii_alphabetic() {
        let is_of_name =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
        let words = ["null", "true", "false"];
        text.bytes().all(is_of_name) && !words.iter().any(|word| text.eq_ignore_ascii_case(word))
    } else {
        let is_of_address = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b':');
        let is_address =
            || text.bytes().all(is_of_address) && text.bytes().filter(|b| *b == b'.').count() == 3;
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_duration = matches!(unit, "ms" | "s" | "m" | "h");
        first.is_ascii_digit() && (is_duration || is_address())
    }
}

fn by_parser(text: &str) -> Content {
    // serde_yaml reads `---` and `...` by themselves as marks between documents.
    let is_mark = text.chars().all(|c| matches!(c, '-' | '.'));
    let value = match serde_yaml::from_str(text) {
        _ if is_mark && !text.is_empty() => Value::String(text.to_owned()),
        Ok(value) => value,
        // serde_yaml has no value for a whole number of more than 64 bits.
        Err(_) if is_long_number(text) => return Content::Number(text.into()),
        Err(_) => Value::String(text.to_owned()),
    };
    match value {
        Value::Null => Content::Null,
        Value::Bool(value) => Content::Bool(value),
        Value::Number(_) => Content::Number(text.into()),
        Value::String(_) | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
            Content::Text(text.into())
        }
    }
}

/// The same as JSON.
pub(in crate::config) fn plain_json(text: &str) -> serde_json::Value {
    let number = || i64::try_from(integer(text)?).ok();
    match plain(text) {
        Content::Null | Content::Sequence(_) | Content::Mapping(_) => serde_json::Value::Null,
        Content::Bool(value) => value.into(),
        Content::Number(_) => number().into(),
        Content::Text(text) => (&*text).into(),
    }
}

/// A key as text: one that YAML takes for a number or so is no key of a
/// configuration, and only has to be shown.
pub(super) fn key_text(content: Content) -> Box<str> {
    match content {
        Content::Text(text) | Content::Number(text) => text,
        Content::Bool(value) => value.to_string().into(),
        Content::Null => "~".into(),
        Content::Sequence(_) | Content::Mapping(_) => Box::default(),
    }
}

/// Whether only digits follow the sign, if there is one.
fn is_long_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !has_leading_zero(digits)
}

#[cfg(test)]
mod tests;
