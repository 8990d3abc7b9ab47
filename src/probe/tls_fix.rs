//! What the certificate that a server shows is not, and what to do about it.

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError as Certificate, Error};

use crate::diagnosis::Fix;

/// The most names of a certificate that are shown, and the most characters of each.
const NAMES: usize = 3;
const LONGEST: usize = 64;

/// `None` where the error is none of the certificate.
pub(super) fn of(error: &Error) -> Option<Fix> {
    let Error::InvalidCertificate(wrong) = error else {
        return None;
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what else is wrong with a certificate is mended by another certificate"
    )]
    let text = match wrong {
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "renew the certificate and let the server load the new one; until then, `verify: \
             false` in the check takes any certificate"
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "see whether the clocks of this host and of the director are right (`timedatectl`); \
             else the certificate was made for later, and the server needs another until then"
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "let the check ask for a name that the certificate has: its key `server_name` sets the \
             name (without it, `host` does, else the address); or give the server a certificate \
             for the name that is asked for"
        }
        Certificate::UnknownIssuer => {
            "see whether the server sends its whole chain of certificates; if its authority is \
             your own, give the authority's certificate as `ca` of the check"
        }
        Certificate::Revoked => "give the server a certificate that is not revoked",
        _ => {
            "give the server a certificate that the director takes, or set `verify: false` in the \
             check"
        }
    };
    Some(Fix::there(text))
}

/// Both names, of which the certificate's come from the network.
pub(super) fn other_name(expected: &ServerName<'_>, presented: &[String]) -> String {
    let mut names: Vec<_> = presented
        .iter()
        .take(NAMES)
        .map(|name| plain(name))
        .collect();
    if presented.len() > NAMES {
        names.push(format!("{} more", presented.len() - NAMES));
    }
    let names = if names.is_empty() {
        "no name".to_owned()
    } else {
        names.join(", ")
    };
    format!(
        "the certificate is for {names}, and not for {}",
        expected.to_str()
    )
}

/// `DnsName("www.example.com")` and `IpAddress(192.0.2.1)` without the kind.
fn plain(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    let inner = inner.unwrap_or(name).trim_matches('"');
    let shown: String = inner.chars().take(LONGEST).collect();
    shown.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
