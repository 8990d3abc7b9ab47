//! How bytes travel: sockets that leave from where the check says.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};

use super::datagrams::Datagrams;
use super::exchange_result::{Failure, OTHER_PORTS, Transport, from_io, of_socket};
use super::progress::{Activity, Progress};
use crate::config::Origin;
use crate::model::ProbeResult;
use crate::net::tcp::{ConnectOptions, Icmp, OpenError, receive_icmp_errors};
use crate::probe::vip_path::{StartError, VipConnection};

/// How much is read in one turn. A peer that never makes its reader wait
/// leaves the runtime to others after so many bytes.
const TURN: usize = 16 * 1024;
/// How many reads are made in one turn.
const READS: u32 = 32;

/// A connection over TCP, straight or through a VIP. It gives up when
/// more came than may, and lets the deadline be seen, whatever reads from it.
#[derive(Debug)]
pub(super) struct Stream {
    tcp: TcpStream,
    /// It ends by a reset, and without a FIN before: that would end it for
    /// IPVS before it was looked at.
    resets: bool,
    progress: Arc<Progress>,
    /// What comes is the text itself, and not TLS.
    plain: bool,
    turn: Turn,
}

/// What was read since the reader had to wait.
#[derive(Debug, Default)]
struct Turn {
    bytes: usize,
    reads: u32,
}

impl Stream {
    fn new(tcp: TcpStream, resets: bool, progress: Arc<Progress>) -> Self {
        Self {
            tcp,
            resets,
            progress,
            plain: true,
            turn: Turn::default(),
        }
    }

    /// The address at the other end.
    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }

    /// The same connection for TLS, which will read the text out of it.
    pub(super) fn for_tls(self) -> (Self, Arc<Progress>) {
        let progress = Arc::clone(&self.progress);
        let stream = Self {
            plain: false,
            ..self
        };
        (stream, progress)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.turn.bytes >= TURN || this.turn.reads >= READS {
            this.turn = Turn::default();
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        // The progress has the reason for such an end of the connection.
        let Some(room) = this.progress.room() else {
            return Poll::Ready(Err(io::Error::other("the probe is given up")));
        };
        let room = room.min(TURN - this.turn.bytes);
        let before = buffer.filled().len();
        let read = if buffer.remaining() <= room {
            Pin::new(&mut this.tcp).poll_read(context, buffer)
        } else {
            // A part of the buffer is filled with zeros first, which the whole need not be.
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
            let read = Pin::new(&mut this.tcp).poll_read(context, &mut part);
            let came = part.filled().len();
            buffer.advance(came);
            read
        };
        let Poll::Ready(read) = read else {
            this.turn = Turn::default();
            return Poll::Pending;
        };
        read?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        this.turn.bytes += came.len();
        this.turn.reads += 1;
        this.progress.took(came.len());
        if this.plain {
            this.progress.came(came);
        }
        Poll::Ready(Ok(()))
    }
}

/// A connection over TLS, which notes what comes of its text.
#[derive(Debug)]
pub(super) struct TlsText<S> {
    tls: S,
    progress: Arc<Progress>,
}

impl<S> TlsText<S> {
    pub(super) fn new(tls: S, progress: Arc<Progress>) -> Self {
        Self { tls, progress }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TlsText<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tls).poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        self.progress.came(came);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TlsText<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.progress.blocked(written.is_pending());
        written
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
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, parts);
        self.progress.blocked(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

/// A connection over TCP.
pub(super) async fn tcp(
    target: SocketAddr,
    origin: &Origin,
    progress: &Arc<Progress>,
    sends_first: bool,
) -> Result<Stream, Failure> {
    progress.begin(Activity::Connecting);
    let options = ConnectOptions {
        source: origin.source,
        interface: origin.interface.as_deref(),
        vip: None,
        sends_first,
    };
    let tcp = options.open(target).await.map_err(failure)?;
    Ok(Stream::new(tcp, false, Arc::clone(progress)))
}

/// A connection over TCP through a VIP, which `vip_connection` keeps open.
pub(super) async fn through(
    vip_connection: &VipConnection,
    target: SocketAddr,
    origin: &Origin,
    progress: &Arc<Progress>,
) -> Result<Stream, Failure> {
    progress.begin(Activity::Connecting);
    let source = vip_connection.source(origin, target.ip());
    let source = source.map_err(Failure::internal)?;
    let opened = vip_connection.start(source, target).await;
    let opened = opened.map_err(|error| match error {
        StartError::Unverified(error) => Failure::unverified(&error),
        StartError::Open(error) => failure(without_local_icmp(error)),
        StartError::NoPort => Failure::internal(error.to_string()).with_director_fix(OTHER_PORTS),
    })?;
    let opened = opened.finish().await.map_err(without_local_icmp);
    let tcp = opened.map_err(failure)?;
    vip_connection.hold(&tcp)?;
    Ok(Stream::new(tcp, true, Arc::clone(progress)))
}

/// The error without the note that this host sent the ICMP message: for a probe
/// through a VIP, the verification of the connection explains a
/// rejection (`VipConnection::verify_again`).
fn without_local_icmp(error: OpenError) -> OpenError {
    match error {
        OpenError::Connect {
            source,
            icmp: Some(icmp),
        } => OpenError::Connect {
            source,
            icmp: Some(Icmp {
                from_here: false,
                ..icmp
            }),
        },
        OpenError::Connect { icmp: None, .. }
        | OpenError::Origin { .. }
        | OpenError::PortTaken
        | OpenError::Socket(_) => error,
    }
}

fn failure(error: OpenError) -> Failure {
    match error {
        OpenError::Origin { origin, source } => cannot_use(origin, &source),
        OpenError::PortTaken => {
            Failure::internal("out of local ports").with_director_fix(OTHER_PORTS)
        }
        OpenError::Socket(source) => of_socket(&source),
        OpenError::Connect { source, icmp } => match icmp {
            Some(icmp) => Failure::by_icmp(icmp, &source, Transport::Tcp),
            None => from_io(&source),
        },
    }
}

/// A socket that speaks to `target` alone, and so learns of ICMP errors.
pub(super) async fn udp(target: SocketAddr, origin: &Origin) -> Result<Datagrams, Failure> {
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
    receive_icmp_errors(&socket, target, true).map_err(|error| of_socket(&error))?;
    if let Err(error) = socket.connect(target).await {
        let again = Errno::from_io_error(&error) == Some(Errno::ACCESS)
            && socket.set_broadcast(true).is_ok()
            && socket.connect(target).await.is_ok();
        return Err(if again { broadcast() } else { error.into() });
    }
    Ok(Datagrams::new(socket, target))
}

/// The message about a target to which only a socket with `SO_BROADCAST` may
/// send (socket(7)): any other error of a route stays with it.
pub(super) fn broadcast() -> Failure {
    Failure::new(
        ProbeResult::Unreachable,
        "the address is a broadcast address",
    )
    .with_director_fix("correct the real server's address: `ip route get` names it `broadcast`")
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
    Failure::internal(format!("cannot probe from {origin}: {error}{hint}")).with_director_fix(fix)
}
