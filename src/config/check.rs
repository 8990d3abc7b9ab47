//! Checks: what each kind of check asks, and the reading of the mapping `check`.

mod agent;
mod bytes;
mod dns;
mod grpc;
mod haproxy_agent;
mod http;
mod kind;
mod local;
mod pattern;
mod ping;
mod status_ranges;
mod stream;
pub(super) mod tls;
mod udp;
mod via;
mod watch;
mod written;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

pub use agent::AgentCheck;
pub use dns::DnsCheck;
pub(crate) use dns::RCODES;
pub use grpc::GrpcCheck;
pub use haproxy_agent::HaproxyAgentCheck;
pub use http::HttpCheck;
pub use kind::CheckKind;
pub(crate) use local::{ADDRESS, PORT};
pub use local::{ExecCheck, FileCheck};
pub use pattern::{ExpectedBody, Expression, Pattern};
pub use status_ranges::StatusRanges;
pub use stream::{Step, StreamCheck};
pub use tls::{ClientCertificate, ClientKey, TlsSettings};
pub use udp::UdpCheck;
pub(super) use via::allowed_by as via_allowed_by;
pub(super) use written::{WrittenCheck, WrittenKey};

use super::Via;
use super::declaration::PART;
use super::fields::Fields;
use super::node::{Content, Entry, Node};
use super::problem::{Parsed, Problems};
use super::scalar::{Value, list};
use crate::model::ServiceKey;

/// What is asked of a real server, how often, and how many answers decide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Check {
    /// What is asked.
    pub kind: CheckKind,
    /// Which way it is asked.
    pub via: Via,
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// The same while the verdict is in doubt; at most `interval`.
    pub fast_interval: Duration,
    /// The same while the real server is down and stays so.
    pub down_interval: Duration,
    /// For the whole exchange, from connecting to the last byte read.
    pub timeout: Duration,
    /// Passes in a row that make a real server up.
    pub rise: NonZeroU16,
    /// Failures in a row that make it down.
    pub fall: NonZeroU16,
    /// Whether an idle connection is held to the check's port, whose end brings the next probe
    /// forward.
    pub watch: bool,
    /// Where probes come from, and how they leave this host.
    pub origin: Origin,
}

impl Check {
    /// The check as one of this service.
    pub(crate) fn of_service(mut self, service: ServiceKey) -> Self {
        self.kind.ask_for(service);
        self
    }

    /// Whether both ask the same in the same way, however often and however many answers decide.
    pub(crate) fn asks_same(&self, other: &Self) -> bool {
        (&self.kind, self.via, &self.origin) == (&other.kind, other.via, &other.origin)
    }

    /// The longest that may pass from the start of one probe to the start of
    /// the next, whatever the verdict is.
    pub(crate) fn longest_interval(&self) -> Duration {
        let fast = self.interval.max(self.fast_interval);
        fast.max(self.down_interval)
    }

    /// The longest that a probe may take.
    pub(crate) fn longest_probe(&self) -> Duration {
        match self.via {
            Via::RealServer => self.timeout,
            Via::Both => self.timeout * 2,
            Via::Vip => self.timeout * 3,
        }
    }
}

/// Where probes come from, and how they leave this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The source address; `None` for what the routes choose.
    pub source: Option<IpAddr>,
    /// The interface, whatever the routes say (`SO_BINDTODEVICE`).
    pub interface: Option<String>,
}

/// Reads the mapping of one kind.
type Reader = fn(&Entry, Option<SocketAddr>, &mut Problems) -> Parsed<CheckKind>;

/// The kinds that ask one thing.
const SIMPLE: &[(&str, Reader)] = &[
    ("http", |entry, vip, problems| {
        http::http(entry, vip, problems).map(CheckKind::Http)
    }),
    ("https", |entry, vip, problems| {
        http::https(entry, vip, problems).map(CheckKind::Http)
    }),
    ("tcp", |entry, vip, problems| {
        stream::tcp(entry, vip, problems).map(CheckKind::Stream)
    }),
    ("tls", |entry, vip, problems| {
        stream::tls(entry, vip, problems).map(CheckKind::Stream)
    }),
    ("udp", |entry, vip, problems| {
        udp::udp(entry, vip, problems).map(CheckKind::Udp)
    }),
    ("dns", |entry, vip, problems| {
        dns::dns(entry, vip, problems).map(CheckKind::Dns)
    }),
    ("ping", |entry, vip, problems| {
        ping::ping(entry, vip, problems).map(|()| CheckKind::Ping)
    }),
    ("grpc", |entry, vip, problems| {
        grpc::grpc(entry, vip, problems).map(CheckKind::Grpc)
    }),
    ("exec", |entry, vip, problems| {
        local::exec(entry, vip, problems).map(CheckKind::Exec)
    }),
    ("file", |entry, vip, problems| {
        local::file(entry, vip, problems).map(CheckKind::File)
    }),
    ("haproxy_agent", |entry, vip, problems| {
        haproxy_agent::haproxy_agent(entry, vip, problems).map(CheckKind::HaproxyAgent)
    }),
    ("agent", |entry, vip, problems| {
        agent::read(entry, vip, problems).map(CheckKind::Agent)
    }),
];

