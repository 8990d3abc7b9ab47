//! Keys and certificates in PEM, as the TLS library reads them.

use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(super) fn is_key(text: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(text).is_ok()
}

/// Whether there is a key that needs a passphrase.
pub(super) fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("\nProc-Type: 4,ENCRYPTED")
}

/// Whether there are certificates, and all of them can be read.
pub(super) fn has_certificates(text: &[u8]) -> bool {
    let mut all = CertificateDer::pem_slice_iter(text).peekable();
    all.peek().is_some() && all.all(|one| one.is_ok())
}
