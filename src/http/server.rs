use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::task::{JoinError, JoinSet};

/// Connections served at once. The next one waits in the listener's backlog.
const CONNECTIONS: usize = 64;

/// For one connection, from its being accepted to the last byte written.
const DEADLINE: Duration = Duration::from_secs(30);

/// Serves until it is dropped, and every connection with it.
///
/// A connection serves one request and is given 30 seconds for all of it, so
/// that whatever its client does or leaves undone (a head that never ends, a
/// response that is never read), it holds one of 64 places for that long at most.
/// `router_for` a connection is what answers on it.
pub(crate) async fn serve<L: Listener>(
    mut listener: L,
    router_for: impl Fn(&L::Io) -> Router,
) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            tell(connections.join_next().await);
        }
        let (stream, _) = listener.accept().await;
        while let Some(ended) = connections.try_join_next() {
            tell(Some(ended));
        }
        let service = TowerToHyperService::new(router_for(&stream));
        connections.spawn(async move {
            let connection = http1::Builder::new()
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(DEADLINE, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a client's connection failed"),
                Err(_) => tracing::debug!("a client took too long"),
            }
        });
    }
}

/// A panic ends its own connection alone, and is told.
fn tell(ended: Option<Result<(), JoinError>>) {
    if let Some(Err(error)) = ended {
        tracing::error!(%error, "the agent's own code failed at a client's request");
    }
}
