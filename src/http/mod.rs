//! The read-only HTTP endpoints: `/metrics`, `/status`, `/readiness`, `/livez`,
//! `/readyz` and a page for people.

mod host_header;
mod page;
mod places;
mod readyz;
mod rendering;
mod server;
mod write_stall;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use rustix::io::Errno;
use thiserror::Error;
use tokio::net::TcpListener;

pub(crate) use server::serve;

use self::places::Place;
use self::rendering::{Large, RenderError, Renderings};

use crate::health::weight_updates::WeightUpdates;
use crate::metrics::{self as exposition, Metrics};
use crate::model::Protocol;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::liveness::Liveness;
use crate::runtime::shared::Shared;
use crate::status::Snapshot;
use crate::status::document::{self, Filter};

/// What the endpoints show.
#[derive(Debug, Clone)]
pub(crate) struct AppState {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) liveness: Arc<Liveness>,
    /// What health wants and reconcile has not taken yet.
    pub(crate) weight_updates: Arc<WeightUpdates>,
}

/// Where every request takes the newest [`AppState`] from: a reload puts another there.
#[derive(Debug, Clone)]
pub(crate) struct SharedState {
    view: Arc<Shared<AppState>>,
    renderings: Arc<Renderings>,
}

impl SharedState {
    pub(crate) fn new(view: AppState) -> Self {
        Self {
            view: Arc::new(Shared::new(view)),
            renderings: Arc::default(),
        }
    }

    /// From the next request on.
    pub(crate) fn show(&self, view: AppState) {
        *self.view.lock() = view;
    }

    pub(crate) fn view(&self) -> AppState {
        self.view.lock().clone()
    }

    /// An answer that is rendered on a thread of its own.
    async fn large(
        &self,
        large: Large,
        media_type: &'static str,
        place: &Arc<Place>,
        render: impl FnOnce(AppState) -> Result<Vec<u8>, RenderError> + Send + 'static,
    ) -> Response {
        let shown = self.clone();
        let render = move || render(shown.view());
        match self.renderings.get(large, place, render).await {
            Ok(text) => (content_type(media_type), Body::from(text)).into_response(),
            Err(error) => not_rendered(&error),
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, Error)]
pub(crate) enum ListenError {
    /// Somebody else listens there.
    #[error(
        "cannot listen on {0}: the port is taken by another process; see `ss -ltnp`, or change http.listen"
    )]
    Taken(SocketAddr),
    /// The port is below 1024 (`net.ipv4.ip_unprivileged_port_start`).
    #[error(
        "cannot listen on {0}: permission denied; take a port from 1024 on, or run as root: http.listen"
    )]
    NotPermitted(SocketAddr),
    /// The address is not one of this host's.
    #[error("cannot listen on {0}: this host does not have that address; change http.listen")]
    NoSuchAddress(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {cause}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// Why not.
        cause: io::Error,
    },
}

/// Takes the address, without serving yet: so that one that cannot be had is
/// known before the kernel is touched.
///
/// Sets `SO_REUSEADDR`, as tokio does: connections of the process before this
/// one, waiting out their time, are no obstacle.
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(listen)
        .await
        .map_err(|cause| match Errno::from_io_error(&cause) {
            Some(Errno::ADDRINUSE) => ListenError::Taken(listen),
            Some(Errno::ACCESS | Errno::PERM) => ListenError::NotPermitted(listen),
            Some(Errno::ADDRNOTAVAIL) => ListenError::NoSuchAddress(listen),
            _ => ListenError::Other {
                address: listen,
                cause,
            },
        })
}

/// All endpoints.
pub(crate) fn router(shown: SharedState) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz::readyz))
        .route("/status", get(status))
        .route("/readiness", get(readiness))
        .fallback(no_such_page)
        .method_not_allowed_fallback(read_only)
        .layer(from_fn_with_state(shown.clone(), host_header::check))
        .layer(map_response(not_sniffed))
        .with_state(shown)
}

