use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Namespace;

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
    from.enter(|| {
        let mut stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, answer)),
        }
    })
}
