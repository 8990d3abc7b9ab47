//! The mapping `check`.

mod agent;
mod bytes;
mod dns;
mod http;
mod kind;
mod local;
mod network;
pub(super) mod tls;
mod via;

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::time::Duration;

pub use agent::AgentCheck;
pub(crate) use dns::RCODES;
pub(crate) use kind::{ADDRESS, PORT};
pub use kind::{
    Check, CheckKind, DnsCheck, ExecCheck, Expression, FileCheck, GrpcCheck, HaproxyAgentCheck,
    HttpCheck, Origin, Pattern, StatusRanges, Step, StreamCheck, TlsSettings, UdpCheck, Via,
};
pub(super) use via::allowed_by as via_allowed_by;

use super::fields::Fields;
use super::node::{Content, Entry, Node};
use super::problem::{Problems, Read};
use super::scalar::{Value, list};

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
/// The most probes in a row that `rise` and `fall` can ask for.
const LONGEST_RUN: u16 = 1000;
const RISE: NonZeroU16 = NonZeroU16::MIN.saturating_add(1);
const FALL: NonZeroU16 = NonZeroU16::MIN.saturating_add(2);

/// Reads the mapping of one kind.
type Reader = fn(&Entry, Option<IpAddr>, &mut Problems) -> Read<CheckKind>;

/// The kinds that ask one thing.
const SIMPLE: [(&str, Reader); 12] = [
    ("http", http::http),
    ("https", http::https),
    ("tcp", network::tcp),
    ("tls", network::tls),
    ("udp", network::udp),
    ("dns", dns::dns),
    ("ping", network::ping),
    ("grpc", network::grpc),
    ("exec", local::exec),
    ("file", local::file),
    ("haproxy_agent", network::haproxy_agent),
    ("agent", agent::read),
];

/// The kinds that combine others.
const COMBINED: [(&str, Reader); 2] = [("all", all), ("any", any)];

const SCHEDULE: [&str; 9] = [
    "via",
    "interval",
    "fast_interval",
    "down_interval",
    "timeout",
    "rise",
    "fall",
    "source",
    "interface",
];

/// The check of a service with this VIP; without one (fwmark), the probed
/// address is the default host, which is not known here.
pub(super) fn check(
    entry: Option<&Entry>,
    vip: Option<IpAddr>,
    problems: &mut Problems,
) -> Read<Check> {
    let kinds = SIMPLE.iter().chain(&COMBINED);
    let keys: Vec<_> = kinds.map(|(key, _)| *key).chain(SCHEDULE).collect();
    let fields = Fields::section(entry, "a check", &keys, problems)?;
    let kind = match kind(&fields, vip, problems) {
        Ok(None) => http::default(vip),
        Ok(Some(kind)) => Ok(kind),
        Err(reported) => Err(reported),
    };
    let via = via::via(&fields, kind.as_ref().ok(), vip, problems);
    let interval = fields.or_default("interval", SECOND, |value| {
        value.duration(INTERVAL, problems)
    });
    let fast_interval = fast_interval(&fields, interval, problems);
    let down_interval = match fields.optional("down_interval") {
        Ok(Some(entry)) => Value::of(entry).duration(INTERVAL, problems),
        Ok(None) => interval,
        Err(reported) => Err(reported),
    };
    let timeout = fields.or_default("timeout", SECOND, |value| value.duration(TIMEOUT, problems));
    let rise = fields.or_default("rise", RISE, |value| value.run(RISE, problems));
    let fall = fields.or_default("fall", FALL, |value| value.run(FALL, problems));
    let source = fields.or_default("source", None, |value| {
        value.host_address(problems).map(Some)
    });
    let interface = fields.or_default("interface", None, |value| {
        value.interface(problems).map(Some)
    });
    Ok(Check {
        kind: kind?,
        via: via?,
        interval: interval?,
        fast_interval: fast_interval?,
        down_interval: down_interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
        origin: Origin {
            source: source?,
            interface: interface?,
        },
    })
}

/// Whether a check says what is asked, so that the default does not hold.
pub(super) fn says_kind(entry: Option<&Entry>) -> bool {
    match entry.map(|entry| entry.value.content()) {
        None | Some(Content::Null) => false,
        Some(Content::Mapping(entries)) => entries
            .iter()
            .any(|entry| !SCHEDULE.contains(&&*entry.key.value)),
        // It is no check at all, which is reported.
        Some(_) => true,
    }
}

