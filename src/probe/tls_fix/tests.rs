use tokio_rustls::rustls::pki_types::ServerName;

use super::*;

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
fn what_a_server_misses_names_the_key_that_gives_it() {
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
