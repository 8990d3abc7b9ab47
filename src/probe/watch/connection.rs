//! One idle connection, from its making to its end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Origin;
use crate::net::tcp::{ConnectOptions, OpenError, receive_icmp_errors};

/// How long the connection may take to be established.
const ESTABLISHING: Duration = Duration::from_secs(1);
/// What the real server may send over one connection; nothing of it is kept.
const DISCARDED: usize = 64 * 1024;
/// How much is read at once.
const READ: usize = 1024;
/// The connection is idle for this long before TCP asks whether the other end still has it: a real
/// server that was restarted between two probes does not.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// From one such question to the next, where no answer comes.
const KEEPALIVE_AGAIN: Duration = Duration::from_secs(10);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The other end, or somebody for it, ended or refused it.
    ByServer,
    /// The real server sent more than is discarded.
    TooMuch,
    /// It could not be made in time, or for a reason of this host's own.
    NotMade,
}

/// Connects, and sends nothing.
pub(super) async fn open(target: SocketAddr, origin: &Origin) -> Result<TcpStream, End> {
    let options = ConnectOptions {
        source: origin.source,
        interface: origin.interface.as_deref(),
        vip: None,
        sends_first: false,
    };
    let stream = match timeout(ESTABLISHING, options.open(target)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(OpenError::Connect { .. })) => return Err(End::ByServer),
        Ok(Err(OpenError::Origin { .. } | OpenError::PortTaken | OpenError::Socket(_)))
        | Err(_) => {
            return Err(End::NotMade);
        }
    };
    set_up(&stream, target).map_err(|_| End::NotMade)?;
    Ok(stream)
}

fn set_up(stream: &TcpStream, target: SocketAddr) -> io::Result<()> {
    // Nothing is sent whose loss TCP would repair, so an ICMP error ends the connection.
    receive_icmp_errors(stream, target, true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE_AGAIN);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Waits for the end.
pub(super) async fn end(stream: TcpStream) -> End {
    let mut left = DISCARDED;
    loop {
        if stream.readable().await.is_err() {
            return End::ByServer;
        }
        let mut buffer = [0; READ];
        match stream.try_read(&mut buffer) {
            Ok(0) => return End::ByServer,
            Ok(read) if read > left => return End::TooMuch,
            Ok(read) => left -= read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return End::ByServer,
        }
    }
}
