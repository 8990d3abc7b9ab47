//! What a check can be.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::super::secret::Secret;
use super::agent::AgentCheck;
use super::pattern::{ExpectedBody, Pattern};

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
    /// Where probes come from, and how they leave this host.
    pub origin: Origin,
}

impl Check {
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

/// Which way a real server is asked.
///
/// Where the way through the VIP fails, the real server's own address is asked
/// as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// At its own address.
    #[default]
    RealServer,
    /// At the VIP, over the path that the kernel has for clients.
    Vip,
    /// Both, and both must pass.
    Both,
}

impl Via {
    /// As it is written, where it leads through the VIP.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::RealServer => None,
            Self::Vip => Some("vip"),
            Self::Both => Some("both"),
        }
    }

    /// Whether it leads through the VIP.
    pub(crate) const fn through_vip(self) -> bool {
        self.name().is_some()
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

/// The kinds of checks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckKind {
    /// `http` and `https`: one HTTP/1.1 request.
    Http(HttpCheck),
    /// `tcp` and `tls`: a connection, and a conversation over it.
    Stream(StreamCheck),
    /// A datagram and its answer.
    Udp(UdpCheck),
    /// A question to a DNS server.
    Dns(DnsCheck),
    /// An ICMP echo.
    Ping,
    /// gRPC's standard health service.
    Grpc(GrpcCheck),
    /// A program on this host.
    Exec(ExecCheck),
    /// A file on this host.
    File(FileCheck),
    /// The real server tells its own share, as to HAProxy's `agent-check`.
    HaproxyAgent(HaproxyAgentCheck),
    /// The real server's own lvs-agent tells whether it can serve.
    Agent(AgentCheck),
    /// Passes when all of these pass; none of them is a combination itself.
    All(Vec<CheckKind>),
    /// Passes when one of these passes; none of them is a combination itself.
    Any(Vec<CheckKind>),
}

impl CheckKind {
    /// Whether the check runs a program by another user than the agent's own.
    pub(crate) fn runs_by_user(&self) -> bool {
        matches!(self, Self::Exec(check) if check.user.is_some())
    }

