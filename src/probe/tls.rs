//! TLS over a probe's connection.

use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use super::connect::{Stream, TlsText};
use super::exchange_result::Failure;
use super::progress::Activity;
use crate::config::TlsSettings;
use crate::model::ProbeResult;
use crate::net::tls::{Application, CertificateDates, OutOfDate, TlsConfigs};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;

/// The message about a server that closes the connection.
const CLOSED: &str = "the server closed the connection during the TLS handshake";

impl TlsConfigs {
    /// Shakes hands over `stream`; the connection, and when the certificate
    /// ends that the server showed. Files that are not read by `files_until` are
    /// no fault of the server's.
    pub(in crate::probe) async fn handshake(
        &self,
        stream: Stream,
        settings: &TlsSettings,
        application: Application,
        files_until: Instant,
    ) -> Result<(TlsText<TlsStream<Stream>>, Option<SystemTime>), Failure> {
        let server = stream.peer()?;
        let name = match &settings.server_name {
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|_| Failure::internal(format!("`{name}` is no name of a server")))?,
            None => ServerName::from(server.ip()),
        };
        let config = timeout_at(files_until, self.config(settings, application)).await;
        let config = config.map_err(|_| {
            Failure::internal("the files of TLS are not read in time: their file system hangs, or this host is busy")
                .with_director_fix(
                    "see whether the file systems of the check's `ca`, `client_certificate` and \
                     `client_key` answer: `timeout 5 stat FILE`, `findmnt -T FILE`",
                )
        })?;
        let config = config.map_err(|error| {
            Failure::internal(error_chain(&error)).with_director_fix(
                "let the agent read whole PEM files where the check's `ca`, `client_certificate` \
                 and `client_key` name them",
            )
        })?;
        let (stream, progress) = stream.for_tls();
        progress.begin(Activity::TlsHandshake);
        let stream = TlsConnector::from(config).connect(name, stream).await;
        let stream = stream.map_err(|error| self.handshake_failure(server, error))?;
        let (_, connection) = stream.get_ref();
        let shown = connection.peer_certificates();
        let dated = shown.and_then(|chain| CertificateDates::of(chain.first()?, clock::wall()));
        if let Some(dated) = dated
            && settings.verify
        {
            self.note(server, dated);
        }
        let stream = TlsText::new(stream, progress);
        Ok((stream, dated.map(|dated| dated.not_after)))
    }

    /// A certificate that only a wrong clock of this host puts out of date says
    /// nothing of its server.
    fn handshake_failure(&self, server: SocketAddr, error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Failure::new(ProbeResult::Tls, CLOSED);
        }
        let inner = error.get_ref();
        let inner = inner.and_then(|error| error.downcast_ref::<rustls::Error>());
        if let Some(OutOfDate(dated)) = inner.and_then(OutOfDate::of)
            && let Some(wrong) = self.note(server, *dated)
        {
            return Failure::internal(wrong.to_string()).with_director_fix(
                "set this host's clock, for example with `timedatectl set-ntp true`",
            );
        }
        error.into()
    }
}

#[cfg(test)]
mod tests;
