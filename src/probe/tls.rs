//! TLS over a probe's connection.

use std::time::SystemTime;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::connect::Stream;
use super::verdict::Failure;
use crate::config::TlsSettings;
use crate::error_chain::error_chain;
use crate::tls::{Application, TlsConfigs};

impl TlsConfigs {
    /// Shakes hands over `stream`; the connection, and when the certificate
    /// ends that the server showed.
    pub(in crate::probe) async fn handshake(
        &self,
        stream: Stream,
        settings: &TlsSettings,
        application: Application,
    ) -> Result<(TlsStream<Stream>, Option<SystemTime>), Failure> {
        let name = match &settings.server_name {
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|_| Failure::internal(format!("`{name}` is no name of a server")))?,
            None => ServerName::from(stream.peer()?),
        };
        let config = self.config(settings, application).await;
        let config = config.map_err(|error| {
            Failure::internal(error_chain(&error)).fixed_here(
                "let the agent read whole PEM files where the check's `ca`, `client_certificate` \
                 and `client_key` name them",
            )
        })?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        let (_, connection) = stream.get_ref();
        let shown = connection.peer_certificates();
        let expiry = shown.and_then(|chain| expiry(chain.first()?));
        Ok((stream, expiry))
    }
}

/// `notAfter` (RFC 5280, section 4.1.2.5); `None` if the certificate cannot be read.
fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let not_after = certificate.tbs_certificate().validity().not_after;
    Some(not_after.to_system_time())
}

#[cfg(test)]
mod tests;
