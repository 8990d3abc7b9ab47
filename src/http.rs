//! The read-only HTTP endpoints: `/metrics`, `/status`, `/readiness`, `/livez`,
//! `/readyz` and a page for people.

mod connection_slots;
mod host_header;
mod negotiation;
mod pace;
mod page;
mod readyz;
mod rendering;
mod server;
mod sink;
mod write_stall;

use std::collections::BTreeSet;
use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use rustix::io::Errno;
use socket2::SockRef;
use thiserror::Error;
use tokio::net::TcpListener;

pub(crate) use server::{ServeError, serve_with_low_priority};

use self::connection_slots::ConnectionSlot;
use self::rendering::{Large, RenderError, Renderings, Wanted};
use self::server::KeptOpen;
use self::sink::{Encoding, Sink};
use self::write_stall::STALL;

use crate::health::weight_updates::WeightUpdates;
use crate::metrics::Metrics;
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
        wanted: Wanted,
        media_type: &'static str,
        slot: &Arc<ConnectionSlot>,
        render: impl FnOnce(AppState, &mut Sink) -> Result<(), RenderError> + Send + 'static,
    ) -> Response {
        let shown = self.clone();
        let encoding = wanted.encoding;
        let render = move |sink: &mut Sink| render(shown.view(), sink);
        let mut response = match self.renderings.get(wanted, slot, render).await {
            Ok(text) => (content_type(media_type), Body::from(text)).into_response(),
            Err(error) => return not_rendered(&error),
        };
        let headers = response.headers_mut();
        headers.insert(
            header::VARY,
            HeaderValue::from_static("accept, accept-encoding"),
        );
        if encoding == Encoding::Gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    /// The index of the virtual service of this name.
    fn service(&self, name: &str) -> Option<usize> {
        let snapshot = self.view().snapshot;
        let mut services = snapshot.services.iter();
        services.position(|service| &*service.name == name)
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

/// How much of an answer waits in the kernel for its reader, in bytes. The kernel adds as much
/// again for its own overhead (`SO_SNDBUF` in socket(7)).
const SEND_BUFFER: usize = 64 * 1024;

/// Takes the address, without serving yet: so that one that cannot be had is
/// known before the kernel is touched. The listener does not block.
///
/// Connections inherit the listener's options: one whose reader takes nothing of what waits in
/// the kernel ends as one to which nothing can be written (`TCP_USER_TIMEOUT` in tcp(7)).
///
/// Sets `SO_REUSEADDR`, as tokio does: connections of the process before this
/// one, waiting out their time, are no obstacle.
pub(crate) async fn bind(listen: SocketAddr) -> Result<net::TcpListener, ListenError> {
    TcpListener::bind(listen)
        .await
        .and_then(|listener| {
            let socket = SockRef::from(&listener);
            socket.set_send_buffer_size(SEND_BUFFER)?;
            socket.set_tcp_user_timeout(Some(STALL))?;
            listener.into_std()
        })
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

/// Answers on all endpoints until it is dropped.
pub(crate) async fn serve(listener: net::TcpListener, shown: SharedState) -> ServeError {
    let listener = move || TcpListener::from_std(listener);
    let router = router(shown);
    serve_with_low_priority("http", listener, move |_| router.clone()).await
}

/// All endpoints.
fn router(shown: SharedState) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/page.css", get(style))
        .route("/page.js", get(script))
        .route("/page.svg", get(icon))
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

/// The answer leaves the connection open for the next scrape.
async fn metrics(
    State(shown): State<SharedState>,
    Extension(slot): Extension<Arc<ConnectionSlot>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let only = match metrics_filter(query.as_deref().unwrap_or_default()) {
        Ok(names) => names,
        Err(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
    };
    if let Some(name) = only.iter().find(|name| shown.service(name).is_none()) {
        return no_such_service(name);
    }
    let format = negotiation::format(&headers);
    let wanted = Wanted {
        large: if only.is_empty() {
            Large::Metrics(format)
        } else {
            Large::FilteredMetrics(format, only.clone())
        },
        encoding: negotiation::encoding(&headers),
    };
    let render = move |view: AppState, sink: &mut Sink| {
        let snapshot = view.snapshot;
        // A service that a reload has removed since then has no series.
        let places = || {
            let services = snapshot.services.iter().enumerate();
            let wanted = services.filter(|(_, service)| only.contains(&*service.name));
            wanted.map(|(place, _)| place).collect()
        };
        let only = (!only.is_empty()).then(places);
        let now = clock::wall();
        Ok(sink.put_all(view.metrics.exposition(snapshot, format, only, now))?)
    };
    let media_type = format.content_type();
    let mut response = shown.large(wanted, media_type, &slot, render).await;
    if response.status().is_success() {
        response.extensions_mut().insert(KeptOpen);
    }
    response
}

/// The names of `service=NAME`, once or several times; none for everything.
fn metrics_filter(query: &str) -> Result<BTreeSet<String>, &'static str> {
    let mut names = BTreeSet::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*key, &*value) {
            ("service", name) if !name.is_empty() => names.insert(name.to_owned()),
            _ => {
                return Err(
                    "/metrics takes ?service=NAME, once or several times, and nothing \
                            else.\n",
                );
            }
        };
    }
    Ok(names)
}

fn no_such_service(name: &str) -> Response {
    let text = format!("There is no virtual service with the name {name:?}.\n");
    (StatusCode::NOT_FOUND, text).into_response()
}

async fn page(
    State(shown): State<SharedState>,
    Extension(slot): Extension<Arc<ConnectionSlot>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = match page::Query::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
    };
    let large = if query == page::Query::default() {
        Large::Page
    } else {
        Large::FilteredPage(query.clone())
    };
    let wanted = Wanted {
        large,
        encoding: negotiation::encoding(&headers),
    };
    let render = move |view: AppState, sink: &mut Sink| {
        Ok(sink.put_all(page::render(view.snapshot, query, clock::wall()))?)
    };
    let media_type = "text/html; charset=utf-8";
    let mut response = shown.large(wanted, media_type, &slot, render).await;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(page::CONTENT_SECURITY_POLICY),
    );
    response
}

async fn style() -> impl IntoResponse {
    (content_type("text/css; charset=utf-8"), page::STYLE)
}

async fn icon() -> impl IntoResponse {
    (content_type("image/svg+xml"), page::ICON)
}

async fn script() -> impl IntoResponse {
    (content_type("text/javascript; charset=utf-8"), page::SCRIPT)
}

pub(crate) async fn status(
    State(shown): State<SharedState>,
    Extension(slot): Extension<Arc<ConnectionSlot>>,
    headers: HeaderMap,
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
    let wanted = Wanted {
        large,
        encoding: negotiation::encoding(&headers),
    };
    let render = move |view: AppState, sink: &mut Sink| {
        Ok(document::write_json(&view.snapshot, &filter, sink)?)
    };
    shown.large(wanted, "application/json", &slot, render).await
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

#[cfg(test)]
mod tests;
