//! The keys of the check `agent`.

use crate::config::declaration::{Default, Mapping, key, port};

pub(in crate::config) static AGENT: Mapping = Mapping::section(
    "agent_check",
    "an agent check",
    "The real server's own lvs-agent reports that the service is ready.",
    &[&[key(
        "port",
        port(9477),
        Default("9477"),
        "The port of its HTTP endpoints.",
    )]],
);
