//! Bytes that are sent, and patterns of bytes that are expected.

use crate::config::declaration::{Alternatives, Key, Kind, Mapping, Optional, Required, key, text};

pub(super) const BYTES_OR_TEXT: Kind = Kind::AnyOf(&[text("a text", ""), Kind::Mapping(&BYTES)]);

pub(super) const PATTERN_OR_TEXT: Kind =
    Kind::AnyOf(&[text("a text", "."), Kind::Mapping(&PATTERN)]);

pub(in crate::config) static BYTES: Mapping = Mapping::new(
    "bytes",
    "bytes",
    "Bytes that are no text.",
    &[&[key(
        "hex",
        HEX,
        Required("add a key `hex`"),
        "The bytes, with blanks between them or without.",
    )]],
);

const HEX: Kind = text(
    "bytes in hexadecimal, two digits each",
    "^ *([0-9A-Fa-f] *[0-9A-Fa-f] *)*$",
);

const PATTERN_KEYS: [Key; 2] = [
    key(
        "regex",
        text("a regular expression", ""),
        Optional("`hex`"),
        "In the syntax of the Rust crate `regex`.",
    ),
    key(
        "hex",
        text(
            "bytes in hexadecimal, two digits each",
            "^ *([0-9A-Fa-f] *[0-9A-Fa-f] *)+$",
        ),
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
