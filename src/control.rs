//! The control socket: HTTP over a unix socket that only its owner may open.

mod client;
mod operator;
mod reason;
mod request;
mod socket;

pub(crate) use client::{ControlError, get_status, operate};
pub(crate) use operator::Operator;
pub(crate) use reason::Reason;
pub(crate) use request::{
    Operation, OperationRequest, OperationResponse, Requests, listed, requests,
};
pub(crate) use socket::{BindError, ControlSocket, bind};

use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::{UnixListener, UnixStream};

use crate::http::{self, ServeError, SharedState};

/// Answers `GET /status` and hands requests to the agent until it is dropped;
/// then the socket goes too, if it is still ours.
pub(crate) async fn serve(
    socket: ControlSocket,
    shown: SharedState,
    requests: Requests,
) -> ServeError {
    let ControlSocket { listener, _file } = socket;
    let router = Router::new()
        .route("/status", get(http::status).with_state(shown))
        .route("/operation", post(request::operate).with_state(requests));
    let router_for = move |stream: &UnixStream| {
        let operator = Operator::of(stream);
        router.clone().layer(Extension(operator))
    };
    let listener = move || UnixListener::from_std(listener);
    http::serve_with_low_priority("control", listener, router_for).await
}

#[cfg(test)]
mod tests;
