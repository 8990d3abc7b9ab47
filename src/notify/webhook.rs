//! The delivery of events to a URL.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_rustls::rustls::ClientConfig;

use super::DeliveryError;
use crate::config::Webhook;
use crate::net::tls::{Application, TlsConfigs, http_client};

/// From one look whether the files of TLS are due to the next.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Posts events to one URL.
#[derive(Debug)]
pub(super) struct Poster {
    webhook: Webhook,
    headers: HeaderMap,
    tls: Arc<TlsConfigs>,
    /// How long a peer may take nothing of what is sent.
    limit: Duration,
    /// The client that was used last, and the TLS configuration that it has.
    client: Mutex<Option<(Option<Arc<ClientConfig>>, Client)>>,
}

impl Poster {
    /// Every attempt is given up after `limit`.
    pub(super) fn new(webhook: Webhook, tls: Arc<TlsConfigs>, limit: Duration) -> Self {
        Self {
            headers: headers(&webhook),
            webhook,
            tls,
            limit,
            client: Mutex::default(),
        }
    }

    /// Has the files of TLS read again when they are due, whether or not there are
    /// events, so that files that cannot be read are known before an event needs them.
    pub(super) async fn keep_tls_read(&self) -> Infallible {
        loop {
            // What is wrong is shown among the conditions.
            let _ = self.client().await;
            sleep(FILE_CHECK_INTERVAL).await;
        }
    }

    /// Posts JSON; any status from 200 to 299 will do. The errors do not tell the
    /// URL, which may hold a secret.
    pub(super) async fn post(&self, json: Vec<u8>) -> Result<(), DeliveryError> {
        let client = self.client().await?;
        let url = self.webhook.url.expose().ok_or(DeliveryError::Unknown)?;
        let request = client.post(url).headers(self.headers.clone()).body(json);
        let response = request
            .send()
            .await
            .map_err(|error| DeliveryError::Exchange(error.without_url()))?;
        let status = response.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(DeliveryError::Status(status.as_u16()))
        }
    }

    /// The last client, unless the files of TLS have been read again since.
    async fn client(&self) -> Result<Client, DeliveryError> {
        let wanted = match &self.webhook.tls {
            Some(settings) => Some(self.tls.config(settings, Application::Any).await?),
            None => None,
        };
        let mut kept = self.client.lock().await;
        if let Some((tls, client)) = &*kept
            && tls.as_ref().map(Arc::as_ptr) == wanted.as_ref().map(Arc::as_ptr)
        {
            return Ok(client.clone());
        }
        let client = client(wanted.as_deref(), self.limit)?;
        *kept = Some((wanted, client.clone()));
        Ok(client)
    }
}

/// It follows no redirect, for that would turn the POST into a GET, and takes
/// the proxies of the environment.
///
/// An attempt that is given up leaves the library's task of the connection
/// behind, which waits for a peer that reads nothing: the kernel ends that
/// connection after `limit`.
fn client(tls: Option<&ClientConfig>, limit: Duration) -> Result<Client, DeliveryError> {
    http_client(tls)?
        .user_agent(concat!("lvs-agent/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_user_timeout(limit)
        .retry(reqwest::retry::never())
        .build()
        .map_err(DeliveryError::Client)
}

/// The headers of every request to `webhook`. Configured ones, which the
/// configuration has checked, take the place of the agent's own.
fn headers(webhook: &Webhook) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &webhook.headers {
        if let (Ok(name), Some(Ok(mut value))) = (
            HeaderName::from_bytes(name.as_bytes()),
            value.expose().map(HeaderValue::from_str),
        ) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests;
