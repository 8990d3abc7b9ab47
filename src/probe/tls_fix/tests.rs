use super::*;

#[test]
fn each_error_of_a_certificate_has_a_fix_of_its_own() {
    let errors = [
        Certificate::Expired,
        Certificate::NotValidYet,
        Certificate::NotValidForName,
        Certificate::UnknownIssuer,
        Certificate::Revoked,
        Certificate::BadSignature,
    ];
    let fixes = errors.map(|error| of(&Error::InvalidCertificate(error)).unwrap());
    for (place, fix) in fixes.iter().enumerate() {
        assert!(!fixes[..place].contains(fix), "{fix:?} twice");
    }
    assert_eq!(of(&Error::DecryptError), None);
}

#[test]
fn fix_of_a_tls_alert_names_the_key() {
    use AlertDescription as Alert;
    for (alert, key) in [
        (Alert::CertificateRequired, "`client_certificate`"),
        (Alert::NoCertificate, "`client_certificate`"),
        (Alert::BadCertificate, "`client_certificate`"),
        (Alert::UnsupportedCertificate, "`client_certificate`"),
        (Alert::CertificateRevoked, "`client_certificate`"),
        (Alert::CertificateExpired, "`client_certificate`"),
        (Alert::CertificateUnknown, "`client_certificate`"),
        (Alert::UnknownCA, "`client_certificate`"),
        (Alert::AccessDenied, "`client_certificate`"),
        (Alert::UnrecognisedName, "`server_name`"),
        (Alert::NoApplicationProtocol, "`h2`"),
    ] {
        let fix = format!("{:?}", of(&Error::AlertReceived(alert)).unwrap());
        assert!(fix.contains(key), "{alert:?}: {fix}");
    }
    assert_eq!(of(&Error::AlertReceived(Alert::InternalError)), None);
}
