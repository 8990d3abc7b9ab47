//! The read-only HTTP endpoints: `/metrics`, `/status`, `/readiness`, `/livez`,
//! `/readyz` and a page for people.

mod host_header;
mod page;
mod places;
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

use crate::health::weight_updates::Intent;
use crate::metrics::{self as exposition, Metrics};
use crate::model::{Health, Protocol};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::liveness::Liveness;
use crate::runtime::shared::Shared;
use crate::status::Snapshot;
use crate::status::document::{self, Filter};

/// How many real servers of a kind, and how many conditions, `/readyz` names.
const NAMED: usize = 10;

/// What the endpoints show.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) liveness: Arc<Liveness>,
    /// What health wants and reconcile has not taken yet.
    pub(crate) intent: Arc<Intent>,
}

/// Where every request takes the newest [`View`] from: a reload puts another there.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    view: Arc<Shared<View>>,
    renderings: Arc<Renderings>,
}

impl Shown {
    pub(crate) fn new(view: View) -> Self {
        Self {
            view: Arc::new(Shared::new(view)),
            renderings: Arc::default(),
        }
    }

    /// From the next request on.
    pub(crate) fn show(&self, view: View) {
        *self.view.lock() = view;
    }

    pub(crate) fn view(&self) -> View {
        self.view.lock().clone()
    }

    /// An answer that is rendered on a thread of its own.
    async fn large(
        &self,
        large: Large,
        media_type: &'static str,
        place: &Arc<Place>,
        render: impl FnOnce(View) -> Result<Vec<u8>, RenderError> + Send + 'static,
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
pub(crate) fn router(shown: Shown) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/readiness", get(readiness))
        .fallback(no_such_page)
        .method_not_allowed_fallback(read_only)
        .layer(from_fn_with_state(shown.clone(), host_header::check))
        .layer(map_response(not_sniffed))
        .with_state(shown)
}

async fn metrics(State(shown): State<Shown>, Extension(place): Extension<Arc<Place>>) -> Response {
    let render = |view: View| Ok(joined(view.metrics.exposition(view.snapshot)));
    let media_type = exposition::CONTENT_TYPE;
    shown
        .large(Large::Metrics, media_type, &place, render)
        .await
}

async fn page(State(shown): State<Shown>, Extension(place): Extension<Arc<Place>>) -> Response {
    let render = |view: View| Ok(joined(page::render(view.snapshot, clock::wall())));
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
    State(shown): State<Shown>,
    Extension(place): Extension<Arc<Place>>,
    RawQuery(query): RawQuery,
) -> Response {
    let filter = match filter_of(query.as_deref().unwrap_or_default()) {
        Ok(filter) => filter,
        Err(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
    };
    if let Some(name) = &filter.service {
        let snapshot = shown.view().snapshot;
        let mut services = snapshot.services.iter();
        if !services.any(|service| *service.name == **name) {
            let text = "There is no virtual service of that name.\n";
            return (StatusCode::NOT_FOUND, text).into_response();
        }
    }
    let large = if filter == Filter::default() {
        Large::Status
    } else {
        Large::FilteredStatus(filter.clone())
    };
    let render = move |view: View| document::json(&view.snapshot, &filter).map_err(Into::into);
    let media_type = "application/json";
    shown.large(large, media_type, &place, render).await
}

/// `service=NAME`, `problems`, or both.
fn filter_of(query: &str) -> Result<Filter, &'static str> {
    let mut filter = Filter::default();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*key, &*value) {
            ("service", name) if !name.is_empty() => filter.service = Some(name.to_owned()),
            ("problems", "") => filter.problems = true,
            _ => return Err("/status takes ?service=NAME and ?problems, and nothing else.\n"),
        }
    }
    Ok(filter)
}

/// What a director's `agent` check asks: small, whatever this host has.
async fn readiness(State(shown): State<Shown>, RawQuery(query): RawQuery) -> Response {
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

async fn livez(State(shown): State<Shown>) -> Response {
    let stuck = shown.view().liveness.stuck(clock::monotonic());
    if stuck.is_empty() {
        return "alive\n".into_response();
    }
    let lines = stuck.iter().map(|stuck| format!("{stuck}\n"));
    let text: String = lines.collect();
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let view = shown.view();
    let missing = missing(&view);
    let snapshot = view.snapshot;
    if missing.is_empty() {
        // Conditions do not keep the agent from doing its work.
        let table = &snapshot.process;
        let table = (!table.table_in_kernel).then(|| document::IN_MEMORY.to_owned());
        let lines = [Some("ready".to_owned()), table];
        let conditions = snapshot.conditions.list().into_iter().take(NAMED);
        let conditions = conditions.map(|it| {
            let (kind, subject, message) = (it.kind, it.subject, it.message);
            format!("{} {kind} {subject}: {message}", it.severity)
        });
        lines
            .into_iter()
            .flatten()
            .chain(conditions)
            .map(|line| line + "\n")
            .collect::<String>()
            .into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing).into_response()
    }
}

/// What stands between this process and being ready, a line each.
fn missing(view: &View) -> String {
    let snapshot = &view.snapshot;
    let reconcile = snapshot.reconcile.lock().clone();
    let (mut unwritten, mut without_verdict) = (Named::default(), Named::default());
    for service in &snapshot.services {
        for real_server in service.records() {
            let live = real_server.live.lock();
            let name = || format!("{}/{}", service.name, real_server.name);
            if live.kernel != Some(live.desired) {
                unwritten.add(name);
            }
            if live.health == Health::Unknown {
                without_verdict.add(name);
            }
        }
    }
    let reconcile = match (reconcile.last_success, reconcile.error) {
        (_, None) if reconcile.pending_steps > 0 => {
            let pending = document::pending(reconcile.pending_steps);
            format!("not ready: {pending}\n")
        }
        (None, reason) => {
            let reason = reason.unwrap_or_else(|| "under way".to_owned());
            format!("the first reconcile is not done: {reason}\n")
        }
        (Some(_), Some(reason)) => format!("the last reconcile failed: {reason}\n"),
        (Some(_), None) => {
            let waiting = view.intent.waiting();
            let waiting = (waiting > 0).then(|| {
                let noun = if waiting == 1 { "weight" } else { "weights" };
                format!("{waiting} changed {noun} not written yet\n")
            });
            let unwritten = unwritten.line("the kernel does not have the weight wanted yet of");
            waiting.unwrap_or_default() + &unwritten
        }
    };
    reconcile + &without_verdict.line("no verdict yet on")
}

/// Real servers of a kind: all are counted, the first are named.
#[derive(Default)]
struct Named {
    count: usize,
    names: Vec<String>,
}

impl Named {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name());
        }
    }

    /// `WHAT 2 real servers: NAME, NAME`; empty if there is none.
    fn line(&self, what: &str) -> String {
        let more = match self.count - self.names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = self.names.join(", ");
        match self.count {
            0 => String::new(),
            1 => format!("{what} 1 real server: {names}\n"),
            count => format!("{what} {count} real servers: {names}{more}\n"),
        }
    }
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
