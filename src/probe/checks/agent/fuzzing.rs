//! The status of a real server's agent, for `tests/fuzz`.

use std::net::SocketAddr;

use super::{Answer, judge};
use crate::model::Protocol;

/// One status.
pub(crate) fn status(bytes: &[u8]) {
    let vip = SocketAddr::from(([192, 0, 2, 1], 80));
    let Ok(answer) = serde_json::from_slice::<Answer>(bytes) else {
        return;
    };
    let detail = match judge(answer, Protocol::Tcp, vip) {
        Ok(pass) => pass.detail,
        Err(failure) => failure.detail,
    };
    assert!(detail.len() <= 2048, "{} bytes", detail.len());
}
