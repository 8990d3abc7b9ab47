//! What one exchange comes to, and how errors become it.

use std::error::Error;
use std::io;
use std::time::SystemTime;

use rustix::io::Errno;
use tokio_rustls::rustls;

use super::{Advice, ProbeResult};
use crate::diagnosis::Sight;
use crate::tcp::Icmp;
use crate::via_vip::Unverified;

/// What a probe says that this host has no file descriptor for.
pub(crate) const OUT_OF_DESCRIPTORS: &str = "out of file descriptors";

/// How an exchange ended.
pub(super) type Verdict = Result<Pass, Failure>;

/// The check passed.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) detail: String,
    pub(super) advice: Option<Advice>,
    pub(super) certificate_expiry: Option<SystemTime>,
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
    pub(super) sight: Option<Sight>,
}

impl Failure {
    pub(super) fn new(result: ProbeResult, detail: impl Into<String>) -> Self {
        Self {
            result,
            detail: detail.into(),
            sight: None,
        }
    }

    /// What an ICMP error says is no fault of this host's, whatever its number is.
    pub(super) fn by_icmp(icmp: Icmp, failure: Self) -> Self {
        let Self { result, detail, .. } = failure;
        if icmp.is_host_unreachable() {
            let sight = Some(Sight::NoNeighbour);
            return Self {
                result,
                detail,
                sight,
            };
        }
        if icmp.is_protocol_unknown() {
            return Self {
                result: ProbeResult::Unreachable,
                detail: "nobody unpacks the tunnel there (by ICMP)".to_owned(),
                sight: Some(Sight::Silent),
            };
        }
        let (result, detail) = if result == ProbeResult::Internal {
            (ProbeResult::Unreachable, "forbidden on the way".to_owned())
        } else {
            (result, detail)
        };
        Self {
            result,
            detail: format!("{detail} (by ICMP)"),
            sight: Some(Sight::Filtered),
        }
    }

    /// The probe could not be made for a reason of this host's own.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(ProbeResult::Internal, detail)
    }

    /// It is not known where the probe went.
    pub(super) fn unverified(error: &Unverified) -> Self {
        Self::new(ProbeResult::Unverified, format!("unverified: {error}"))
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
            source = error.source();
        }
        Self::protocol("not a valid HTTP answer")
    }
}

/// `None` where the error only wraps one of the connection's.
fn from_http(error: &hyper::Error) -> Option<Failure> {
    let detail = if error.is_parse_too_large() {
        "the head of the answer is too large"
    } else if error.is_parse() {
        "not an HTTP answer"
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "closed without an answer"
    } else {
        return None;
    };
    Some(Failure::protocol(detail))
}

pub(super) fn from_io(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|error| error.downcast_ref::<rustls::Error>()) {
        return from_tls(error);
    }
    let Some(errno) = Errno::from_io_error(error) else {
        // No error of the kernel's: hyper's decoder of bodies and TLS speak so.
        return Failure::protocol(if error.kind() == io::ErrorKind::UnexpectedEof {
            "the answer was cut short"
        } else {
            "the body is not valid HTTP"
        });
    };
    let (result, detail) = match errno {
        Errno::CONNREFUSED => (ProbeResult::Refused, "connection refused"),
        Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE => {
            (ProbeResult::Reset, "connection reset")
        }
        Errno::TIMEDOUT => (ProbeResult::Timeout, "connection timed out"),
        Errno::NETUNREACH | Errno::NETDOWN => (ProbeResult::Unreachable, "network unreachable"),
        // What ICMP's other kinds of "destination unreachable" become
        // (`icmp_err_convert` in `net/ipv4/icmp.c`).
        Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NONET | Errno::NOPROTOOPT => {
            (ProbeResult::Unreachable, "host unreachable")
        }
        Errno::MFILE | Errno::NFILE => (ProbeResult::Internal, OUT_OF_DESCRIPTORS),
        Errno::NOBUFS | Errno::NOMEM => (ProbeResult::Internal, "out of memory"),
        Errno::ADDRNOTAVAIL => (ProbeResult::Internal, "out of local ports"),
        Errno::PERM | Errno::ACCESS => (
            ProbeResult::Internal,
            "this host's own firewall or routes forbid it",
        ),
        _ => return Failure::internal(error.to_string()),
    };
    Failure::new(result, detail)
}

/// The server's names are not repeated: they come from the network.
fn from_tls(error: &rustls::Error) -> Failure {
    use rustls::{CertificateError as Certificate, Error as Tls};
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other errors are told as the library tells them"
    )]
    let detail = match error {
        Tls::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "the certificate has expired".to_owned()
        }
        Tls::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        ) => "the certificate is not valid yet".to_owned(),
        Tls::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "the certificate is for another name".to_owned(),
        Tls::InvalidCertificate(Certificate::UnknownIssuer) => {
            "the certificate is from an unknown authority".to_owned()
        }
        Tls::InvalidMessage(_) => "not a TLS answer".to_owned(),
        error => error.to_string().escape_debug().to_string(),
    };
    Failure::new(ProbeResult::Tls, detail)
}

#[cfg(test)]
mod tests;
