//! The keys of a check.

use super::super::Via;
use super::sections::{CA, VERIFY};
use super::{
    Alternatives, Default, ELSEWHERE, HOST_ADDRESS, INTERFACE, Key, Kind, Mapping, Optional, PATH,
    Required, SECRET, key, millis, port, text, words,
};

pub(in crate::config) static CHECK: Mapping = Mapping::section(
    "check",
    "a check",
    "What every real server must pass; a check is of one kind.",
    &[&SIMPLE_KINDS, &COMBINED_KINDS, &SCHEDULE],
)
.with(Alternatives::AtMostOne(&NAMES));

/// A check within `all` or `any`.
pub(in crate::config) static PART: Mapping = Mapping::new(
    "check_part",
    "a check in a list",
    "One check of `all` or `any`.",
    &[&SIMPLE_KINDS],
)
.with(Alternatives::ExactlyOne(&SIMPLE_NAMES));

/// The names of the kinds that ask one thing.
const SIMPLE_NAMES: [&str; 12] = {
    let mut names = [""; 12];
    let mut index = 0;
    while index < names.len() {
        names[index] = SIMPLE_KINDS[index].name;
        index += 1;
    }
    names
};
const ALL: &str = "all";
const ANY: &str = "any";

/// The names of all kinds.
const NAMES: [&str; 14] = {
    let mut names = [ALL; 14];
    let mut index = 0;
    while index < SIMPLE_NAMES.len() {
        names[index] = SIMPLE_NAMES[index];
        index += 1;
    }
    names[index] = ANY;
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
pub(in crate::config) const SIMPLE_KINDS: [Key; 12] = [
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
const COMBINED_KINDS: [Key; 2] = [
    key(
        ALL,
        PARTS,
        Optional("another kind"),
        "All of several checks pass.",
    ),
    key(
        ANY,
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
pub(in crate::config) const SCHEDULE: [Key; 9] = [
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
        "source",
        HOST_ADDRESS,
        Optional("as routed"),
        "The address that probes come from.",
    ),
    key(
        "interface",
        INTERFACE,
        Optional("as routed"),
        "The interface that probes leave by.",
    ),
];

/// The port on the real server, which is by default its own.
const fn own_port(example: i64) -> Key {
    key(
        "port",
        port(example),
        Optional("the real server's own; with `fwmark` the key must be there"),
        "The port on the real server.",
    )
}

const fn http_port(example: i64, without: &'static str) -> Key {
    key(
        "port",
        port(example),
        Optional(without),
        "The port on the real server.",
    )
}

const HTTP_KEYS: [Key; 6] = [
    key(
        "path",
        text(
            "a path that starts with `/`, in ASCII without spaces",
            "^/[!-~]*$",
        ),
        Default("/"),
        "The request target.",
    ),
    key(
        "host",
        text("a host name in ASCII without spaces", "^[!-.0-~]{1,259}$"),
        Optional("the VIP"),
        "The `Host` header.",
    ),
    key(
        "method",
        text("a request method in upper case", "^[A-Z-]{1,20}$"),
        Default("GET"),
        "The request method, but `CONNECT` and `TRACE`.",
    ),
    key(
        "headers",
        Kind::Map(&SECRET),
        Optional("no further headers"),
        "Further headers, values in ASCII.",
    ),
    key("body", SECRET, Optional("none"), "The body that is sent."),
    key(
        "expect",
        Kind::Mapping(&EXPECT),
        Optional("the defaults of its keys"),
        "What the answer must have.",
    ),
];

/// The keys of TLS, which stand beside those of the check that uses it.
pub(in crate::config) const TLS_KEYS: [Key; 5] = [
    key(
        "server_name",
        text(
            "the name or the address that the certificate is for",
            "^[A-Za-z0-9._:-]{1,253}$",
        ),
        Optional("the host, or the address that is probed"),
        "The name that is asked for (SNI) and that the certificate must be for.",
    ),
    CA,
    key(
        "client_certificate",
        PATH,
        Optional("none"),
        "The client's certificate, in PEM. Needs `client_key`.",
    ),
    key(
        "client_key",
        Kind::AnyOf(&[PATH, ELSEWHERE]),
        Optional("none"),
        "The key of `client_certificate`, in PEM: the path of its file, or where the key is.",
    ),
    VERIFY,
];

pub(in crate::config) static HTTP: Mapping = Mapping::section(
    "http_check",
    "an HTTP check",
    "The status, and the body if one is configured, are as expected.",
    &[
        &HTTP_KEYS,
        &[http_port(80, "the real server's own, or 80 with `fwmark`")],
    ],
);

pub(in crate::config) static HTTPS: Mapping = Mapping::section(
    "https_check",
    "an HTTPS check",
    "The same over TLS.",
    &[
        &HTTP_KEYS,
        &[http_port(
            443,
            "the real server's own, or 443 with `fwmark`",
        )],
        &TLS_KEYS,
    ],
);

pub(in crate::config) static EXPECT: Mapping = Mapping::section(
    "expect",
    "`expect`",
    "What the answer to an HTTP request must have.",
    &[&[
        key(
            "status",
            Kind::AnyOf(&[STATUS, RANGE, Kind::List(&Kind::AnyOf(&[STATUS, RANGE]), 1)]),
            Default("200-299"),
            "Status codes and ranges of them.",
        ),
        key(
            "body",
            Kind::AnyOf(&[text("a text", "."), Kind::Mapping(&EXPECTED_BODY)]),
            Optional("any body"),
            "What the body must have or must not have.",
        ),
    ]],
);

const STATUS: Kind = Kind::Integer(100, 599, 200);
const RANGE: Kind = text(
    "a range of status codes, the lower first",
    "^\\s*[1-5][0-9]{2}\\s*(-\\s*[1-5][0-9]{2}\\s*)?$",
);

const STEP_LIST: Kind = Kind::List(&Kind::Mapping(&STEP), 0);

const STEPS: Key = key(
    "steps",
    STEP_LIST,
    Optional("the connection alone decides"),
    "What is sent and awaited, one after the other.",
);

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

const BYTES_OR_TEXT: Kind = Kind::AnyOf(&[text("a text", ""), Kind::Mapping(&BYTES)]);
const PATTERN_OR_TEXT: Kind = Kind::AnyOf(&[text("a text", "."), Kind::Mapping(&PATTERN)]);

const HEX: Kind = text(
    "bytes in hexadecimal, two digits each",
    "^ *([0-9A-Fa-f] *[0-9A-Fa-f] *)*$",
);

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

pub(in crate::config) static DNS: Mapping = Mapping::section(
    "dns_check",
    "a DNS check",
    "The answer has the expected records or response code.",
    &[&[
        key(
            "port",
            port(53),
            Default("53"),
            "The port on the real server.",
        ),
        key(
            "name",
            text("a name of the DNS", "^"),
            Required("add a line like `name: example.com`"),
            "The name that is asked for.",
        ),
        key(
            "type",
            text("a type of DNS records", "^[A-Za-z0-9]+$"),
            Default("A"),
            "The type of record that is asked for.",
        ),
        key(
            "answers",
            Kind::AnyOf(&[text("a text", ""), Kind::List(&text("a text", ""), 0)]),
            Optional("any record of the type will do"),
            "Records that must be among the answers, written as in a zone file.",
        ),
        key(
            "rcode",
            Kind::AnyOf(&[RCODE, Kind::List(&RCODE, 1)]),
            Optional("`NOERROR` with a record of the type"),
            "Response codes that pass, like `NXDOMAIN`; no record is needed with the key.",
        ),
    ]],
);

const RCODE: Kind = text("a response code of the DNS", "^[A-Za-z]+$");

pub(in crate::config) static PING: Mapping =
    Mapping::section("ping", "a ping", "The host answers an ICMP echo.", &[]);

pub(in crate::config) static GRPC: Mapping = Mapping::section(
    "grpc_check",
    "a gRPC check",
    "gRPC's standard health service reports `SERVING`.",
    &[
        &[
            own_port(443),
            key(
                "service",
                text("the name of a service", ""),
                Optional("the server as a whole"),
                "The service that is asked for.",
            ),
            key(
                "tls",
                Kind::Bool,
                Default("false"),
                "HTTP/2 over TLS; the keys below need it.",
            ),
        ],
        &TLS_KEYS,
    ],
);

pub(in crate::config) static EXEC: Mapping = Mapping::section(
    "exec_check",
    "an exec check",
    "A program on the director ends with 0.",
    &[&[
        key(
            "command",
            Kind::List(&text("a text", ""), 1),
            Required("add a line like `command: [/usr/local/bin/check, \"{address}\"]`"),
            "The program's absolute path and its arguments, in which `{address}` and `{port}` \
             stand for the real server's.",
        ),
        key(
            "user",
            text("the name of a user", "^[^:\\x00\\n]+$"),
            Optional("the agent's own"),
            "Who runs the program.",
        ),
        key(
            "advice",
            Kind::Bool,
            Default("false"),
            "Whether the first line of the program's output is a weight.",
        ),
    ]],
);

pub(in crate::config) static FILE: Mapping = Mapping::section(
    "file_check",
    "a file check",
    "A file on the director does not contain `down`.",
    &[&[key(
        "path",
        PATH,
        Required("add a line like `path: \"/etc/lvs-agent/weights/{address}\"`"),
        "The path, in which `{address}` and `{port}` stand for the real server's.",
    )]],
);

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