/// The kinds that combine others.
const COMBINED: &[(&str, Reader)] = &[("all", all), ("any", any)];

/// The check of a service with this VIP and port (0 for every port); without one (fwmark), the probed
/// address is the default host, which is not known here.
pub(super) fn check(
    written: WrittenCheck<'_>,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<Check> {
    let fields = written.fields(problems)?;
    let kind = match kind(&fields, vip, problems) {
        Ok(None) if written.is_none() => Ok(CheckKind::None),
        Ok(None) => Ok(CheckKind::Http(http::default(vip))),
        Ok(Some(kind)) => Ok(kind),
        Err(reported) => Err(reported),
    };
    let via = via::via(&fields, kind.as_ref().ok(), vip, problems);
    let watch = watch::watch(&fields, kind.as_ref().ok(), via.ok(), problems);
    let interval = fields.duration("interval", problems);
    let fast_interval = fast_interval(&fields, interval, problems);
    let down_interval = match fields.written("down_interval") {
        Ok(Some(value)) => value.duration(problems),
        Ok(None) => interval,
        Err(reported) => Err(reported),
    };
    let timeout = fields.duration("timeout", problems);
    let mut run = |key| {
        let run: Parsed<u16> = fields.integer(key, problems);
        run.map(|run| NonZeroU16::new(run).unwrap_or(NonZeroU16::MIN))
    };
    let rise = run("rise");
    let fall = run("fall");
    let source = fields.maybe("source", |value| value.host_address(problems));
    let interface = fields.maybe("interface", |value| value.interface(problems));
    Ok(Check {
        kind: kind?,
        via: via?,
        interval: interval?,
        fast_interval: fast_interval?,
        down_interval: down_interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
        watch: watch?,
        origin: Origin {
            source: source?,
            interface: interface?,
        },
    })
}

fn fast_interval(
    fields: &Fields<'_>,
    interval: Parsed<Duration>,
    problems: &mut Problems,
) -> Parsed<Duration> {
    let Some(value) = fields.written("fast_interval")? else {
        return interval;
    };
    let fast = value.duration(problems)?;
    match interval {
        Ok(interval) if fast > interval => Err(problems.add(
            value.node.location,
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
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<Option<CheckKind>> {
    let mut found: Option<(&str, &Entry, Reader)> = None;
    for (key, reader) in SIMPLE.iter().chain(COMBINED) {
        let Some(entry) = fields.entry(key)? else {
            continue;
        };
        if let Some((first, ..)) = found {
            return Err(problems.add(
                entry.key.location,
                format!("a check is of one kind, and this one is `{first}` and `{key}`"),
                if fields.has_any(COMBINED.iter().map(|(key, _)| *key)) {
                    "remove one; what `all` and `any` combine stands in their lists".to_owned()
                } else {
                    format!(
                        "remove one, or combine them: `all: [{{ {first}: … }}, {{ {key}: … }}]`"
                    )
                },
            ));
        }
        found = Some((key, entry, *reader));
    }
    found
        .map(|(_, entry, reader)| reader(entry, vip, problems))
        .transpose()
}

fn all(entry: &Entry, vip: Option<SocketAddr>, problems: &mut Problems) -> Parsed<CheckKind> {
    parts(entry, vip, problems).map(CheckKind::All)
}

fn any(entry: &Entry, vip: Option<SocketAddr>, problems: &mut Problems) -> Parsed<CheckKind> {
    parts(entry, vip, problems).map(CheckKind::Any)
}

fn parts(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<Vec<CheckKind>> {
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

fn part(node: &Node, vip: Option<SocketAddr>, problems: &mut Problems) -> Parsed<CheckKind> {
    let fields = Fields::read(node, &PART, problems)?;
    if let Some(kind) = kind(&fields, vip, problems)? {
        return Ok(kind);
    }
    let kinds: Vec<_> = SIMPLE.iter().map(|(key, _)| *key).collect();
    Err(problems.add(
        node.location,
        "a check in a list says no kind",
        format!("write one of {}", list(&kinds, "and")),
    ))
}

/// The port on the real server; without the key, its own, which a service by firewall
/// mark (without a VIP) or of every port does not give it.
fn own_port(
    fields: &Fields<'_>,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<Option<u16>> {
    if let Some(value) = fields.written("port")? {
        return value.integer(problems).map(Some);
    }
    let service = match vip {
        None => "a firewall mark",
        Some(vip) if vip.port() == 0 => "a service of every port",
        Some(_) => return Ok(None),
    };
    Err(problems.add(
        fields.location,
        format!("{} has no `port`, and {service} gives none", fields.what()),
        "add the port on the real server, like `port: 443`",
    ))
}
