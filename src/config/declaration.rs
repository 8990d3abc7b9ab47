//! The keys of the configuration, each declared once: the readers, the known
//! keys of a message, defaults, ranges, the JSON Schema and the reference of
//! the manual come from these tables.

mod check;
mod choices;
mod manual_page;
mod notify;
mod reference;
mod schema;
mod secret;
mod sections;
mod service;
mod trust;

use std::time::Duration;

use check::CHECK_OR_NONE;
pub(super) use check::{
    AGENT, BYTES, CHECK, DNS, DNS_NAME, EXEC, EXPECT, EXPECTED_BODY, FILE, GRPC, HAPROXY_AGENT,
    HEX, HOST, HTTP, HTTPS, METHOD, PART, PATTERN, PING, RECORD_TYPE, REGEX, REQUEST_TARGET,
    SCHEDULE, SERVER_NAME, SERVICE_NAME, SOME_TEXT, STEP, TCP, TLS, TLS_KEYS, UDP, USER,
};
pub(crate) use check::{INTERVALS, RUN, TIMEOUTS as CHECK_TIMEOUTS};
pub(super) use choices::{Choice, TunnelType, words};
pub use manual_page::manual_page;
pub(super) use notify::{MAIL, MAIL_ADDRESS, NOTIFY, TARGETS, URL, WEBHOOK};
pub use reference::reference;
pub use schema::schema;
pub(super) use secret::{CREDENTIAL, SECRET_SOURCE, VARIABLE};
use secret::{ELSEWHERE, SECRET};
pub(super) use sections::{
    CONFIGURATION, CONTROL, DIRECTOR, HTTP_SECTION, INCLUDE, INCLUDED, METRICS, PROBE_MARK,
    REAL_SERVER_ROLE, TIMEOUTS,
};
pub(super) use service::{
    DEFAULTS, ENGINE, PERSISTENCE, REAL_SERVER, SCHEDULER, SERVICE, SHARE, SORRY_SERVER, TUNNEL,
};

/// A mapping and its keys.
#[derive(Debug)]
pub(super) struct Mapping {
    /// As the manual and the schema call it.
    pub(super) name: &'static str,
    /// As messages call it, with its article.
    pub(super) what: &'static str,
    /// What it is, in a sentence.
    pub(super) doc: &'static str,
    /// Whether nothing may stand in its place, as in `http:`.
    pub(super) may_be_empty: bool,
    /// In the order of the manual; groups that several mappings share.
    pub(super) keys: &'static [&'static [Key]],
    pub(super) alternatives: Alternatives,
}

/// Keys of which not all go together.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alternatives {
    None,
    ExactlyOne(&'static [&'static str]),
    AtMostOne(&'static [&'static str]),
}

impl Mapping {
    const fn new(
        name: &'static str,
        what: &'static str,
        doc: &'static str,
        keys: &'static [&'static [Key]],
    ) -> Self {
        Self {
            name,
            what,
            doc,
            may_be_empty: false,
            keys,
            alternatives: Alternatives::None,
        }
    }

    /// A mapping in whose place nothing may stand.
    const fn section(
        name: &'static str,
        what: &'static str,
        doc: &'static str,
        keys: &'static [&'static [Key]],
    ) -> Self {
        Self {
            may_be_empty: true,
            ..Self::new(name, what, doc, keys)
        }
    }

    const fn with(self, alternatives: Alternatives) -> Self {
        Self {
            alternatives,
            ..self
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().copied().flatten()
    }

    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) presence: Presence,
    /// What the key does, for the manual and the schema.
    pub(super) doc: &'static str,
}

/// What holds where a key is not there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Presence {
    /// The key must be there; the hint says what to add.
    Required(&'static str),
    /// This value, as it would be written.
    Default(&'static str),
    /// What these words say, which depends on other keys.
    Optional(&'static str),
}

use Presence::{Default, Optional, Required};

/// What a key can have.
#[derive(Debug)]
pub(super) enum Kind {
    Bool,
    /// From and to; then a number for an example.
    Integer(i64, i64, i64),
    Duration(Duration, Duration),
    /// One of these words, each with what it does.
    Choice(fn() -> Vec<(&'static str, &'static str)>),
    Text(Text),
    Mapping(&'static Mapping),
    /// Of at least so many.
    List(&'static Kind, usize),
    /// Names of any kind, each with such a value.
    Map(&'static Kind),
    AnyOf(&'static [Kind]),
}

/// A text with rules of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    /// What it is, with its article.
    pub(super) wanted: &'static str,
    /// What to write, for whoever wrote something else.
    pub(super) hint: &'static str,
    /// A regular expression that every valid one matches.
    pattern: &'static str,
}

const fn key(name: &'static str, kind: Kind, presence: Presence, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        presence,
        doc,
    }
}

const fn text(wanted: &'static str, hint: &'static str, pattern: &'static str) -> Text {
    Text {
        wanted,
        hint,
        pattern,
    }
}

/// A text without rules.
pub(super) const ANY_TEXT: Text = text("a text", "put it in quotes", "");

const fn millis(first: u64, last: u64) -> Kind {
    Kind::Duration(Duration::from_millis(first), Duration::from_millis(last))
}

const fn seconds(first: u64, last: u64) -> Kind {
    Kind::Duration(Duration::from_secs(first), Duration::from_secs(last))
}

const DAY: u64 = 24 * 60 * 60;

/// `INT_MAX / HZ` seconds, the most that `ip_vs_set_timeout` takes, where `HZ`
/// is 1000.
pub(crate) const LONGEST_TIMEOUT: u64 = 24 * DAY;

pub(super) const NAME: Text = text(
    "a name of 1 to 63 letters, digits, `.`, `_` or `-`",
    "write a name such as `web`",
    "^[A-Za-z0-9._-]{1,63}$",
);
pub(super) const PATH: Text = text(
    "an absolute path",
    "write a path that starts with `/`",
    "^/",
);
pub(super) const INTERFACE: Text = text(
    "the name of a network interface, of 1 to 15 characters",
    "write a name such as `eth0`; `ip link` lists those of this host",
    "^[^/:\\s]{1,15}$",
);
pub(super) const HOST_ADDRESS: Text = text(
    "an IP address",
    "write it like `192.168.11.21` or `2001:db8::21`; names are not looked up",
    "^[0-9A-Fa-f.:]+$",
);
pub(super) const SERVICE_ADDRESS: Text = text(
    "a VIP with a port, or with `*` for every port",
    "write it like `192.168.11.200:80` or `\"[2001:db8::200]:80\"`",
    "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):([0-9]+|\\*)$",
);
pub(super) const LISTEN: Text = text(
    "an IP address with a port",
    "write it like `127.0.0.1:9477` or `\"[::1]:9477\"`",
    "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]+$",
);

const fn port(example: i64) -> Kind {
    Kind::Integer(1, 65_535, example)
}

#[cfg(test)]
mod tests;
