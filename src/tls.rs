//! TLS as a client, for probes and webhooks: what the configuration's files say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::ClientBuilder;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::task::JoinError;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, VerifierBuilderError, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::clock;
use crate::config::TlsSettings;
use unverified::Unverified;
pub(crate) use verified::OutOfDate;
use verified::Verified;
pub(crate) use wrong_clock::{Dated, Dates, Moment, Wrong, WrongClock};

mod unverified;
mod verified;
mod wrong_clock;

/// How long what was read from files is used: a certificate that is renewed
/// in place is taken without a restart.
const FRESH: Duration = Duration::from_mins(1);

/// What is spoken over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Application {
    /// Anything but HTTP/2: nothing is negotiated.
    Any,
    /// HTTP/2 (ALPN `h2`, RFC 9113, section 3.2).
    Http2,
}

/// The settings of TLS cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    #[error("this host has no certificates of authorities: install ca-certificates, or give `ca`")]
    NoAuthorities,
    #[error("the certificate {0}")]
    Certificate(PathBuf, #[source] pem::Error),
    #[error("{0} has no certificate in PEM")]
    NoCertificate(PathBuf),
    #[error("a certificate in {0}")]
    Authority(PathBuf, #[source] rustls::Error),
    #[error("the key {0}")]
    Key(PathBuf, #[source] pem::Error),
    #[error("the key {0}")]
    KeyUnfit(PathBuf, #[source] rustls::Error),
    #[error("TLS cannot be set up")]
    Protocol(#[source] rustls::Error),
    #[error("the authorities cannot be used")]
    Verifier(#[source] VerifierBuilderError),
    #[error("the files of TLS cannot be read")]
    Reader(#[from] JoinError),
}

/// The configurations of TLS that are asked for, each read when it is needed.
#[derive(Debug)]
pub(crate) struct TlsConfigs {
    provider: Arc<CryptoProvider>,
    /// Held while files are read, so that they are read once for all who ask.
    configs: Mutex<BTreeMap<(TlsSettings, Application), Fresh>>,
    /// What the certificates of real servers say of this host's clock.
    clock: std::sync::Mutex<WrongClock>,
}

#[derive(Debug)]
struct Fresh {
    read_at: Instant,
    config: Arc<ClientConfig>,
}

impl TlsConfigs {
    /// Nothing is read yet.
    pub(crate) fn new() -> Self {
        Self {
            provider: Arc::new(ring::default_provider()),
            configs: Mutex::default(),
            clock: std::sync::Mutex::default(),
        }
    }

    /// For a host whose clock was at `reached` before.
    pub(crate) fn with_clock_after(self, reached: Option<SystemTime>) -> Self {
        Self {
            clock: std::sync::Mutex::new(WrongClock::after(reached)),
            ..self
        }
    }

    /// Takes in a certificate that was verified now, or would have been but for
    /// its dates, and says whether this host's clock is to blame for them.
    pub(crate) fn note(&self, server: SocketAddr, dated: Dated) -> Option<Wrong> {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Moment {
            wall: clock::wall(),
            since_boot: clock::since_boot(),
        };
        clock.note(server, dated, now)
    }

    /// The configuration that `settings` (but for `server_name`) ask for, from
    /// files that were read within the last minute.
    pub(crate) async fn config(
        &self,
        settings: &TlsSettings,
        application: Application,
    ) -> Result<Arc<ClientConfig>, TlsError> {
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
        let config = Arc::new(tokio::task::spawn_blocking(read).await??);
        let fresh = Fresh {
            read_at: now,
            config: Arc::clone(&config),
        };
        configs.insert(key, fresh);
        Ok(config)
    }
}

/// An HTTP client that speaks TLS as `tls` says, or none. (reqwest panics when
/// it is left to find cryptography by itself.)
pub(crate) fn http_client(tls: Option<&ClientConfig>) -> Result<ClientBuilder, TlsError> {
    let tls = match tls {
        Some(tls) => tls.clone(),
        None => ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Protocol)?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that calls it"
    )]
    let builder = reqwest::Client::builder();
    Ok(builder.tls_backend_preconfigured(tls))
}

fn read(
    provider: Arc<CryptoProvider>,
    settings: &TlsSettings,
    application: Application,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Protocol)?;
    let verifier: Arc<dyn ServerCertVerifier> = if settings.verify {
        Arc::new(verified(provider, settings.ca.as_deref())?)
    } else {
        Arc::new(Unverified)
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| TlsError::Key(key.clone(), error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| TlsError::KeyUnfit(key.clone(), error))?
        }
    };
    // A resumed session would not show the certificate that is there now.
    config.resumption = Resumption::disabled();
    if application == Application::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(config)
}

fn verified(provider: Arc<CryptoProvider>, ca: Option<&Path>) -> Result<Verified, TlsError> {
    let mut roots = RootCertStore::empty();
    let trusted = match ca {
        None => {
            let native = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(native.iter().cloned());
            native
        }
        Some(ca) => {
            let certificates = certificates(ca)?;
            for certificate in &certificates {
                roots
                    .add(certificate.clone())
                    .map_err(|error| TlsError::Authority(ca.to_owned(), error))?;
            }
            certificates
        }
    };
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    let algorithms = provider.signature_verification_algorithms;
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    Ok(Verified {
        authorities: authorities.build().map_err(TlsError::Verifier)?,
        trusted,
        algorithms,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| TlsError::Certificate(path.to_owned(), error);
    let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}
