//! TLS as a client, for probes and webhooks: what the configuration's files say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::ClientBuilder;
use thiserror::Error;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, VerifierBuilderError, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::config::{ClientCertificate, ClientKey, TlsSettings};
use crate::runtime::file_work::{self, FileUse, FileWorkError};
use crate::runtime::shared::Shared;
use crate::runtime::{clock, regular_file};
use config_key::TlsConfigKey;
use no_verification::NoVerification;
use shared::SharedTlsConfig;
pub(crate) use stale::StaleFiles;
pub(crate) use verified::OutOfDate;
use verified::Verified;
pub(crate) use wrong_clock::{CertificateDates, ClockError, Dates, Moment, WrongClock};

mod config_key;
mod no_verification;
mod shared;
mod stale;
mod verified;
mod wrong_clock;

/// The largest file of certificates or keys that is read.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What stands for the certificates of this host, wherever it keeps them.
const OF_HOST: &str = "/etc/ssl/certs";

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
    Key(ClientKey, #[source] pem::Error),
    #[error("the key {0} is not in this command's reach")]
    KeyUnknown(ClientKey),
    #[error("the key {0}")]
    KeyUnfit(ClientKey, #[source] rustls::Error),
    #[error("TLS cannot be set up")]
    Protocol(#[source] rustls::Error),
    #[error("the authorities cannot be used")]
    Verifier(#[source] VerifierBuilderError),
    #[error("the files of TLS cannot be read")]
    Files(#[from] FileWorkError),
    #[error("the agent's own code failed: {0}")]
    Panicked(String),
    /// The same error that other readers got.
    #[error(transparent)]
    Shared(#[from] Arc<TlsError>),
}

impl TlsError {
    /// What to do about a file that was usable before; `None` where the error
    /// says so itself.
    fn fix(&self) -> Option<String> {
        match self {
            Self::Certificate(path, pem::Error::Io(_))
            | Self::Key(ClientKey::File(path), pem::Error::Io(_)) => {
                let path = path.display();
                Some(format!(
                    "put the file there and let the agent's user read it: see `namei -l {path}`"
                ))
            }
            Self::Certificate(path, _) | Self::NoCertificate(path) | Self::Authority(path, _) => {
                let path = path.display();
                Some(format!(
                    "write the certificate to it in PEM: see `openssl x509 -noout -text -in {path}`"
                ))
            }
            Self::Key(ClientKey::Pem(_), _)
            | Self::KeyUnfit(ClientKey::Pem(_), _)
            | Self::KeyUnknown(_) => Some(
                "give the key of the client's certificate in PEM, with its line breaks: a file \
                 keeps them"
                    .to_owned(),
            ),
            Self::Key(ClientKey::File(path), _) | Self::KeyUnfit(ClientKey::File(path), _) => {
                let path = path.display();
                Some(format!(
                    "write the key of the client's certificate to it in PEM: see `openssl pkey \
                     -noout -text_pub -in {path}`"
                ))
            }
            Self::Shared(error) => error.fix(),
            Self::NoAuthorities
            | Self::Protocol(_)
            | Self::Verifier(_)
            | Self::Files(_)
            | Self::Panicked(_) => None,
        }
    }
}

/// The configurations of TLS that are asked for, each read when it is needed
/// first, and then in the background.
#[derive(Debug)]
pub(crate) struct TlsConfigs {
    provider: Arc<CryptoProvider>,
    configs: Shared<BTreeMap<TlsConfigKey, Arc<SharedTlsConfig>>>,
    /// Where it is shown that files cannot be read again.
    stale: Arc<StaleFiles>,
    /// Whether files that were never read are shown as well: those of checks are not,
    /// since the check fails and says why.
    shows_unread: bool,
    /// What the certificates of real servers say of this host's clock.
    clock: Shared<WrongClock>,
}

impl TlsConfigs {
    /// Nothing is read yet.
    pub(crate) fn new() -> Self {
        Self {
            provider: Arc::new(ring::default_provider()),
            configs: Shared::default(),
            stale: Arc::default(),
            shows_unread: false,
            clock: Shared::default(),
        }
    }

    /// For a host whose clock was at `reached` before.
    pub(crate) fn with_clock_after(self, reached: Option<SystemTime>) -> Self {
        Self {
            clock: Shared::new(WrongClock::after(reached)),
            ..self
        }
    }

    /// Shows there which files cannot be read again.
    pub(crate) fn showing(self, stale: Arc<StaleFiles>) -> Self {
        Self { stale, ..self }
    }

    /// Shows there files that were never read, too.
    pub(crate) fn and_unread(self) -> Self {
        Self {
            shows_unread: true,
            ..self
        }
    }

    /// Takes in a certificate that was verified now, or would have been but for
    /// its dates, and says whether this host's clock is to blame for them.
    pub(crate) fn note(&self, server: SocketAddr, dated: CertificateDates) -> Option<ClockError> {
        let mut clock = self.clock.lock();
        let now = Moment {
            wall: clock::wall(),
            since_boot: clock::since_boot(),
        };
        clock.note(server, dated, now)
    }

    /// The configuration that `settings` (but for `server_name`) ask for. All
    /// who ask for the same share it, whatever the names of their servers are;
    /// nobody waits but for the first that loads.
    pub(crate) async fn config(
        &self,
        settings: &TlsSettings,
        application: Application,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let shared = {
            let mut configs = self.configs.lock();
            let key = TlsConfigKey::of(settings);
            let new = || {
                let stale = Arc::clone(&self.stale);
                Arc::new(SharedTlsConfig::new(key.clone(), stale, self.shows_unread))
            };
            Arc::clone(configs.entry(key.clone()).or_insert_with(new))
        };
        let read = || read(Arc::clone(&self.provider), TlsConfigKey::of(settings));
        Ok(shared.get(application, read).await?)
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

async fn read(provider: Arc<CryptoProvider>, key: TlsConfigKey) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Protocol)?;
    let verifier: Arc<dyn ServerCertVerifier> = if key.verify {
        Arc::new(verified(provider, key.ca).await?)
    } else {
        Arc::new(NoVerification)
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match key.client {
        None => builder.with_no_client_auth(),
        Some(ClientCertificate { certificate, key }) => {
            let chain = certificates(certificate).await?;
            let private = private_key(&key).await?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| TlsError::KeyUnfit(key, error))?
        }
    };
    // A resumed session would not show the certificate that is there now.
    config.resumption = Resumption::disabled();
    Ok(config)
}

async fn verified(
    provider: Arc<CryptoProvider>,
    ca: Option<PathBuf>,
) -> Result<Verified, TlsError> {
    let mut roots = RootCertStore::empty();
    let trusted = match ca {
        None => {
            let read = || rustls_native_certs::load_native_certs().certs;
            let native = file_work::run_patiently(FileUse::Tls, Path::new(OF_HOST), read).await?;
            roots.add_parsable_certificates(native.iter().cloned());
            native
        }
        Some(ca) => {
            let certificates = certificates(ca.clone()).await?;
            for certificate in &certificates {
                roots
                    .add(certificate.clone())
                    .map_err(|error| TlsError::Authority(ca.clone(), error))?;
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

async fn certificates(path: PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = whole(&path).await?.and_then(|text| {
        let certificates = CertificateDer::pem_slice_iter(&text);
        certificates.collect::<Result<Vec<_>, _>>()
    });
    let certificates = read.map_err(|error| TlsError::Certificate(path.clone(), error))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(path));
    }
    Ok(certificates)
}

async fn private_key(key: &ClientKey) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = match key {
        ClientKey::File(path) => whole(path).await?,
        ClientKey::Pem(secret) => match secret.expose() {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => return Err(TlsError::KeyUnknown(key.clone())),
        },
    };
    let private = text.and_then(|text| PrivateKeyDer::from_pem_slice(&text));
    private.map_err(|error| TlsError::Key(key.clone(), without_text(error)))
}

/// The error without the line that is wrong, which is the whole key where line
/// breaks got lost.
fn without_text(error: pem::Error) -> pem::Error {
    if matches!(
        error,
        pem::Error::IllegalSectionStart { .. } | pem::Error::MissingSectionEnd { .. }
    ) {
        pem::Error::Base64Decode("a line is not as PEM has it".to_owned())
    } else {
        error
    }
}

/// What a file of certificates or keys has.
async fn whole(path: &Path) -> Result<Result<Vec<u8>, pem::Error>, TlsError> {
    let file = path.to_owned();
    let read = move || regular_file::read(&file, LARGEST);
    let read = file_work::run_patiently(FileUse::Tls, path, read).await?;
    Ok(read.map_err(pem::Error::Io))
}