fn fast_interval(
    fields: &Fields<'_>,
    interval: Read<Duration>,
    problems: &mut Problems,
) -> Read<Duration> {
    let Some(entry) = fields.optional("fast_interval")? else {
        return interval;
    };
    let fast = Value::of(entry).duration(INTERVAL, problems)?;
    match interval {
        Ok(interval) if fast > interval => Err(problems.add(
            entry.value.location,
            format!(
                "`fast_interval` is longer than `interval`, which is {}",
                humantime::format_duration(interval)
            ),
            "choose a shorter one, or leave it out: then it is `interval`",
        )),
        _ => Ok(fast),
    }
}

/// The one kind of a mapping; `None` if there is none.
fn kind(
    fields: &Fields<'_>,
    vip: Option<IpAddr>,
    problems: &mut Problems,
) -> Read<Option<CheckKind>> {
    let mut found: Option<(&str, &Entry, Reader)> = None;
    for (key, reader) in SIMPLE.iter().chain(&COMBINED) {
        let Some(entry) = fields.optional(key)? else {
            continue;
        };
        if let Some((first, ..)) = found {
            return Err(problems.add(
                entry.key.location,
                format!("a check is of one kind, and this one is `{first}` and `{key}`"),
                format!("remove one, or combine them: `all: [{{ {first}: … }}, {{ {key}: … }}]`"),
            ));
        }
        found = Some((key, entry, *reader));
    }
    found
        .map(|(_, entry, reader)| reader(entry, vip, problems))
        .transpose()
}

fn all(entry: &Entry, vip: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    parts(entry, vip, problems).map(CheckKind::All)
}

fn any(entry: &Entry, vip: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    parts(entry, vip, problems).map(CheckKind::Any)
}

fn parts(entry: &Entry, vip: Option<IpAddr>, problems: &mut Problems) -> Read<Vec<CheckKind>> {
    let hint = "write a list like `[{ tcp: { port: 25 } }, { ping: {} }]`";
    let Content::Sequence(nodes) = entry.value.content() else {
        return Err(Value::of(entry).wrong("a list of checks", hint, problems));
    };
    if nodes.is_empty() {
        let message = format!("the list `{}` is empty", entry.key.value);
        return Err(problems.add(entry.key.location, message, hint));
    }
    let parts: Vec<_> = nodes.iter().map(|node| part(node, vip, problems)).collect();
    parts.into_iter().collect()
}

fn part(node: &Node, vip: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    let keys = SIMPLE.map(|(key, _)| key);
    let fields = Fields::read(node, "a check in a list", &keys, problems)?;
    match kind(&fields, vip, problems)? {
        Some(kind) => Ok(kind),
        None => Err(problems.add(
            node.location,
            "a check in a list says no kind",
            format!("write one of {}", list(&keys, "and")),
        )),
    }
}

/// The port on the real server; without the key, its own, which a service by
/// firewall mark (without a VIP) does not give it.
fn own_port(
    fields: &Fields<'_>,
    what: &str,
    vip: Option<IpAddr>,
    problems: &mut Problems,
) -> Read<Option<u16>> {
    match fields.optional("port")? {
        Some(entry) => Value::of(entry)
            .integer(1..=u16::MAX, "443", problems)
            .map(Some),
        None if vip.is_none() => Err(problems.add(
            fields.location,
            format!("{what} has no `port`, and a firewall mark gives none"),
            "add the port on the real server, like `port: 443`",
        )),
        None => Ok(None),
    }
}

impl Value<'_> {
    /// A number of probes in a row.
    fn run(self, default: NonZeroU16, problems: &mut Problems) -> Read<NonZeroU16> {
        let run = self.integer(1..=LONGEST_RUN, &default.to_string(), problems)?;
        Ok(NonZeroU16::new(run).unwrap_or(NonZeroU16::MIN))
    }

    /// `true` or `false`.
    fn truth(self, problems: &mut Problems) -> Read<bool> {
        match self.node.content() {
            Content::Bool(value) => Ok(*value),
            Content::Null
            | Content::Number(_)
            | Content::Text(_)
            | Content::Sequence(_)
            | Content::Mapping(_) => {
                let hint = format!("write `{}: true` or `{}: false`", self.name, self.name);
                Err(self.wrong("`true` or `false`", hint, problems))
            }
        }
    }
}
