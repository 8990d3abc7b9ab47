//! The keys of the checks `tcp` and `tls`.

use super::bytes::{BYTES_OR_TEXT, PATTERN_OR_TEXT};
use super::{TLS_KEYS, own_port};
use crate::config::declaration::{Alternatives, Key, Kind, Mapping, Optional, key};

pub(in crate::config) static TCP: Mapping = Mapping::section(
    "tcp_check",
    "a TCP check",
    "The connection is accepted, and a conversation goes as written.",
    &[&[own_port(443), STEPS]],
);

pub(in crate::config) static TLS: Mapping = Mapping::section(
    "tls_check",
    "a TLS check",
    "The same over TLS.",
    &[&[own_port(443), STEPS], &TLS_KEYS],
);

const STEPS: Key = key(
    "steps",
    STEP_LIST,
    Optional("the connection alone decides"),
    "What is sent and awaited, one after the other.",
);

const STEP_LIST: Kind = Kind::List(&Kind::Mapping(&STEP), 0);

pub(in crate::config) static STEP: Mapping = Mapping::new(
    "step",
    "a step",
    "A step of a conversation.",
    &[&[
        key("send", BYTES_OR_TEXT, Optional("`expect`"), "What is sent."),
        key(
            "expect",
            PATTERN_OR_TEXT,
            Optional("`send`"),
            "What must come.",
        ),
    ]],
)
.with(Alternatives::ExactlyOne(&["send", "expect"]));
