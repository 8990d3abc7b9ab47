//! One configuration of TLS for all who ask for the same: read in the
//! background, and used until a newer one has loaded.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_rustls::rustls::ClientConfig;
use tracing::{info, warn};

use super::config_key::TlsConfigKey;
use super::stale::StaleFiles;
use super::{Application, TlsError};
use crate::runtime::error_chain::error_chain;
use crate::runtime::shared::Shared;
use crate::runtime::{clock, panics};

/// How long what was read from files is used before it is read again: a
/// certificate that is renewed in place is taken without a restart.
const FRESH: Duration = Duration::from_mins(1);

/// From one attempt that failed to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// What is wrong when the files cannot be read again.
const STALE: &str = "the files of TLS cannot be read again: what was read before is used";

/// What is wrong when the files could not be read even once.
const UNREAD: &str = "the files of TLS cannot be read";

/// A configuration that is kept up to date.
#[derive(Debug, Default)]
pub(super) struct SharedTlsConfig {
    key: TlsConfigKey,
    stale: Arc<StaleFiles>,
    shows_unread: bool,
    state: Shared<State>,
    /// Notified when an attempt to read the files has ended.
    read: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The last one that loaded.
    loaded: Option<Loaded>,
    /// Why the last attempt failed.
    error: Option<Arc<TlsError>>,
    /// When the last attempt ended.
    read_at: Option<Instant>,
    reading: bool,
}

#[derive(Debug)]
struct Loaded {
    any: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl SharedTlsConfig {
    /// Nothing is read yet. That it cannot be read again is shown in `stale`; with
    /// `shows_unread`, also that it was never read.
    pub(super) fn new(key: TlsConfigKey, stale: Arc<StaleFiles>, shows_unread: bool) -> Self {
        Self {
            key,
            stale,
            shows_unread,
            ..Self::default()
        }
    }

    /// The last configuration that loaded; waits only for the first one. Where
    /// it is old, has `read` read it again in the background.
    pub(super) async fn get<R>(
        self: &Arc<Self>,
        application: Application,
        read: impl FnOnce() -> R,
    ) -> Result<Arc<ClientConfig>, Arc<TlsError>>
    where
        R: Future<Output = Result<ClientConfig, TlsError>> + Send + 'static,
    {
        let mut read = Some(read);
        loop {
            let ended = self.read.notified();
            {
                let mut state = self.state.lock();
                if state.is_due(clock::monotonic())
                    && let Some(read) = read.take()
                {
                    state.reading = true;
                    let (shared, reading) = (Arc::clone(self), read());
                    tokio::spawn(async move {
                        let read = panics::caught(reading).await;
                        shared.take(read.unwrap_or_else(|panic| Err(TlsError::Panicked(panic))));
                    });
                }
                match (&state.loaded, &state.error) {
                    (Some(loaded), _) => return Ok(loaded.of(application)),
                    (None, Some(error)) if !state.reading => return Err(Arc::clone(error)),
                    (None, _) => {}
                }
            }
            ended.await;
        }
    }

    fn take(&self, read: Result<ClientConfig, TlsError>) {
        let mut state = self.state.lock();
        state.reading = false;
        state.read_at = Some(clock::monotonic());
        let before = state.error.take().map(|error| error_chain(&error));
        match read {
            Ok(config) => {
                if let (Some(error), true) = (before, state.loaded.is_some() || self.shows_unread) {
                    info!(was = error, "the files of TLS are read again");
                }
                state.loaded = Some(Loaded::new(config));
                self.stale.note(&self.key, None);
            }
            Err(error) => {
                let why = error_chain(&error);
                if state.loaded.is_some() {
                    let fix = error.fix();
                    let failure = (format!("{STALE}: {why}"), fix.clone());
                    self.stale.note(&self.key, Some(failure));
                    if before.as_ref() != Some(&why) {
                        warn!(error = why, fix, "{STALE}");
                    }
                } else if self.shows_unread {
                    let fix = error.fix();
                    let failure = (format!("{UNREAD}: {why}"), fix.clone());
                    self.stale.note(&self.key, Some(failure));
                    if before.as_ref() != Some(&why) {
                        warn!(error = why, fix, "{UNREAD}");
                    }
                }
                state.error = Some(Arc::new(error));
            }
        }
        drop(state);
        self.read.notify_waiters();
    }
}

impl State {
    fn is_due(&self, now: Instant) -> bool {
        let patience = if self.error.is_some() { AGAIN } else { FRESH };
        let is_old = |at| now.saturating_duration_since(at) >= patience;
        !self.reading && self.read_at.is_none_or(is_old)
    }
}

impl Loaded {
    fn new(config: ClientConfig) -> Self {
        let mut http2 = config.clone();
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            any: Arc::new(config),
            http2: Arc::new(http2),
        }
    }

    fn of(&self, application: Application) -> Arc<ClientConfig> {
        Arc::clone(match application {
            Application::Any => &self.any,
            Application::Http2 => &self.http2,
        })
    }
}

#[cfg(test)]
mod tests;
