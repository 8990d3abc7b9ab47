//! The result of one exchange: a pass or a failure, and how errors become failures.

use std::borrow::Cow;
use std::error::Error;
use std::io;

use rustix::io::Errno;
use tokio_rustls::rustls;

use super::tls_fix;
use super::weight_advice::WeightAdvice;
use crate::diagnosis::{Fix, PathResult};
use crate::model::{CertificateExpiry, ProbeResult};
use crate::net::tcp::Icmp;
use crate::net::tls::{Dates, OutOfDate};
use crate::probe::vip_path::Unverified;
use crate::runtime::error_chain::words;

/// What a probe says that this host has no file descriptor for.
pub(crate) const OUT_OF_DESCRIPTORS: &str = "out of file descriptors";

/// What to do where this process has no file descriptor left.
pub(super) const MORE_DESCRIPTORS: &str = "let the agent open more files: `LimitNOFILE=` in its unit \
                                (`systemctl edit lvs-agent-director`), then restart the agent";

/// What to do where there is no local port left.
pub(super) const OTHER_PORTS: &str = "see who uses the local ports (`ss -s`), and widen their \
                                      range: `sysctl -w \
                                      net.ipv4.ip_local_port_range=\"10240 65000\"`";

/// The message about a server that speaks no version of TLS that rustls knows.
const NO_VERSION: &str = "the server refused TLS 1.2 and TLS 1.3, which are what the agent offers";

/// The same for key exchanges and ciphers. Servers that miss a certificate of
/// the client's say no more in TLS 1.2.
const NO_SUITE: &str = "the server refused the handshake; the agent offers ECDHE over X25519, P-256 \
                        and P-384 with AES-GCM or ChaCha20-Poly1305";

/// The same for keys of certificates.
const UNVERIFIABLE: &str = "the certificate's key or signature is of a kind that the agent cannot \
                            verify; it knows RSA from 2048 bits, ECDSA over P-256 and P-384, and \
                            Ed25519";

/// Where a packet filter of this host forbids what a probe sends.
const OWN_FIREWALL: &str =
    "see which rule forbids it: `nft list ruleset` (chains of the hook output)";
/// Where this host has no route.
const NO_ROUTE: &str = "see which route is missing, or whose interface is down: `ip route`, `ip \
                        -brief link`; add `-6` for IPv6";

/// Where a route of this host says that nothing is there.
const OWN_ROUTES: &str = "see which route leads there: `ip rule`, `ip route show type blackhole`, \
     `ip route show type prohibit`; add `-6` for IPv6";

/// How each answer of HTTP/1 begins.
const HTTP: &[u8] = b"HTTP/";

/// How much of an answer is shown that is not whole, in bytes.
const SHOWN: usize = 60;

/// How an exchange ended.
pub(super) type ExchangeResult = Result<Pass, Failure>;

/// The check passed.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) detail: String,
    pub(super) advice: Option<WeightAdvice>,
    pub(super) certificate_expiry: Option<CertificateExpiry>,
}

impl Pass {
    /// Without advice and certificate.
    pub(super) fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            advice: None,
            certificate_expiry: None,
        }
    }
}

/// The check did not pass, or could not be made.
#[derive(Debug)]
pub(super) struct Failure {
    /// Not [`ProbeResult::Ok`].
    pub(super) result: ProbeResult,
    pub(super) detail: String,
    /// What it shows of the way, where the result alone does not.
    pub(super) path_result: Option<PathResult>,
    /// What to do about it, where the result alone does not say.
    pub(super) fix: Option<Fix>,
}

/// How a probe's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// A reset shows a closed port; an ICMP message may come from another host.
    Tcp,
    /// An ICMP message shows a closed port.
    Datagrams,
}

impl Failure {
    pub(super) fn new(result: ProbeResult, detail: impl Into<String>) -> Self {
        Self {
            result,
            detail: detail.into(),
            path_result: None,
            fix: None,
        }
    }

    /// The same, with what to do on the real server.
    pub(super) fn with_real_server_fix(self, text: impl Into<Cow<'static, str>>) -> Self {
        let fix = Some(Fix::on_real_server(text));
        Self { fix, ..self }
    }

