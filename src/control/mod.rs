//! The control socket: HTTP over a unix socket that only its owner may open.

mod client;
mod socket;

pub(crate) use client::{ControlError, get_status};
pub(crate) use socket::{BindError, ControlSocket, bind};

use std::convert::Infallible;

use crate::http::{self, Shown};

/// Answers `GET /status` until it is dropped; then the socket goes too, if it is still ours.
pub(crate) async fn serve(socket: ControlSocket, shown: Shown) -> Infallible {
    let ControlSocket { listener, _file } = socket;
    http::serve(listener, http::status_router(shown)).await
}

#[cfg(test)]
mod tests;
