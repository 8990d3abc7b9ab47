//! Bytes that are sent, and patterns of bytes that are expected.

use crate::config::declaration::{
    ANY_TEXT, Alternatives, Key, Kind, Mapping, Optional, Required, Text, key, text,
};

pub(super) const BYTES_OR_TEXT: Kind = Kind::AnyOf(&[Kind::Text(ANY_TEXT), Kind::Mapping(&BYTES)]);

/// A text that is not empty.
pub(in crate::config) const SOME_TEXT: Text = text(
    "a text",
    "write what the answer must have, like `\"220 \"`",
    ".",
);

pub(super) const PATTERN_OR_TEXT: Kind =
    Kind::AnyOf(&[Kind::Text(SOME_TEXT), Kind::Mapping(&PATTERN)]);

pub(in crate::config) static BYTES: Mapping = Mapping::new(
    "bytes",
    "bytes",
    "Bytes that are no text.",
    &[&[key(
        "hex",
        Kind::Text(HEX),
        Required("add a key `hex`"),
        "The bytes, with blanks between them or without.",
    )]],
);

pub(in crate::config) const HEX: Text = text(
    "bytes in hexadecimal, two digits each",
    "write it like `hex: \"00 ff\"`, in quotes",
    "^ *([0-9A-Fa-f] *[0-9A-Fa-f] *)*$",
);

/// At least one byte of them.
const SOME_HEX: Text = text(HEX.wanted, HEX.hint, "^ *([0-9A-Fa-f] *[0-9A-Fa-f] *)+$");
pub(in crate::config) const REGEX: Text = text("a regular expression", "put it in quotes", "");

const PATTERN_KEYS: [Key; 2] = [
    key(
        "regex",
        Kind::Text(REGEX),
        Optional("`hex`"),
        "In the syntax of the Rust crate `regex`.",
    ),
    key(
        "hex",
        Kind::Text(SOME_HEX),
        Optional("`regex`"),
        "The bytes, with blanks between them or without.",
    ),
];

pub(in crate::config) static PATTERN: Mapping = Mapping::new(
    "pattern",
    "a pattern",
    "A regular expression, or bytes that are no text.",
    &[&PATTERN_KEYS],
)
.with(Alternatives::ExactlyOne(&["regex", "hex"]));

pub(in crate::config) static EXPECTED_BODY: Mapping = Mapping::new(
    "expected_body",
    "an expected body",
    "A pattern that the body must have, or with `not` a pattern that the body must not have.",
    &[
        &PATTERN_KEYS,
        &[key(
            "not",
            PATTERN_OR_TEXT,
            Optional("the body must have the pattern"),
            "What the body must not have. The check waits for the end of the body.",
        )],
    ],
)
.with(Alternatives::ExactlyOne(&["regex", "hex", "not"]));
