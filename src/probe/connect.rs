//! How bytes travel: sockets that leave from where the check says.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};

use super::verdict::{Failure, OTHER_PORTS, from_io};
use crate::config::Origin;
use crate::tcp::{OpenError, Opening};
use crate::via_vip::{Passage, StartError};

/// A connection over TCP, straight or through a VIP.
#[derive(Debug)]
pub(super) struct Stream {
    tcp: TcpStream,
    /// It ends by a reset, and without a FIN before: that would end it for
    /// IPVS before it was looked at.
    resets: bool,
}

impl Stream {
    /// The address at the other end.
    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.resets {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

/// A connection over TCP.
pub(super) async fn tcp(target: SocketAddr, origin: &Origin) -> Result<Stream, Failure> {
    let opening = Opening {
        source: origin.source,
        interface: origin.interface.as_deref(),
        marked: None,
    };
    let tcp = opening.open(target).await.map_err(failure)?;
    Ok(Stream { tcp, resets: false })
}

/// A connection over TCP through a VIP, which the passage keeps open.
pub(super) async fn through(
    passage: &Passage,
    target: SocketAddr,
    origin: &Origin,
) -> Result<Stream, Failure> {
    let source = passage.source(origin, target.ip());
    let source = source.map_err(Failure::internal)?;
    let opened = passage.start(source, target).await;
    let opened = opened.map_err(|error| match error {
        StartError::Unverified(error) => Failure::unverified(&error),
        StartError::Open(error) => failure(error),
        StartError::NoPort => Failure::internal(error.to_string()).fixed_here(OTHER_PORTS),
    })?;
    let tcp = opened.finish().await.map_err(failure)?;
    passage.hold(&tcp)?;
    Ok(Stream { tcp, resets: true })
}

fn failure(error: OpenError) -> Failure {
    match error {
        OpenError::Origin { origin, source } => cannot_use(origin, &source),
        OpenError::PortTaken => Failure::internal("out of local ports").fixed_here(OTHER_PORTS),
        OpenError::Socket(source) => from_io(&source),
        OpenError::Connect { source, icmp } => match icmp {
            Some(icmp) => Failure::by_icmp(icmp, from_io(&source)),
            None => from_io(&source),
        },
    }
}

/// A socket that speaks to `target` alone, and so learns of ICMP errors.
pub(super) async fn udp(target: SocketAddr, origin: &Origin) -> Result<UdpSocket, Failure> {
    let source = origin.source.unwrap_or(match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    });
    let socket = UdpSocket::bind(SocketAddr::new(source, 0))
        .await
        .map_err(|error| cannot_use(source, &error))?;
    if let Some(interface) = &origin.interface {
        socket
            .bind_device(Some(interface.as_bytes()))
            .map_err(|error| cannot_use(interface, &error))?;
    }
    socket.connect(target).await?;
    Ok(socket)
}

/// The host's own configuration does not fit the check's.
pub(super) fn cannot_use(origin: impl std::fmt::Display, error: &io::Error) -> Failure {
    // Linux 5.7 made SO_BINDTODEVICE free for all (socket(7)).
    let hint = match Errno::from_io_error(error) {
        Some(Errno::PERM) => "; on Linux before 5.7, an interface needs CAP_NET_RAW",
        _ => "",
    };
    let fix = match Errno::from_io_error(error) {
        Some(Errno::PERM) => "give the agent CAP_NET_RAW, as the unit in deploy/ does",
        Some(Errno::NODEV) => {
            "see which interfaces there are (`ip -brief link`), and correct the check's `interface`"
        }
        _ => {
            "see which addresses this host has (`ip -brief address`), and correct the check's \
             `source`"
        }
    };
    Failure::internal(format!("cannot probe from {origin}: {error}{hint}")).fixed_here(fix)
}
