//! `UDP_CHECK`.

use std::fmt::Write as _;

use serde_yaml::{Mapping, Value};

use super::super::check::{Kind, pattern, regex};
use super::super::note::{Notes, SourceLocation};
use super::blocks::Statement;
use super::settings::note_invalid;

pub(super) fn kind(
    special: &[&Statement],
    port: Option<u16>,
    location: SourceLocation,
    notes: &mut Notes,
) -> Kind {
    let mut kind = Kind::new("udp").at_port(port);
    let mut has_payload = false;
    for inner in special {
        match inner.keyword() {
            "payload" => match nibbles(&inner.rest(), false) {
                Some(bytes) => {
                    has_payload = true;
                    let hex = Mapping::from_iter([(Value::from("hex"), hex(&bytes).into())]);
                    kind = kind.with("send", hex);
                }
                None => note_invalid(inner, "hexadecimal number", notes),
            },
            "require_reply" if inner.arguments().is_empty() => {
                kind = kind.with("expect", regex("^"));
            }
            "require_reply" => {
                let bytes = nibbles(&inner.rest(), true);
                let expression = bytes.map(|bytes| expression(&bytes));
                match expression.and_then(|text| pattern(&text, inner.location, notes)) {
                    Some(pattern) => kind = kind.with("expect", pattern),
                    None => note_invalid(inner, "hexadecimal number", notes),
                }
            }
            _ => inner.note_unsupported(notes),
        }
    }
    if !has_payload {
        let text = "`UDP_CHECK` without `payload` sends random bytes there, and an empty \
                    datagram here; write what the server understands into `send`";
        notes.once("payload", location, text);
    }
    kind
}

/// Bytes as two nibbles each; `None` is any nibble. A digit by itself is a byte.
type Nibbles = Vec<[Option<u8>; 2]>;

fn nibbles(text: &str, may_be_any: bool) -> Option<Nibbles> {
    let nibble = |digit: char| match digit {
        'x' | 'X' if may_be_any => Some(None),
        digit => Some(Some(u8::try_from(digit.to_digit(16)?).ok()?)),
    };
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let digits: Option<Vec<_>> = word.chars().map(nibble).collect();
        for pair in digits?.chunks(2) {
            bytes.push(match pair {
                [high, low] => [*high, *low],
                [low] => [Some(0), *low],
                _ => return None,
            });
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn hex(bytes: &Nibbles) -> String {
    let bytes = bytes.iter().map(|[high, low]| {
        let (high, low) = (high.unwrap_or_default(), low.unwrap_or_default());
        format!("{high:x}{low:x}")
    });
    bytes.collect::<Vec<_>>().join(" ")
}

/// An answer that starts with these bytes.
fn expression(bytes: &Nibbles) -> String {
    let mut text = String::from("(?s-u)^");
    for byte in bytes {
        // Writing to a text does not fail.
        let _ = match *byte {
            [Some(high), Some(low)] => write!(text, "\\x{high:x}{low:x}"),
            [Some(high), None] => write!(text, "[\\x{high:x}0-\\x{high:x}f]"),
            [None, Some(low)] => {
                let values = (0..16).map(|high| format!("\\x{high:x}{low:x}"));
                write!(text, "[{}]", values.collect::<String>())
            }
            [None, None] => write!(text, "."),
        };
    }
    text
}
