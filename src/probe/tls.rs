//! TLS over a probe's connection.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::verdict::Failure;
use crate::clock;
use crate::config::TlsSettings;
use unverified::Unverified;

mod unverified;

/// How long what was read from files is used: a certificate that is renewed
/// in place is taken without a restart.
const FRESH: Duration = Duration::from_mins(1);

/// What is spoken over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Application {
    /// Anything but HTTP/2: nothing is negotiated.
    Any,
    /// HTTP/2 (ALPN `h2`, RFC 9113, section 3.2).
    Http2,
}

/// The configurations of TLS that the checks ask for, each read when it is needed.
#[derive(Debug)]
pub(super) struct TlsConfigs {
    provider: Arc<CryptoProvider>,
    /// Held while files are read, so that they are read once for all probes.
    configs: Mutex<BTreeMap<(TlsSettings, Application), Fresh>>,
}

#[derive(Debug)]
struct Fresh {
    read_at: Instant,
    config: Arc<ClientConfig>,
}

impl TlsConfigs {
    pub(super) fn new() -> Self {
        Self {
            provider: Arc::new(ring::default_provider()),
            configs: Mutex::default(),
        }
    }

    /// Shakes hands over `stream`; the connection, and when the certificate
    /// ends that the server showed.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        settings: &TlsSettings,
        application: Application,
    ) -> Result<(TlsStream<TcpStream>, Option<SystemTime>), Failure> {
        let name = match &settings.server_name {
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|_| Failure::internal(format!("`{name}` is no name of a server")))?,
            None => ServerName::from(stream.peer_addr()?.ip()),
        };
        let config = self.config(settings, application).await?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        let (_, connection) = stream.get_ref();
        let shown = connection.peer_certificates();
        let expiry = shown.and_then(|chain| expiry(chain.first()?));
        Ok((stream, expiry))
    }

    async fn config(
        &self,
        settings: &TlsSettings,
        application: Application,
    ) -> Result<Arc<ClientConfig>, Failure> {
        let mut configs = self.configs.lock().await;
        let key = (settings.clone(), application);
        let now = clock::monotonic();
        if let Some(fresh) = configs.get(&key)
            && now.saturating_duration_since(fresh.read_at) < FRESH
        {
            return Ok(Arc::clone(&fresh.config));
        }
        let (provider, settings) = (Arc::clone(&self.provider), settings.clone());
        let read = move || read(provider, &settings, application);
        let config = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| Failure::internal(error.to_string()))?;
        let config = Arc::new(config.map_err(Failure::internal)?);
        let fresh = Fresh {
            read_at: now,
            config: Arc::clone(&config),
        };
        configs.insert(key, fresh);
        Ok(config)
    }
}

/// The error is a sentence for people.
fn read(
    provider: Arc<CryptoProvider>,
    settings: &TlsSettings,
    application: Application,
) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if settings.verify {
        builder.with_root_certificates(roots(settings.ca.as_deref())?)
    } else {
        let unverified = Arc::new(Unverified(provider));
        builder
            .dangerous()
            .with_custom_certificate_verifier(unverified)
    };
    let mut config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("the key {}: {error}", key.display()))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| format!("the key {}: {error}", key.display()))?
        }
    };
    // A resumed session would not show the certificate that is there now.
    config.resumption = Resumption::disabled();
    if application == Application::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(config)
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = ca else {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            return Err("this host has no certificates of authorities: \
                        install ca-certificates, or give `ca`"
                .to_owned());
        }
        return Ok(roots);
    };
    for certificate in certificates(ca)? {
        roots
            .add(certificate)
            .map_err(|error| format!("a certificate in {}: {error}", ca.display()))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("the certificate {}: {error}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(format!("{} has no certificate in PEM", path.display()));
    }
    Ok(certificates)
}

/// `notAfter` (RFC 5280, section 4.1.2.5); `None` if the certificate cannot be read.
fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let not_after = certificate.tbs_certificate().validity().not_after;
    Some(not_after.to_system_time())
}

#[cfg(test)]
mod tests;
