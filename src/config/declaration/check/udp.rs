//! The keys of the check `udp`.

use super::bytes::{BYTES_OR_TEXT, PATTERN_OR_TEXT};
use super::own_port;
use crate::config::declaration::{Mapping, Optional, key};

pub(in crate::config) static UDP: Mapping = Mapping::section(
    "udp_check",
    "a UDP check",
    "The datagram's answer is as expected.",
    &[&[
        own_port(443),
        key(
            "send",
            BYTES_OR_TEXT,
            Optional("an empty datagram"),
            "The datagram.",
        ),
        key(
            "expect",
            PATTERN_OR_TEXT,
            Optional("no answer is needed, and the port must not be refused"),
            "What the answer must have.",
        ),
    ]],
);
