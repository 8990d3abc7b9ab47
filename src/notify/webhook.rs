use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::DeliveryError;
use super::event::Message;
use crate::config::Webhook;

/// The client of all webhooks. It follows no redirect, for that would turn the
/// POST into a GET, and takes the proxies of the environment.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("lvs-agent/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
}

/// The headers of every request to `webhook`. Configured ones, which the
/// configuration has checked, take the place of the agent's own.
pub(super) fn headers(webhook: &Webhook) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &webhook.headers {
        if let (Ok(name), Ok(mut value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

/// Posts the event as JSON; any status from 200 to 299 will do. The errors
/// do not tell the URL, which may hold a secret.
pub(super) async fn post(
    client: &Client,
    webhook: &Webhook,
    headers: HeaderMap,
    message: &Message,
) -> Result<(), DeliveryError> {
    let request = client
        .post(&webhook.url)
        .headers(headers)
        .body(serde_json::to_vec(message)?);
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
