//! What an error of the TLS library means, in the words of the TLS standards
//! and without the library's own names.

use std::fmt::Debug;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError as Certificate, Error, InconsistentKeys, PeerIncompatible,
};

/// The most names of a certificate that are shown, and the most characters of each.
const NAMES: usize = 3;
const LONGEST: usize = 64;

/// One line for people; what came from the network is escaped.
pub(crate) fn words(error: &Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library adds more")]
    match error {
        Error::InvalidCertificate(wrong) => certificate(wrong),
        Error::AlertReceived(alert) => format!("the other end refused: {}", alert_name(*alert)),
        Error::PeerIncompatible(why) => incompatible(why),
        Error::PeerMisbehaved(why) => {
            format!("the other end breaks the TLS protocol ({})", spaced(why))
        }
        Error::InvalidMessage(_) => "not a TLS answer".to_owned(),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "the other end sent a TLS message out of turn".to_owned()
        }
        Error::PeerSentOversizedRecord => "the other end sent too large a TLS record".to_owned(),
        Error::NoCertificatesPresented => "the other end shows no certificate".to_owned(),
        Error::NoApplicationProtocol => {
            "the other end speaks none of the protocols that are offered (ALPN)".to_owned()
        }
        Error::DecryptError => "what the other end sent cannot be decrypted".to_owned(),
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the key does not belong to the certificate".to_owned()
        }
        Error::InconsistentKeys(_) => "the key gives no public key to compare".to_owned(),
        Error::InvalidCertRevocationList(why) => {
            format!("the revocation list cannot be used ({})", spaced(why))
        }
        Error::InvalidEncryptedClientHello(why) => {
            format!("the encrypted hello cannot be used ({})", spaced(why))
        }
        // Texts, which the library writes for people.
        other => other.to_string().escape_debug().to_string(),
    }
}

/// The name of an alert in the registry of the IANA, such as `unknown_ca`.
pub(crate) fn alert_name(alert: AlertDescription) -> String {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the names of all others follow from the library's"
    )]
    match alert {
        AlertDescription::UnrecognisedName => "unrecognized_name".to_owned(),
        AlertDescription::EncryptedClientHelloRequired => "ech_required".to_owned(),
        AlertDescription::Unknown(number) => format!("alert number {number}"),
        alert => spaced(&alert).replace(' ', "_"),
    }
}

/// Both names, of which the certificate's come from the network.
fn other_name(expected: &ServerName<'_>, presented: &[String]) -> String {
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

fn certificate(wrong: &Certificate) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library adds more")]
    let text = match wrong {
        Certificate::BadEncoding => "the certificate cannot be read",
        Certificate::Expired | Certificate::ExpiredContext { .. } => "the certificate has expired",
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "the certificate is not valid yet"
        }
        Certificate::Revoked => "the certificate is revoked",
        Certificate::UnhandledCriticalExtension => {
            "the certificate has a critical extension that the agent does not know"
        }
        Certificate::UnknownIssuer => "the certificate is from an unknown authority",
        Certificate::UnknownRevocationStatus => {
            "it is not known whether the certificate is revoked"
        }
        Certificate::ExpiredRevocationList | Certificate::ExpiredRevocationListContext { .. } => {
            "the revocation list of its authority has expired"
        }
        Certificate::BadSignature => "the certificate's signature is not its authority's",
        Certificate::NotValidForName => "the certificate is for another name",
        Certificate::NotValidForNameContext {
            expected,
            presented,
        } => return other_name(expected, presented),
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            "the certificate is not for this purpose (extended key usage)"
        }
        Certificate::InvalidOcspResponse => "the OCSP answer that came along cannot be used",
        Certificate::ApplicationVerificationFailure => "the certificate is refused",
        Certificate::Other(other) => {
            let other = other.to_string();
            return format!("the certificate cannot be used: {}", other.escape_debug());
        }
        other => return format!("the certificate cannot be used ({})", spaced(other)),
    };
    text.to_owned()
}

fn incompatible(why: &PeerIncompatible) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library adds more")]
    let text = match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => "it speaks neither TLS 1.2 nor TLS 1.3",
        PeerIncompatible::ExtendedMasterSecretExtensionRequired => {
            "it lacks the extended master secret"
        }
        PeerIncompatible::NoCipherSuitesInCommon => "it takes none of the cipher suites offered",
        PeerIncompatible::NoKxGroupsInCommon => "it takes none of the key exchange groups offered",
        PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => {
            "it takes none of the signature schemes offered"
        }
        PeerIncompatible::ServerRejectedEncryptedClientHello(_) => "it takes no encrypted hello",
        other => return format!("the other end does not fit: {}", spaced(other)),
    };
    format!("the other end does not fit: {text}")
}

/// `NoCipherSuitesInCommon` as `no cipher suites in common`, without what it holds.
fn spaced(variant: &impl Debug) -> String {
    let name = format!("{variant:?}");
    let name: Vec<char> = name
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let mut text = String::new();
    for (place, character) in name.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| name.get(place));
        let after = name.get(place + 1);
        let begins = character.is_ascii_uppercase()
            && before.is_some_and(|before| {
                !before.is_ascii_uppercase() || after.is_some_and(char::is_ascii_lowercase)
            });
        if begins {
            text.push(' ');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests;
