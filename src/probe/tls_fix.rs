//! What the certificate that a server shows is not, and what to do about it.

use tokio_rustls::rustls::{AlertDescription, CertificateError as Certificate, Error};

use crate::diagnosis::Fix;

/// `None` where the error says nothing of what to do.
pub(super) fn of(error: &Error) -> Option<Fix> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others say nothing of what to do"
    )]
    let wrong = match error {
        Error::InvalidCertificate(wrong) => wrong,
        Error::AlertReceived(alert) => return of_alert(*alert),
        Error::NoApplicationProtocol => return of_alert(AlertDescription::NoApplicationProtocol),
        _ => return None,
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "another certificate fixes every other error of a certificate"
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
    Some(Fix::on_real_server(text))
}

/// What a server that refuses the handshake misses.
fn of_alert(alert: AlertDescription) -> Option<Fix> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others say nothing of what to do"
    )]
    let text = match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "let the check show the certificate that the server asks for: set its keys \
             `client_certificate` and `client_key`; or let the server ask for none"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            "give the check a certificate that the server takes, by its keys `client_certificate` \
             and `client_key`; the server's log says why it refuses"
        }
        AlertDescription::UnrecognisedName => {
            "let the check ask for a name that the server has: its key `server_name` sets the name \
             (without it, `host` does, else the address)"
        }
        AlertDescription::NoApplicationProtocol => {
            "let the server speak HTTP/2 over TLS (ALPN `h2`) on the check's port, or correct the \
             check's `port`"
        }
        _ => return None,
    };
    Some(Fix::on_real_server(text))
}

#[cfg(test)]
mod tests;
