//! Serves connections within bounds: of their number, of the size and time of a head, of the
//! time that a client takes to read. Only scrapes leave their connection open.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Request, header};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::task::{JoinError, JoinSet};

use super::connection_slots::{ConnectionSlot, ConnectionSlots, End};
use super::pace::{Pace, Paced};
use super::write_stall::WriteStall;
use crate::runtime::low_priority::{self, LowPriorityError};

/// The most bytes of a head; a longer one is answered with 431.
const LONGEST_HEAD: usize = 16 * 1024;

/// Marks a response after which the connection stays open.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptOpen;

/// Where a connection comes from, as far as that tells one host from another.
pub(crate) trait Source {
    fn source(&self) -> Option<IpAddr>;
}

impl Source for SocketAddr {
    fn source(&self) -> Option<IpAddr> {
        Some(self.ip().to_canonical())
    }
}

impl Source for tokio::net::unix::SocketAddr {
    fn source(&self) -> Option<IpAddr> {
        None
    }
}

/// Nobody is served.
#[derive(Debug, Error)]
pub(crate) enum ServeError {
    /// The listener cannot be waited on.
    #[error("cannot wait for connections")]
    Listener(#[source] io::Error),
    /// Its thread has failed.
    #[error(transparent)]
    Thread(#[from] LowPriorityError),
}

/// Serves as [`serve`] does, on a thread of this name with a low priority: the probes are made in
/// time whatever readers take. `listener` is called on that thread, whose runtime waits on it.
pub(crate) async fn serve_with_low_priority<L: Listener<Addr: Source>>(
    name: &str,
    listener: impl FnOnce() -> io::Result<L> + Send + 'static,
    router_for: impl Fn(&L::Io) -> Router + Send + 'static,
) -> ServeError {
    let served = low_priority::run(name, async move || {
        let listener = listener()?;
        io::Result::Ok(serve(listener, router_for).await)
    });
    match served.await {
        Ok(Ok(never)) => match never {},
        Ok(Err(error)) => ServeError::Listener(error),
        Err(error) => error.into(),
    }
}

/// Serves until it is dropped, and every connection with it.
///
/// A connection serves one request, or one scrape after another. Its client has 3 seconds for
/// the first head of at most 16 KiB, may take nothing of an answer for 5 seconds, and has 30
/// seconds for all of it. All connections together are written to at a [`Pace`]. While all slots are taken, a newer connection ends an older one
/// that waits for its next request, has not asked yet, or reads slowly; see [`ConnectionSlots`].
/// `router_for` a connection is what answers on it.
pub(super) async fn serve<L: Listener<Addr: Source>>(
    mut listener: L,
    router_for: impl Fn(&L::Io) -> Router,
) -> Infallible {
    let slots = Arc::new(ConnectionSlots::default());
    let pace = Arc::new(Pace::default());
    let mut connections = JoinSet::new();
    loop {
        let (stream, address) = listener.accept().await;
        while let Some(ended) = connections.try_join_next() {
            tell(ended);
        }
        let slot = slots.take(address.source()).await;
        let router = router_for(&stream);
        let stream = Paced::new(WriteStall::new(stream), Arc::clone(&pace));
        connections.spawn(connection(stream, router, slot));
    }
}

async fn connection<S>(stream: S, router: Router, slot: Arc<ConnectionSlot>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let here = Arc::clone(&slot);
    let service = service_fn(move |mut request: Request<Incoming>| {
        here.requested();
        request.extensions_mut().insert(Arc::clone(&here));
        let response = service.call(request);
        async move {
            let mut response = response.await?;
            if response.extensions().get::<KeptOpen>().is_none() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(true)
        .timer(TokioTimer::new())
        // The time-out of hyper would end a connection that waits for the next scrape;
        // `ConnectionSlots` has the time-outs.
        .header_read_timeout(None)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        done = connection => if let Err(error) = done {
            tracing::debug!(%error, "a client's connection failed");
        },
        end = slot.ended() => match end {
            End::Displaced => tracing::debug!("a client's connection ended for a newer one"),
            End::Late => tracing::debug!("a client took too long"),
        },
    }
}

/// A panic ends its own connection alone, and is logged.
fn tell(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the agent's own code failed at a client's request");
    }
}
