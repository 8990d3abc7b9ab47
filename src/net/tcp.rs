//! One connection over TCP: how it is opened, and who said that it cannot be.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::time::Duration;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, getsockname, recvmsg, setsockopt, sockopt,
};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// `SO_EE_ORIGIN_ICMP` of `linux/errqueue.h`.
const ORIGIN_ICMP: u8 = 2;
/// `SO_EE_ORIGIN_ICMP6`.
const ORIGIN_ICMP6: u8 = 3;

/// The source of a connection and the options of its socket.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ConnectOptions<'a> {
    /// `None` for what the routes choose.
    pub(crate) source: Option<IpAddr>,
    /// The interface, whatever the routes say.
    pub(crate) interface: Option<&'a str>,
    pub(crate) vip: Option<VipSocketOptions>,
    /// This end sends as soon as it is connected. What it sends then completes the
    /// handshake, without a packet for that alone.
    pub(crate) sends_first: bool,
}

/// The options of the socket of a connection through a VIP.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VipSocketOptions {
    /// The source port.
    pub(crate) port: u16,
    /// The firewall mark.
    pub(crate) mark: u32,
    /// The largest segment that it sends and asks for.
    pub(crate) segment: u32,
}

/// A connection that could not be opened.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// This host does not have what the connection is to come from.
    #[error("cannot connect from {origin}")]
    Origin {
        /// The address or the interface.
        origin: String,
        source: io::Error,
    },
    /// The source port is another's.
    #[error("the source port is taken")]
    PortTaken,
    /// The socket could not be made.
    #[error("cannot make a socket")]
    Socket(#[source] io::Error),
    /// The other end, or somebody for it, refused it.
    #[error("cannot connect")]
    Connect {
        source: io::Error,
        /// The ICMP error that said so, if it was one.
        icmp: Option<Icmp>,
    },
}

/// The type and code of an ICMP or ICMPv6 error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Icmp {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) v6: bool,
    /// This host made the error, as its own firewall does, and not `target`.
    pub(crate) from_here: bool,
}

impl Icmp {
    /// Whether the last hop, which may be this host, found nobody who has the
    /// address: RFC 792 and RFC 4443, section 3.1.
    pub(crate) const fn is_host_unreachable(self) -> bool {
        let Self { kind, code, v6, .. } = self;
        matches!((v6, kind, code), (false, 3, 1) | (true, 1, 3))
    }

    /// Whether nobody listens on the port: RFC 792, and RFC 4443, section 3.1.
    pub(crate) const fn is_port_unreachable(self) -> bool {
        let Self { kind, code, v6, .. } = self;
        matches!((v6, kind, code), (false, 3, 3) | (true, 1, 4))
    }

    /// Whether somebody on the way forbids it: RFC 1812, section 5.2.7.1, and
    /// RFC 4443, section 3.1 (also a source that may not pass, and a route that rejects).
    pub(crate) const fn is_prohibited(self) -> bool {
        let Self { kind, code, v6, .. } = self;
        matches!(
            (v6, kind, code),
            (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6)
        )
    }

    /// Whether a packet was too large for the way, and was not to be taken apart.
    pub(crate) const fn is_too_large(self) -> bool {
        let Self { kind, code, v6, .. } = self;
        matches!((v6, kind, code), (false, 3, 4) | (true, 2, _))
    }

    /// Whether a packet was on its way for too long.
    pub(crate) const fn is_time_exceeded(self) -> bool {
        let Self { kind, v6, .. } = self;
        matches!((v6, kind), (false, 11) | (true, 3))
    }

    /// Whether nobody there takes this protocol: RFC 792, and RFC 4443, section
    /// 3.4. It is said of packets in a tunnel that nobody unpacks.
    pub(crate) const fn is_protocol_unknown(self) -> bool {
        let Self { kind, code, v6, .. } = self;
        matches!((v6, kind, code), (false, 3, 2) | (true, 4, 1))
    }
}

impl ConnectOptions<'_> {
    /// Connects to `target`.
    pub(crate) async fn open(&self, target: SocketAddr) -> Result<TcpStream, OpenError> {
        self.prepare(target)?.connect()?.finish().await
    }

    /// Makes the socket for a connection to `target`, and sends nothing.
    ///
    /// With a mark, the connection ends by a reset: neither end then waits for
    /// the other, and IPVS forgets it in 10 s.
    pub(crate) fn prepare(&self, target: SocketAddr) -> Result<Prepared, OpenError> {
        let socket = Socket::new(
            Domain::for_address(target),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        );
        let socket = socket.map_err(OpenError::Socket)?;
        self.set_up(&socket, target)?;
        Ok(Prepared {
            socket,
            target,
            has_port: self.vip.is_some(),
        })
    }

    fn set_up(&self, socket: &Socket, target: SocketAddr) -> Result<(), OpenError> {
        // To learn of ICMP errors as such, and not only what they amount to.
        receive_icmp_errors(socket, target, true).map_err(OpenError::Socket)?;
        if self.sends_first {
            socket.set_tcp_quickack(false).map_err(OpenError::Socket)?;
        }
        if let Some(interface) = self.interface {
            let bound = socket.bind_device(Some(interface.as_bytes()));
            bound.map_err(|source| OpenError::Origin {
                origin: interface.to_owned(),
                source,
            })?;
        }
        let Some(address) = self.source else {
            return Ok(());
        };
        let port = match self.vip {
            None => {
                // The port is chosen by connect: then 28,000 of them are enough
                // for each target, and not for all together (ip(7)).
                setsockopt(socket, sockopt::IpBindAddressNoPort, &true)
                    .map_err(|errno| OpenError::Socket(errno.into()))?;
                0
            }
            Some(options) => {
                set_vip_options(socket, options).map_err(OpenError::Socket)?;
                options.port
            }
        };
        match socket.bind(&SocketAddr::new(address, port).into()) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRINUSE) => {
                Err(OpenError::PortTaken)
            }
            bound => bound.map_err(|source| OpenError::Origin {
                origin: address.to_string(),
                source,
            }),
        }
    }
}

