use tokio_rustls::rustls::{
    CertRevocationListError, ContentType, EncryptedClientHelloError, HandshakeType, InvalidMessage,
    PeerMisbehaved,
};

use super::*;

/// Whether a word is written as names in Rust are.
fn is_of_rust(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| {
            let letters: Vec<char> = word.chars().collect();
            let inside = letters
                .windows(2)
                .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
            inside && !["ChaCha20"].contains(&word)
        })
}

fn all() -> Vec<Error> {
    let incompatible = [
        PeerIncompatible::EcPointsExtensionRequired,
        PeerIncompatible::ExtendedMasterSecretExtensionRequired,
        PeerIncompatible::IncorrectCertificateTypeExtension,
        PeerIncompatible::KeyShareExtensionRequired,
        PeerIncompatible::NamedGroupsExtensionRequired,
        PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
        PeerIncompatible::NoCipherSuitesInCommon,
        PeerIncompatible::NoEcPointFormatsInCommon,
        PeerIncompatible::NoKxGroupsInCommon,
        PeerIncompatible::NoSignatureSchemesInCommon,
        PeerIncompatible::NullCompressionRequired,
        PeerIncompatible::ServerDoesNotSupportTls12Or13,
        PeerIncompatible::ServerSentHelloRetryRequestWithUnknownExtension,
        PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        PeerIncompatible::SupportedVersionsExtensionRequired,
        PeerIncompatible::Tls12NotOffered,
        PeerIncompatible::Tls12NotOfferedOrEnabled,
        PeerIncompatible::Tls13RequiredForQuic,
        PeerIncompatible::UncompressedEcPointsRequired,
        PeerIncompatible::UnsolicitedCertificateTypeExtension,
        PeerIncompatible::ServerRejectedEncryptedClientHello(None),
    ];
    let misbehaved = [
        PeerMisbehaved::SignedKxWithWrongAlgorithm,
        PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme,
        PeerMisbehaved::AttemptedDowngradeToTls12WhenTls13IsSupported,
        PeerMisbehaved::SelectedUnofferedCipherSuite,
        PeerMisbehaved::TooManyEmptyFragments,
    ];
    let certificates = [
        Certificate::BadEncoding,
        Certificate::Expired,
        Certificate::NotValidYet,
        Certificate::Revoked,
        Certificate::UnhandledCriticalExtension,
        Certificate::UnknownIssuer,
        Certificate::UnknownRevocationStatus,
        Certificate::ExpiredRevocationList,
        Certificate::BadSignature,
        Certificate::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![1],
            supported_algorithms: Vec::new(),
        },
        Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![1],
        },
        Certificate::NotValidForName,
        Certificate::NotValidForNameContext {
            expected: ServerName::try_from("a.example").unwrap(),
            presented: vec!["DnsName(\"b.example\")".to_owned()],
        },
        Certificate::InvalidPurpose,
        Certificate::InvalidOcspResponse,
        Certificate::ApplicationVerificationFailure,
    ];
    let rest = [
        Error::InappropriateMessage {
            expect_types: vec![ContentType::ApplicationData],
            got_type: ContentType::ChangeCipherSpec,
        },
        Error::InappropriateHandshakeMessage {
            expect_types: vec![HandshakeType::ServerHello],
            got_type: HandshakeType::HelloRetryRequest,
        },
        Error::InvalidEncryptedClientHello(EncryptedClientHelloError::NoCompatibleConfig),
        Error::InvalidMessage(InvalidMessage::InvalidContentType),
        Error::NoCertificatesPresented,
        Error::UnsupportedNameType,
        Error::DecryptError,
        Error::EncryptError,
        Error::InvalidCertRevocationList(CertRevocationListError::BadSignature),
        Error::General("text".to_owned()),
        Error::FailedToGetCurrentTime,
        Error::FailedToGetRandomBytes,
        Error::HandshakeNotComplete,
        Error::PeerSentOversizedRecord,
        Error::NoApplicationProtocol,
        Error::BadMaxFragmentSize,
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
        Error::InconsistentKeys(InconsistentKeys::Unknown),
    ];
    let mut all: Vec<Error> = rest.into();
    all.extend(incompatible.map(Error::from));
    all.extend(misbehaved.map(Error::from));
    all.extend(certificates.map(Error::from));
    all.extend((0..=255).map(|number| Error::AlertReceived(AlertDescription::from(number))));
    all
}

#[test]
fn no_error_is_told_by_a_name_of_the_library() {
    assert!(is_of_rust("received fatal alert: HandshakeFailure"));
    for error in all() {
        let text = words(&error);
        assert!(!is_of_rust(&text), "{text}");
        assert!(!text.is_empty());
    }
}

#[test]
fn alerts_have_the_names_of_the_standards() {
    for (number, name) in [
        (0, "close_notify"),
        (20, "bad_record_mac"),
        (40, "handshake_failure"),
        (48, "unknown_ca"),
        (51, "decrypt_error"),
        (70, "protocol_version"),
        (112, "unrecognized_name"),
        (115, "unknown_psk_identity"),
        (116, "certificate_required"),
        (120, "no_application_protocol"),
        (121, "ech_required"),
        (200, "alert number 200"),
    ] {
        assert_eq!(alert_name(AlertDescription::from(number)), name);
    }
}

#[test]
fn names_of_the_library_are_explained_in_words() {
    for (error, text) in [
        (
            Error::PeerMisbehaved(PeerMisbehaved::SignedKxWithWrongAlgorithm),
            "the other end breaks the TLS protocol (signed kx with wrong algorithm)",
        ),
        (
            Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon),
            "the other end does not fit: it takes none of the key exchange groups offered",
        ),
        (
            Error::AlertReceived(AlertDescription::UnknownCA),
            "the other end refused: unknown_ca",
        ),
    ] {
        assert_eq!(words(&error), text);
    }
}

#[test]
fn both_names_are_shown_bounded_and_printable() {
    let asked = ServerName::try_from("www.example.com").unwrap();
    let of = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        other_name(&asked, &names)
    };
    let not_for = "and not for www.example.com";
    assert_eq!(
        of(&[r#"DnsName("a.example")"#, "IpAddress(192.0.2.1)"]),
        format!("the certificate is for a.example, 192.0.2.1, {not_for}")
    );
    assert_eq!(
        of(&[]),
        format!("the certificate is for no name, {not_for}")
    );
    let long = format!("DnsName(\"{}\x1b[2J\")", "x".repeat(60));
    let shown = of(&[&long, "b", "c", "d", "e"]);
    assert_eq!(
        shown,
        format!(
            "the certificate is for {}\\u{{1b}}[2J, b, c, 2 more, {not_for}",
            "x".repeat(60)
        )
    );
}
