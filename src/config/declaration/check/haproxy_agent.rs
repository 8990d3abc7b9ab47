//! The keys of the check `haproxy_agent`.

use super::bytes::BYTES_OR_TEXT;
use crate::config::declaration::{Mapping, Optional, Required, key, port};

pub(in crate::config) static HAPROXY_AGENT: Mapping = Mapping::section(
    "haproxy_agent_check",
    "a check by HAProxy's agent",
    "The real server does not report `down`, as to HAProxy's `agent-check`.",
    &[&[
        key(
            "port",
            port(9999),
            Required("add the port that the agent listens on, like `port: 9999`"),
            "The port on the real server.",
        ),
        key(
            "send",
            BYTES_OR_TEXT,
            Optional("nothing"),
            "What is sent first.",
        ),
    ]],
);
