//! `verify: true`: by authorities, or by the certificate itself.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::WebPkiSupportedAlgorithms;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{CertificateDates, Dates};

/// A certificate of a server whose time is over, or has not come; else nothing
/// is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is out of date")]
pub(crate) struct OutOfDate(pub(crate) CertificateDates);

impl OutOfDate {
    /// The certificate in this error, if it is one of those.
    pub(crate) fn of(error: &Error) -> Option<&Self> {
        let Error::InvalidCertificate(CertificateError::Other(OtherError(other))) = error else {
            return None;
        };
        other.downcast_ref()
    }
}

impl CertificateDates {
    /// What is known of a server's certificate at `now`; `None` if it cannot be read.
    pub(crate) fn of(certificate: &CertificateDer<'_>, now: SystemTime) -> Option<Self> {
        let parsed = Certificate::from_der(certificate).ok()?;
        let validity = parsed.tbs_certificate().validity();
        let not_before = validity.not_before.to_system_time();
        let not_after = validity.not_after.to_system_time();
        let dates = if now < not_before {
            Dates::NotYetValid
        } else if now > not_after {
            Dates::Expired
        } else {
            Dates::Valid
        };
        let mut hasher = DefaultHasher::new();
        certificate.as_ref().hash(&mut hasher);
        Some(Self {
            certificate: hasher.finish(),
            not_before,
            not_after,
            dates,
        })
    }
}

fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    Certificate::from_der(certificate).is_ok_and(|certificate| {
        let fields = certificate.tbs_certificate();
        fields.issuer() == fields.subject()
    })
}

/// Tells apart a server's own certificate that is out of date from an
/// authority's that is, and an unknown authority from an unfit certificate.
fn explained(error: Error, end_entity: &CertificateDer<'_>, now: UnixTime) -> Error {
    let is_dated = matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    );
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    let is_other = matches!(error, Error::InvalidCertificate(CertificateError::Other(_)));
    if is_other && is_self_issued(end_entity) {
        // An authority's own certificate, which nobody said to trust.
        return CertificateError::UnknownIssuer.into();
    }
    match CertificateDates::of(end_entity, now) {
        Some(dated) if is_dated && dated.dates != Dates::Valid => {
            CertificateError::Other(OtherError(Arc::new(OutOfDate(dated)))).into()
        }
        _ => error,
    }
}

/// Verifies certificates by their authorities; and trusts one that is itself
/// among the trusted ones, whatever it says of its use. `openssl req -x509`
/// makes a certificate of an authority of what is to be a server's, and
/// `openssl x509 -req` one of version 1. Its time and its names still count,
/// and the server must have its key.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) authorities: Arc<WebPkiServerVerifier>,
    pub(super) trusted: Vec<CertificateDer<'static>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Verified {
    /// The certificate, if it is itself trusted.
    fn trusted(&self, certificate: &CertificateDer<'_>) -> Option<Certificate> {
        let mut trusted = self.trusted.iter();
        trusted.find(|trusted| *trusted == certificate)?;
        Certificate::from_der(certificate).ok()
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &Certificate,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = certificate.tbs_certificate().subject_public_key_info();
        let encoded = key.algorithm.to_der().map_err(|_| bad_encoding())?;
        let algorithm = AnyRef::from_der(&encoded).map_err(|_| bad_encoding())?;
        let mapping = self.algorithms.mapping.iter();
        let algorithms = mapping
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter());
        let mut fit = algorithms
            .filter(|known| known.public_key_alg_id().as_ref() == algorithm.value())
            .peekable();
        if fit.peek().is_none() {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        let bits = key.subject_public_key.raw_bytes();
        let valid = fit.any(|known| {
            known
                .verify_signature(bits, message, signed.signature())
                .is_ok()
        });
        if valid {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = match self.trusted(end_entity) {
            None => self.authorities.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            Some(certificate) => verify_itself(&certificate, server_name, now),
        };
        verified.map_err(|error| explained(error, end_entity, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.trusted(certificate) {
            Some(certificate) => self.verify_signature(message, &certificate, signed),
            None => self
                .authorities
                .verify_tls12_signature(message, certificate, signed),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.trusted(certificate) {
            Some(certificate) => self.verify_signature(message, &certificate, signed),
            None => self
                .authorities
                .verify_tls13_signature(message, certificate, signed),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

fn verify_itself(
    certificate: &Certificate,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    verify_name(certificate, name)?;
    verify_time(certificate, now)?;
    Ok(ServerCertVerified::assertion())
}

fn bad_encoding() -> Error {
    CertificateError::BadEncoding.into()
}

fn verify_time(certificate: &Certificate, now: UnixTime) -> Result<(), CertificateError> {
    let validity = certificate.tbs_certificate().validity();
    let not_before = UnixTime::since_unix_epoch(validity.not_before.to_unix_duration());
    let not_after = UnixTime::since_unix_epoch(validity.not_after.to_unix_duration());
    if now < not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        });
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        });
    }
    Ok(())
}

/// By the subject's alternative names, or by its common name where there are
/// none, as OpenSSL has it (`X509_check_host(3)`).
fn verify_name(certificate: &Certificate, name: &ServerName<'_>) -> Result<(), CertificateError> {
    let fields = certificate.tbs_certificate();
    let names = fields
        .get_extension::<SubjectAltName>()
        .map_err(|_| CertificateError::BadEncoding)?;
    let presented: Vec<String> = if let Some((_, names)) = &names {
        names.0.iter().filter_map(written).collect()
    } else {
        let name = fields.subject().common_name();
        let name = name.map_err(|_| CertificateError::BadEncoding)?;
        name.map(|name| name.value().into_owned())
            .into_iter()
            .collect()
    };
    let expected = name.to_str();
    let is_address = matches!(name, ServerName::IpAddress(_));
    let mut fits = presented.iter().map(|presented| {
        if is_address {
            let addresses = [presented.parse::<IpAddr>(), expected.parse()];
            matches!(addresses, [Ok(presented), Ok(expected)] if presented == expected)
        } else {
            fits(presented, &expected)
        }
    });
    if fits.any(|fits| fits) {
        return Ok(());
    }
    drop(fits);
    Err(CertificateError::NotValidForNameContext {
        expected: name.to_owned(),
        presented,
    })
}

/// An alternative name of a server, as text.
fn written(name: &GeneralName) -> Option<String> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other kinds are no names of servers"
    )]
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(address) => {
            let bytes = address.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// Without regard to case; a `*` stands for a whole first label (RFC 6125,
/// section 6.4.3).
fn fits(presented: &str, expected: &str) -> bool {
    if presented.eq_ignore_ascii_case(expected) {
        return true;
    }
    match (presented.split_once('.'), expected.split_once('.')) {
        (Some(("*", suffix)), Some((label, rest))) => {
            !label.is_empty() && suffix.contains('.') && suffix.eq_ignore_ascii_case(rest)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
