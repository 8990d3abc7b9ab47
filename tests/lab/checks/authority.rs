use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};

/// An authority for certificates, of which the files are in one directory.
pub(super) struct Authority<'a> {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: &'a Path,
}

impl<'a> Authority<'a> {
    /// Writes its own certificate to `NAME.pem`.
    pub(super) fn new(directory: &'a Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let file = directory.join(format!("{name}.pem"));
        fs::write(file, issuer.pem()).expect("the authority's file");
        Self { issuer, directory }
    }

    /// Writes a certificate for `host` to `NAME.pem` and its key to `NAME.key`.
    /// It is valid until the end of `year`.
    pub(super) fn sign(&self, name: &str, host: &str, year: i32) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).expect("a signature");
        let path = |extension: &str| self.directory.join(format!("{name}.{extension}"));
        fs::write(path("pem"), certificate.pem()).expect("the certificate's file");
        fs::write(path("key"), key.serialize_pem()).expect("the key's file");
    }
}
