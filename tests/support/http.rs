use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Namespace, exchange};

/// Fetches `/` from `address` over a new connection and returns the body.
/// `timeout` holds for the connect and for every wait for bytes.
///
/// # Errors
///
/// Those of the socket, and `InvalidData` for anything but a 200.
pub(crate) fn http_get(
    from: &Namespace,
    address: SocketAddr,
    timeout: Duration,
) -> io::Result<String> {
    http_get_path(from, address, "/", timeout)
}

/// Fetches `path` as [`http_get`] does `/`.
pub(crate) fn http_get_path(
    from: &Namespace,
    address: SocketAddr,
    path: &str,
    timeout: Duration,
) -> io::Result<String> {
    let answer = from.enter(|| exchange(address, "GET", path, timeout))?;
    if answer.status == 200 {
        Ok(answer.body)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, answer.head))
    }
}
