//! What a scalar without quotes means, in YAML's core schema (YAML 1.2,
//! section 10.3), with binary numbers besides.

use crate::config::node::Content;

/// The value of a scalar without quotes.
pub(in crate::config) fn plain(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "true" | "True" | "TRUE" => Content::Bool(true),
        "false" | "False" | "FALSE" => Content::Bool(false),
        _ if is_number(text) => Content::Number(text.into()),
        _ => Content::Text(text.into()),
    }
}

/// Whether a scalar is a number, however large.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if has_leading_zero(digits) || digits.starts_with(['+', '-']) {
        return false;
    }
    let of_radix = |radix, digits: &str| {
        !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix))
    };
    match digits {
        ".inf" | ".Inf" | ".INF" => true,
        ".nan" | ".NaN" | ".NAN" => digits == text,
        _ => match digits.get(..2) {
            Some("0x") => of_radix(16, &digits[2..]),
            Some("0o") => of_radix(8, &digits[2..]),
            Some("0b") => of_radix(2, &digits[2..]),
            // Rust's words for what is no number begin with a letter.
            _ => {
                digits.starts_with(|c: char| c == '.' || c.is_ascii_digit())
                    && digits.parse::<f64>().is_ok()
            }
        },
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

/// `007` is a text: for some readers of YAML it is octal, and for others decimal.
fn has_leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A whole number within `i128`: decimal, or with `0x`, `0o` or `0b` before it.
pub(in crate::config) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let radices = [("0x", 16), ("0o", 8), ("0b", 2)];
    let (digits, radix) = radices
        .into_iter()
        .find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)))
        .unwrap_or((digits, 10));
    if digits.starts_with(['+', '-']) || (radix == 10 && has_leading_zero(digits)) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests;
