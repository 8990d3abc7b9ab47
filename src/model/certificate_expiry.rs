//! When a certificate ends, and which port shows the certificate.

use std::time::SystemTime;

/// The end of a certificate that a server has shown. The one that ends first is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CertificateExpiry {
    pub(crate) at: SystemTime,
    pub(crate) port: u16,
}