async fn metrics(
    State(shown): State<SharedState>,
    Extension(place): Extension<Arc<Place>>,
) -> Response {
    let render = |view: AppState| Ok(joined(view.metrics.exposition(view.snapshot)));
    let media_type = exposition::CONTENT_TYPE;
    shown
        .large(Large::Metrics, media_type, &place, render)
        .await
}

async fn page(
    State(shown): State<SharedState>,
    Extension(place): Extension<Arc<Place>>,
) -> Response {
    let render = |view: AppState| Ok(joined(page::render(view.snapshot, clock::wall())));
    let media_type = "text/html; charset=utf-8";
    let mut response = shown.large(Large::Page, media_type, &place, render).await;
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    response
}

pub(crate) async fn status(
    State(shown): State<SharedState>,
    Extension(place): Extension<Arc<Place>>,
    RawQuery(query): RawQuery,
) -> Response {
    let filter = match Filter::of_query(query.as_deref().unwrap_or_default()) {
        Ok(filter) => filter,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    if let Some(unknown) = filter.unknown(&shown.view().snapshot) {
        return (StatusCode::NOT_FOUND, format!("{unknown}\n")).into_response();
    }
    let large = if filter == Filter::default() {
        Large::Status
    } else {
        Large::FilteredStatus(filter.clone())
    };
    let render = move |view: AppState| document::json(&view.snapshot, &filter).map_err(Into::into);
    let media_type = "application/json";
    shown.large(large, media_type, &place, render).await
}

/// What a director's `agent` check asks: small, whatever this host has.
async fn readiness(State(shown): State<SharedState>, RawQuery(query): RawQuery) -> Response {
    let Some((protocol, address)) = query.as_deref().and_then(asked_service) else {
        let text = "Ask for one service, like /readiness?service=tcp/192.168.11.200:80.\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    match document::readiness_of(&shown.view().snapshot, protocol, address) {
        Ok(json) => (content_type("application/json"), json).into_response(),
        Err(error) => not_rendered(&error.into()),
    }
}

/// `service=tcp/192.168.11.200:80`
fn asked_service(query: &str) -> Option<(Protocol, SocketAddr)> {
    let (protocol, address) = query.strip_prefix("service=")?.split_once('/')?;
    Some((protocol.parse().ok()?, address.parse().ok()?))
}

async fn livez(State(shown): State<SharedState>) -> Response {
    let stuck = shown.view().liveness.stuck(clock::monotonic());
    if stuck.is_empty() {
        return "alive\n".into_response();
    }
    let lines = stuck.iter().map(|stuck| format!("{stuck}\n"));
    let text: String = lines.collect();
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn no_such_page() -> impl IntoResponse {
    let text = "There is no such page: see /, /metrics, /status, /readiness, /livez and /readyz.\n";
    (StatusCode::NOT_FOUND, text)
}

async fn read_only() -> impl IntoResponse {
    let text = "This interface is read-only: it answers GET and HEAD alone.\n";
    (StatusCode::METHOD_NOT_ALLOWED, text)
}

fn not_rendered(error: &RenderError) -> Response {
    if matches!(error, RenderError::TooMany) {
        let text = "Too many clients read this now: ask again in a second.\n";
        let retry = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, retry, text).into_response();
    }
    tracing::error!(error = error_chain(error), "cannot render an answer");
    let text = "The answer cannot be rendered: see the log.\n";
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

/// No browser takes an answer for anything but what it is.
async fn not_sniffed(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn content_type(value: &'static str) -> [(HeaderName, &'static str); 1] {
    [(header::CONTENT_TYPE, value)]
}

/// The pieces as one text.
fn joined(pieces: impl Iterator<Item = String>) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in pieces {
        text.extend_from_slice(piece.as_bytes());
    }
    text
}

#[cfg(test)]
mod tests;