    /// The port that a probe's target has, for a real server with the port
    /// `own`: the only one that the check speaks to, or 0 where it does not
    /// matter. Equal checks of one host are then equal targets.
    pub fn target_port(&self, own: u16) -> u16 {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                if parts.iter().any(Self::uses_own_port) {
                    own
                } else {
                    0
                }
            }
            Self::Http(_)
            | Self::Stream(_)
            | Self::Udp(_)
            | Self::Dns(_)
            | Self::Ping
            | Self::Grpc(_)
            | Self::Exec(_)
            | Self::File(_)
            | Self::HaproxyAgent(_)
            | Self::Agent(_) => match self.port() {
                Some(port) => port,
                None if self.uses_own_port() => own,
                None => 0,
            },
        }
    }

    /// What of it goes the way of clients where it is asked through the VIP:
    /// HTTP, or a conversation over TCP. Of several that must all pass, the
    /// only one of these; `None` if there is no such one.
    pub(crate) fn through_vip(&self) -> Option<&Self> {
        match self {
            Self::Http(_) | Self::Stream(_) => Some(self),
            Self::All(parts) => {
                let mut through = parts.iter().filter_map(Self::through_vip);
                through.next().filter(|_| through.next().is_none())
            }
            Self::Udp(_)
            | Self::Dns(_)
            | Self::Ping
            | Self::Grpc(_)
            | Self::Exec(_)
            | Self::File(_)
            | Self::HaproxyAgent(_)
            | Self::Agent(_)
            | Self::Any(_) => None,
        }
    }

    /// The port at which it asks what clients ask for, of a real server with
    /// the port `own`; 0 where there is none. What an agent tells is told of
    /// the real server's own port.
    pub(crate) fn clients_port(&self, own: u16) -> u16 {
        let asked = self.through_vip().unwrap_or(self);
        if matches!(asked, Self::Agent(_)) {
            own
        } else {
            asked.target_port(own)
        }
    }

    /// Whether an answer, or its absence, shows if the real server is there
    /// at all, apart from what runs on it.
    pub(crate) fn connects(&self) -> bool {
        match self {
            Self::Http(_)
            | Self::Stream(_)
            | Self::Grpc(_)
            | Self::Agent(_)
            | Self::HaproxyAgent(_)
            | Self::Ping => true,
            Self::Udp(_) | Self::Dns(_) | Self::Exec(_) | Self::File(_) => false,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::connects),
        }
    }

    /// Whether a datagram is sent whose answer may be missing.
    pub(crate) fn is_of_datagrams(&self) -> bool {
        match self {
            Self::Udp(_) | Self::Dns(_) => true,
            Self::Http(_)
            | Self::Stream(_)
            | Self::Grpc(_)
            | Self::Agent(_)
            | Self::HaproxyAgent(_)
            | Self::Ping
            | Self::Exec(_)
            | Self::File(_) => false,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_of_datagrams),
        }
    }

    /// The configured port.
    fn port(&self) -> Option<u16> {
        match self {
            Self::Http(check) => check.port,
            Self::Stream(check) => check.port,
            Self::Udp(check) => check.port,
            Self::Grpc(check) => check.port,
            Self::Dns(check) => Some(check.port),
            Self::HaproxyAgent(check) => Some(check.port),
            Self::Agent(check) => Some(check.port),
            Self::Ping | Self::Exec(_) | Self::File(_) | Self::All(_) | Self::Any(_) => None,
        }
    }

    /// The ports at which it asks what clients could ask for; `None` for the
    /// real server's own.
    pub(crate) fn service_ports(&self) -> Vec<Option<u16>> {
        match self {
            Self::Http(_) | Self::Stream(_) | Self::Udp(_) | Self::Grpc(_) => vec![self.port()],
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().flat_map(Self::service_ports).collect()
            }
            Self::Dns(_)
            | Self::HaproxyAgent(_)
            | Self::Agent(_)
            | Self::Ping
            | Self::Exec(_)
            | Self::File(_) => Vec::new(),
        }
    }

    fn uses_own_port(&self) -> bool {
        match self {
            Self::Http(_) | Self::Stream(_) | Self::Udp(_) | Self::Grpc(_) => self.port().is_none(),
            Self::Exec(check) => check.command.iter().any(|word| word.contains(PORT)),
            Self::File(check) => check.path.contains(PORT),
            Self::Dns(_) | Self::HaproxyAgent(_) | Self::Agent(_) | Self::Ping => false,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::uses_own_port),
        }
    }
}

/// Stands for the real server's address in a command or path.
pub(crate) const ADDRESS: &str = "{address}";
/// Stands for the real server's port in a command or path.
pub(crate) const PORT: &str = "{port}";

/// A check by one HTTP/1.1 request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpCheck {
    /// For `https`.
    pub tls: Option<TlsSettings>,
    /// In upper case.
    pub method: String,
    /// The request target, from the leading `/` on.
    pub path: String,
    /// The `Host` header; `None` for the address that is probed (a fwmark
    /// service has no VIP to name).
    pub host: Option<String>,
    /// `host` is the VIP, as the file names none: the port that is asked is put
    /// after it where it is not the scheme's own (RFC 9110, section 7.2).
    pub host_is_vip: bool,
    /// The port on the real server; `None` for its own.
    pub port: Option<u16>,
    /// Further headers, in the file's order.
    pub headers: Vec<(String, Secret)>,
    /// The body that is sent.
    pub body: Option<Secret>,
    /// The status codes that pass.
    pub expected_status: StatusRanges,
    /// What the answer's body must have or must not have.
    pub expected_body: Option<ExpectedBody>,
}

