//! The keys of a check; those of each kind stand in a file of the kind.

mod agent;
mod bytes;
mod dns;
mod grpc;
mod haproxy_agent;
mod http;
mod local;
mod ping;
mod stream;
mod tls;
mod udp;

pub(in crate::config) use agent::AGENT;
pub(in crate::config) use bytes::{BYTES, EXPECTED_BODY, HEX, PATTERN, REGEX, SOME_TEXT};
pub(in crate::config) use dns::{DNS, DNS_NAME, RECORD_TYPE};
pub(in crate::config) use grpc::{GRPC, SERVICE_NAME};
pub(in crate::config) use haproxy_agent::HAPROXY_AGENT;
pub(in crate::config) use http::{EXPECT, HOST, HTTP, HTTPS, METHOD, REQUEST_TARGET};
pub(in crate::config) use local::{EXEC, FILE, USER};
pub(in crate::config) use ping::PING;
pub(in crate::config) use stream::{STEP, TCP, TLS};
pub(in crate::config) use tls::{SERVER_NAME, TLS_KEYS};
pub(in crate::config) use udp::UDP;

use super::super::Via;
use super::{
    Alternatives, Default, HOST_ADDRESS, INTERFACE, Key, Kind, Mapping, Optional, key, millis,
    port, words,
};

pub(in crate::config) static CHECK: Mapping = Mapping::new(
    "check",
    "a check",
    "What every real server must pass; a check is of one kind.",
    &[SIMPLE_KINDS, COMBINED_KINDS, &SCHEDULE],
)
.with(Alternatives::AtMostOne(&NAMES));

/// A check, or the word that stands in place of one.
pub(super) const CHECK_OR_NONE: Kind = Kind::AnyOf(&[Kind::Choice(none), Kind::Mapping(&CHECK)]);

fn none() -> Vec<(&'static str, &'static str)> {
    vec![("none", "asks nothing: the real server is always up")]
}

/// A check within `all` or `any`.
pub(in crate::config) static PART: Mapping = Mapping::new(
    "check_part",
    "a check in a list",
    "One check of `all` or `any`.",
    &[SIMPLE_KINDS],
)
.with(Alternatives::ExactlyOne(&SIMPLE_NAMES));

/// The names of the kinds that ask one thing.
const SIMPLE_NAMES: [&str; SIMPLE_KINDS.len()] = {
    let mut names = [""; SIMPLE_KINDS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = SIMPLE_KINDS[index].name;
        index += 1;
    }
    names
};

/// The names of all kinds.
const NAMES: [&str; SIMPLE_KINDS.len() + COMBINED_KINDS.len()] = {
    let mut names = [""; SIMPLE_KINDS.len() + COMBINED_KINDS.len()];
    let mut index = 0;
    while index < SIMPLE_NAMES.len() {
        names[index] = SIMPLE_NAMES[index];
        index += 1;
    }
    while index < names.len() {
        names[index] = COMBINED_KINDS[index - SIMPLE_NAMES.len()].name;
        index += 1;
    }
    names
};

const fn kind(name: &'static str, mapping: &'static Mapping) -> Key {
    key(
        name,
        Kind::Mapping(mapping),
        Optional("another kind"),
        mapping.doc,
    )
}

/// The kinds that ask one thing.
const SIMPLE_KINDS: &[Key] = &[
    kind("http", &HTTP),
    kind("https", &HTTPS),
    kind("tcp", &TCP),
    kind("tls", &TLS),
    kind("udp", &UDP),
    kind("dns", &DNS),
    kind("ping", &PING),
    kind("grpc", &GRPC),
    kind("exec", &EXEC),
    kind("file", &FILE),
    kind("haproxy_agent", &HAPROXY_AGENT),
    kind("agent", &AGENT),
];

const PARTS: Kind = Kind::List(&Kind::Mapping(&PART), 1);

/// The kinds that combine others.
const COMBINED_KINDS: &[Key] = &[
    key(
        "all",
        PARTS,
        Optional("another kind"),
        "All of several checks pass.",
    ),
    key(
        "any",
        PARTS,
        Optional("another kind"),
        "One of several checks passes.",
    ),
];

/// The shortest and the longest interval, in milliseconds.
pub(crate) const INTERVALS: (u64, u64) = (100, 3_600_000);
/// The same of a time-out.
pub(crate) const TIMEOUTS: (u64, u64) = (1, 60_000);
/// The fewest and the most results in a row that decide.
pub(crate) const RUN: (i64, i64) = (1, 1000);

const INTERVAL: Kind = millis(INTERVALS.0, INTERVALS.1);

/// Timing and source of a check of any kind.
pub(in crate::config) const SCHEDULE: [Key; 10] = [
    key(
        "via",
        Kind::Choice(words::<Via>),
        Default("real_server"),
        "Which way the check asks.",
    ),
    key(
        "interval",
        INTERVAL,
        Default("1s"),
        "From the start of one probe to the start of the next.",
    ),
    key(
        "fast_interval",
        INTERVAL,
        Optional("`interval`"),
        "The same while there is no verdict, or while the last result disagrees with the verdict; \
         at most `interval`.",
    ),
    key(
        "down_interval",
        INTERVAL,
        Optional("`interval`"),
        "The same while the real server is down.",
    ),
    key(
        "timeout",
        millis(TIMEOUTS.0, TIMEOUTS.1),
        Default("1s"),
        "For the whole exchange.",
    ),
    key(
        "rise",
        Kind::Integer(RUN.0, RUN.1, 2),
        Default("2"),
        "Passes in a row that bring a real server up.",
    ),
    key(
        "fall",
        Kind::Integer(RUN.0, RUN.1, 3),
        Default("3"),
        "Failures in a row that take a real server down.",
    ),
    key(
        "watch",
        Kind::Bool,
        Default("false"),
        "Whether an idle TCP connection is held to the check's port, whose end brings the next \
         probe forward.",
    ),
    key(
        "source",
        Kind::Text(HOST_ADDRESS),
        Optional("as routed"),
        "The address that probes come from.",
    ),
    key(
        "interface",
        Kind::Text(INTERFACE),
        Optional("as routed"),
        "The interface that probes leave by.",
    ),
];

/// The port on the real server, which is by default its own.
pub(super) const fn own_port(example: i64) -> Key {
    key(
        "port",
        port(example),
        Optional("the real server's own; with `fwmark` the key must be there"),
        "The port on the real server.",
    )
}
