//! How bytes travel: sockets that leave from where the check says.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::verdict::Failure;
use crate::config::Origin;

/// A connection over TCP.
pub(super) async fn tcp(target: SocketAddr, origin: &Origin) -> Result<TcpStream, Failure> {
    let socket = match target {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(interface) = &origin.interface {
        socket
            .bind_device(Some(interface.as_bytes()))
            .map_err(|error| cannot_use(interface, &error))?;
    }
    if let Some(source) = origin.source {
        // The port is chosen by connect: then 28,000 of them are enough for
        // each target, and not for all together (ip(7)).
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)
            .map_err(|error| Failure::internal(error.to_string()))?;
        socket
            .bind(SocketAddr::new(source, 0))
            .map_err(|error| cannot_use(source, &error))?;
    }
    Ok(socket.connect(target).await?)
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
pub(super) fn cannot_use(origin: impl std::fmt::Display, error: &std::io::Error) -> Failure {
    // Linux 5.7 made SO_BINDTODEVICE free for all (socket(7)).
    let hint = match Errno::from_io_error(error) {
        Some(Errno::PERM) => "; on Linux before 5.7, an interface needs CAP_NET_RAW",
        _ => "",
    };
    Failure::internal(format!("cannot probe from {origin}: {error}{hint}"))
}