/// How a server proves who it is, and the client too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsSettings {
    /// The name that is asked for (SNI) and that the certificate must be for;
    /// `None` for the address that is probed.
    pub server_name: Option<String>,
    /// Certificates of authorities in PEM; `None` for those of this host.
    pub ca: Option<PathBuf>,
    /// How the client proves who it is.
    pub client: Option<ClientCertificate>,
    /// Whether the server's certificate must be valid.
    pub verify: bool,
}

/// A client's certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientCertificate {
    /// The file of the certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key.
    pub key: ClientKey,
}

/// The key of a client's certificate, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientKey {
    /// In a file, which is read again now and then.
    File(PathBuf),
    /// The key itself.
    Pem(Secret),
}

impl fmt::Display for ClientKey {
    /// Where it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Pem(_) => f.write_str("of `client_key`"),
        }
    }
}

/// A check by a connection over TCP, with or without TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamCheck {
    /// The port on the real server; `None` for its own.
    pub port: Option<u16>,
    /// For `tls`.
    pub tls: Option<TlsSettings>,
    /// What is sent and awaited, one after the other.
    pub steps: Vec<Step>,
}

/// A step of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// These bytes are sent.
    Send(Vec<u8>),
    /// This must come, after whatever else.
    Expect(Pattern),
}

/// A check by a datagram.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UdpCheck {
    /// The port on the real server; `None` for its own.
    pub port: Option<u16>,
    /// The datagram, which may be empty.
    pub send: Vec<u8>,
    /// What the answer must have; `None` where none is needed.
    pub expect: Option<Pattern>,
}

/// A check by a question to a DNS server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsCheck {
    /// The port on the real server.
    pub port: u16,
    /// The name that is asked for.
    pub name: String,
    /// The type of record that is asked for, like `A`.
    pub record_type: String,
    /// Each must be among the answers, written as in a zone file; if there is
    /// none, any answer of the type will do.
    pub answers: Vec<String>,
    /// The response codes that pass; if there is none, NOERROR with a record
    /// of the type. With some, no record is needed.
    pub rcodes: Vec<u16>,
}

/// A check by `grpc.health.v1.Health/Check`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrpcCheck {
    /// The port on the real server; `None` for its own.
    pub port: Option<u16>,
    /// The service that is asked for; empty for the server as a whole.
    pub service: String,
    /// `None` for HTTP/2 without TLS.
    pub tls: Option<TlsSettings>,
}

/// A check by a program on this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecCheck {
    /// The program's path and its arguments, in which `{address}` and
    /// `{port}` stand for the real server's.
    pub command: Vec<String>,
    /// Who runs it; `None` for the agent's own user.
    pub user: Option<String>,
    /// Whether the first line of its standard output is advice.
    pub advice: bool,
}

/// A check by a file on this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileCheck {
    /// Its path, in which `{address}` and `{port}` stand for the real server's.
    pub path: String,
}

/// A check by HAProxy's agent protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HaproxyAgentCheck {
    /// The port on the real server.
    pub port: u16,
    /// What is sent first; may be empty.
    pub send: Vec<u8>,
}

/// A set of HTTP status codes, each range within 100 to 599, not empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusRanges(Vec<(u16, u16)>);

impl StatusRanges {
    /// 200 to 299, the default of a check.
    pub fn success() -> Self {
        Self(vec![(200, 299)])
    }

    /// `None` if there is no range, or one is empty or leaves 100 to 599.
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Option<Self> {
        let ranges: Vec<_> = ranges.into_iter().map(RangeInclusive::into_inner).collect();
        let valid = |&(first, last): &(u16, u16)| 100 <= first && first <= last && last <= 599;
        (!ranges.is_empty() && ranges.iter().all(valid)).then_some(Self(ranges))
    }

    /// Whether a response of this status passes.
    pub fn contains(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|&(first, last)| (first..=last).contains(&status))
    }
}

impl fmt::Display for StatusRanges {
    /// As they are written in configuration: `200-299, 304`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