    /// The same, with what to do on this host.
    pub(super) fn with_director_fix(self, text: impl Into<Cow<'static, str>>) -> Self {
        let fix = Some(Fix::on_director(text));
        Self { fix, ..self }
    }

    /// What an ICMP error says is no fault of this host's, whatever its number
    /// is, unless this host's own firewall made it.
    pub(super) fn by_icmp(icmp: Icmp, error: &io::Error, over: Transport) -> Self {
        if icmp.from_here {
            let failure = Self::internal("this host's own firewall rejects it");
            return failure.with_director_fix(OWN_FIREWALL);
        }
        let of = |result, detail: &str, path_result| Self {
            path_result: Some(path_result),
            ..Self::new(result, detail)
        };
        let unreachable = ProbeResult::Unreachable;
        if icmp.is_host_unreachable() {
            return of(unreachable, "host unreachable", PathResult::NoNeighbour);
        }
        if icmp.is_protocol_unknown() {
            let detail = "nobody unpacks the tunnel there (by ICMP)";
            return of(unreachable, detail, PathResult::NoReply);
        }
        if icmp.is_port_unreachable() && over == Transport::Datagrams {
            return of(
                ProbeResult::Refused,
                "connection refused",
                PathResult::Refused,
            );
        }
        let detail = if icmp.is_prohibited() {
            "forbidden on the way (by ICMP)"
        } else if icmp.is_too_large() {
            "the packets are too large for the way there (by ICMP)"
        } else if icmp.is_time_exceeded() {
            "the packets go in a circle, or too far (by ICMP)"
        } else if icmp.is_port_unreachable() {
            let detail = "connection refused (by ICMP)";
            return of(ProbeResult::Refused, detail, PathResult::Filtered);
        } else {
            let errno = Errno::from_io_error(error);
            let known = errno.and_then(of_network);
            let (_, known) = known.unwrap_or((unreachable, "unreachable"));
            return of(
                unreachable,
                &format!("{known} (by ICMP)"),
                PathResult::Filtered,
            );
        };
        of(unreachable, detail, PathResult::Filtered)
    }

    /// The probe could not be made for a reason of this host's own.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(ProbeResult::Internal, detail)
    }

    /// The destination of the probe is not known.
    pub(super) fn unverified(error: &Unverified) -> Self {
        let failure = Self::new(ProbeResult::Unverified, format!("unverified: {error}"));
        failure.with_director_fix(error.fix())
    }

    /// The answer was none of HTTP. Over TLS, which was agreed on, TLS is not the reason.
    pub(super) fn not_http(over_tls: bool) -> Self {
        Self::protocol("not an HTTP answer").with_real_server_fix(if over_tls {
            "see what listens on the check's port (`ss -ltnp`): it speaks TLS, but not HTTP within; \
             if another port has the HTTPS server, set the check's `port`; to ask for TLS alone, \
             use a check of the kind `tls`"
        } else {
            "see what listens on the check's port (`ss -ltnp`): if it speaks TLS, the check is \
             `https`; if another port has the HTTP server, set the check's `port`"
        })
    }

    /// The answer was none of HTTP/2, over which gRPC goes.
    fn not_grpc() -> Self {
        Self::protocol("not an HTTP/2 answer").with_real_server_fix(
            "see what listens on the check's port (`ss -ltnp`): if another port has the gRPC \
             server, set the check's `port`; if the server speaks TLS and the check has no `tls`, \
             set `tls`",
        )
    }

    /// The connection ended within the head of an answer, of which this came.
    pub(super) fn closed_within_head(came: &[u8], over_tls: bool) -> Self {
        if !came.starts_with(HTTP) && !HTTP.starts_with(came) {
            return Self::not_http(over_tls);
        }
        let shown = came.get(..SHOWN).unwrap_or(came).escape_ascii();
        let more = if came.len() > SHOWN { "..." } else { "" };
        let failure = Self::protocol(format!(
            "closed before the end of the answer's head, which an empty line is; got \
             \"{shown}{more}\""
        ));
        failure.with_real_server_fix(
            "let the server send an empty line after the head of its answer, and see in its log \
             why the answer ends before",
        )
    }

    /// The connection ended before the head of an answer.
    pub(super) fn closed_early() -> Self {
        Self::protocol("closed without an answer")
    }

    /// The answer was none of this protocol.
    pub(super) fn protocol(detail: impl Into<String>) -> Self {
        Self::new(ProbeResult::Protocol, detail)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        from_io(&error)
    }
}