/// The socket of a connection that has not begun.
#[derive(Debug)]
pub(crate) struct Prepared {
    socket: Socket,
    target: SocketAddr,
    /// The source port was chosen before, and not by the kernel.
    has_port: bool,
}

impl Prepared {
    /// Sends the first packet by one system call, and waits for nothing.
    pub(crate) fn connect(self) -> Result<Opened, OpenError> {
        let Self {
            socket,
            target,
            has_port,
        } = self;
        match socket.connect(&target.into()) {
            Ok(()) => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRNOTAVAIL) && has_port => {
                return Err(OpenError::PortTaken);
            }
            Err(source) => {
                let icmp = icmp_error(socket.as_fd(), target);
                return Err(OpenError::Connect { source, icmp });
            }
        }
        Ok(Opened { socket, target })
    }
}

/// A connection whose first packet has been sent.
#[derive(Debug)]
pub(crate) struct Opened {
    socket: Socket,
    target: SocketAddr,
}

impl Opened {
    /// Waits until it is established.
    pub(crate) async fn finish(self) -> Result<TcpStream, OpenError> {
        let Self { socket, target } = self;
        let stream = TcpStream::from_std(socket.into()).map_err(OpenError::Socket)?;
        let ready = stream.ready(Interest::WRITABLE).await;
        let error = ready.and_then(|ready| {
            // Only a socket that is closed or failed has an error to ask for.
            if ready.is_write_closed() || ready.is_error() {
                stream.take_error()
            } else {
                Ok(None)
            }
        });
        match error {
            Ok(None) => {
                // From here on an ICMP error is but a sign, as TCP has it.
                receive_icmp_errors(&stream, target, false).map_err(OpenError::Socket)?;
                Ok(stream)
            }
            Ok(Some(source)) | Err(source) => {
                let icmp = icmp_error(stream.as_fd(), target);
                Err(OpenError::Connect { source, icmp })
            }
        }
    }
}

/// Sets whether the socket receives every ICMP error with its content (ip(7), `IP_RECVERR`).
pub(crate) fn receive_icmp_errors(
    socket: &impl AsFd,
    target: SocketAddr,
    on: bool,
) -> io::Result<()> {
    let set = match target {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &on),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &on),
    };
    set.map_err(io::Error::from)
}

fn set_vip_options(socket: &Socket, options: VipSocketOptions) -> io::Result<()> {
    socket.set_mark(options.mark)?;
    socket.set_tcp_mss(options.segment)?;
    socket.set_linger(Some(Duration::ZERO))?;
    // Others of this host may connect from the same port to other places.
    socket.set_reuse_address(true)
}

/// What came by ICMP of the errors of a socket that speaks to `target`.
pub(crate) fn icmp_error(socket: BorrowedFd<'_>, target: SocketAddr) -> Option<Icmp> {
    let mut nothing = [0; 1];
    let mut parts = [IoSliceMut::new(&mut nothing)];
    let mut space = nix::cmsg_space!([u8; 64]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_raw_fd();
    let message = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut space), flags).ok()?;
    let mut notes = message.cmsgs().ok()?;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of all control messages of a socket, these two are requested"
    )]
    let found = notes.find_map(|note| match note {
        ControlMessageOwned::Ipv4RecvErr(error, by) => {
            let by = by.map(|by| IpAddr::from(by.sin_addr.s_addr.to_ne_bytes()));
            let v6 = origin(error.ee_origin)?;
            Some((error.ee_type, error.ee_code, v6, by))
        }
        ControlMessageOwned::Ipv6RecvErr(error, by) => {
            let by = by.map(|by| IpAddr::from(by.sin6_addr.s6_addr));
            let v6 = origin(error.ee_origin)?;
            Some((error.ee_type, error.ee_code, v6, by))
        }
        _ => None,
    });
    let (kind, code, v6, by) = found?;
    let icmp = Icmp {
        kind,
        code,
        v6,
        from_here: false,
    };
    // Where no neighbour answers, this host says so itself: no fault of its own.
    let local: Option<SockaddrStorage> = getsockname(fd).ok();
    let local = local.and_then(|local| {
        let v4 = local.as_sockaddr_in().map(|local| IpAddr::V4(local.ip()));
        v4.or_else(|| local.as_sockaddr_in6().map(|local| IpAddr::V6(local.ip())))
    });
    let from_here = by.is_some() && by == local && by != Some(target.ip());
    Some(Icmp {
        from_here: from_here && !icmp.is_host_unreachable(),
        ..icmp
    })
}

/// Whether an error came by ICMPv6; `None` if it did not come by ICMP.
const fn origin(number: u8) -> Option<bool> {
    match number {
        ORIGIN_ICMP => Some(false),
        ORIGIN_ICMP6 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