impl From<hyper::Error> for Failure {
    /// By the first error in the chain that knows its class.
    fn from(error: hyper::Error) -> Self {
        let mut source: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return from_io(error);
            }
            if let Some(failure) = error.downcast_ref::<hyper::Error>().and_then(from_http) {
                return failure;
            }
            if let Some(failure) = error.downcast_ref::<h2::Error>().and_then(from_http2) {
                return failure;
            }
            source = error.source();
        }
        Self::protocol("not a valid HTTP answer")
    }
}

/// `None` where the error only wraps one of the connection's.
fn from_http(error: &hyper::Error) -> Option<Failure> {
    let detail = if error.is_parse_too_large() {
        "the head of the answer is too large"
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Some(Failure::closed_early());
    } else {
        return None;
    };
    Some(Failure::protocol(detail))
}

/// What came violates HTTP/2, or is a word of HTTP/2 that ends the call.
fn from_http2(error: &h2::Error) -> Option<Failure> {
    if error.is_library() {
        return Some(Failure::not_grpc());
    }
    let reason = error.reason().filter(|_| error.is_remote())?;
    Some(Failure::protocol(format!(
        "the server ended the call: {}",
        reason.description()
    )))
}

pub(super) fn from_io(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|error| error.downcast_ref::<rustls::Error>()) {
        return from_tls(error);
    }
    let Some(errno) = Errno::from_io_error(error) else {
        // No error of the kernel's: TLS and the library of gRPC speak so.
        return Failure::protocol(if error.kind() == io::ErrorKind::UnexpectedEof {
            "the answer was cut short"
        } else {
            "the body is not valid HTTP"
        });
    };
    if let Some((result, detail)) = of_network(errno) {
        let failure = Failure::new(result, detail);
        return match errno {
            Errno::INVAL | Errno::ACCESS => failure.with_director_fix(OWN_ROUTES),
            Errno::NETUNREACH | Errno::NETDOWN => failure.with_director_fix(NO_ROUTE),
            _ => failure,
        };
    }
    // What nobody knows to be this host's own counts.
    let counts = || Failure::new(ProbeResult::Unreachable, error.to_string());
    of_this_host(errno).unwrap_or_else(counts)
}

/// What `connect`, `send` and `recv` give for a fault of the real server or of
/// the way there, routes of this host included: they are missing or forbid it
/// where the network reported that nothing is there.
fn of_network(errno: Errno) -> Option<(ProbeResult, &'static str)> {
    Some(match errno {
        Errno::CONNREFUSED => (ProbeResult::Refused, "connection refused"),
        Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE | Errno::NETRESET => {
            (ProbeResult::Reset, "connection reset")
        }
        Errno::TIMEDOUT => (ProbeResult::Timeout, "connection timed out"),
        // No route, a `throw` route, or an interface that is down.
        Errno::NETUNREACH | Errno::NETDOWN => (ProbeResult::Unreachable, "network unreachable"),
        // What ICMP's other kinds of "destination unreachable" become
        // (`icmp_err_convert` in `net/ipv4/icmp.c`), an `unreachable` route,
        // and a neighbour that does not answer.
        Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NONET | Errno::NOPROTOOPT => {
            (ProbeResult::Unreachable, "host unreachable")
        }
        // `fib_props` in `net/ipv4/fib_semantics.c` and `fib6_prop` in `net/ipv6/route.c`.
        Errno::INVAL => (
            ProbeResult::Unreachable,
            "invalid argument, as a `blackhole` route gives it",
        ),
        Errno::ACCESS => (
            ProbeResult::Unreachable,
            "permission denied, as a `prohibit` route gives it",
        ),
        // ICMP's "parameter problem".
        Errno::PROTO => (ProbeResult::Unreachable, "protocol error"),
        _ => return None,
    })
}

/// What is provably this host's own fault, and what to do; nothing left it then.
fn of_this_host(errno: Errno) -> Option<Failure> {
    let (detail, fix) = match errno {
        Errno::MFILE => (OUT_OF_DESCRIPTORS, MORE_DESCRIPTORS),
        Errno::NFILE => (
            OUT_OF_DESCRIPTORS,
            "let all processes together open more files: `sysctl fs.file-nr` shows how many there \
             are, `sysctl -w fs.file-max=N` sets the limit",
        ),
        Errno::NOBUFS | Errno::NOMEM => (
            "out of memory",
            "see what takes the memory: `free -m`, `ss -s`, `slabtop -o`",
        ),
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => ("out of local ports", OTHER_PORTS),
        // What a packet filter or a control group refuses to send; a route gives EACCES.
        Errno::PERM => ("this host's own firewall forbids it", OWN_FIREWALL),
        Errno::NODEV => (
            "the interface of this host is gone",
            "see which interfaces there are (`ip -brief link`), and correct the check's `interface`",
        ),
        Errno::MSGSIZE => (
            "the datagram is larger than this host can send",
            "let the check send less",
        ),
        Errno::AFNOSUPPORT => (
            "this host does not speak this family of addresses",
            "see whether IPv6 is off here: `sysctl net.ipv6.conf.all.disable_ipv6`",
        ),
        _ => return None,
    };
    Some(Failure::internal(detail).with_director_fix(fix))
}

/// A socket that could not be made or set up, before anything was sent: this
/// host's own fault, whatever the kernel says.
pub(super) fn of_socket(error: &io::Error) -> Failure {
    let known = Errno::from_io_error(error).and_then(of_this_host);
    known.unwrap_or_else(|| Failure::internal(error.to_string()))
}

/// The certificate's names come from the network: they are bounded and made printable.
fn from_tls(error: &rustls::Error) -> Failure {
    use rustls::{
        AlertDescription, CertificateError as Certificate, Error as Tls, PeerIncompatible,
    };
    if let Some(OutOfDate(dated)) = OutOfDate::of(error) {
        let (detail, error) = match dated.dates {
            Dates::NotYetValid => ("the certificate is not valid yet", Certificate::NotValidYet),
            Dates::Valid | Dates::Expired => ("the certificate has expired", Certificate::Expired),
        };
        return Failure {
            fix: tls_fix::of(&error.into()),
            ..Failure::new(ProbeResult::Tls, detail)
        };
    }
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other errors have the words of the standards"
    )]
    let detail = match error {
        // The server's own is not: one that it is issued by is.
        Tls::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "the certificate of its authority has expired".to_owned()
        }
        Tls::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        ) => "the certificate of its authority is not valid yet".to_owned(),
        #[expect(deprecated, reason = "other verifiers still give it")]
        Tls::InvalidCertificate(
            Certificate::UnsupportedSignatureAlgorithm
            | Certificate::UnsupportedSignatureAlgorithmContext { .. }
            | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => UNVERIFIABLE.to_owned(),
        Tls::InvalidCertificate(Certificate::Other(other)) => {
            format!("the certificate cannot be a server's: {other}")
        }
        Tls::AlertReceived(AlertDescription::ProtocolVersion)
        | Tls::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => {
            return Failure::new(ProbeResult::Tls, NO_VERSION).with_real_server_fix(
                "let the server speak TLS 1.2 or 1.3, or use a `tcp` check on its port",
            );
        }
        Tls::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
        ) => {
            return Failure::new(ProbeResult::Tls, NO_SUITE).with_real_server_fix(
                "let the server take one of these suites and groups; if it asks for a certificate \
                 of the client's, set the check's `client_certificate` and `client_key`; else use \
                 a `tcp` check on its port",
            );
        }
        Tls::InvalidMessage(_) => {
            return Failure::new(ProbeResult::Tls, "not a TLS answer").with_real_server_fix(
                "see what listens on the check's port (`ss -ltnp`): if it speaks no TLS, the check \
                 is `http` or `tcp`; if another port has TLS, set the check's `port`",
            );
        }
        error => words(error),
    };
    Failure {
        fix: tls_fix::of(error),
        ..Failure::new(ProbeResult::Tls, detail)
    }
}

#[cfg(test)]
mod tests;
