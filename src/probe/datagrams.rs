//! A socket that speaks to one address in datagrams, and who said that they
//! did not get there.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::socket::{MsgFlags, recv};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::exchange_result::{Failure, Transport, from_io};
use crate::net::tcp;
use crate::runtime::shared::Shared;

/// The most datagrams that one probe reads.
const MAX_DATAGRAMS: u32 = 256;
/// The most times that a datagram is sent again which exceeds the path MTU.
const MAX_RESENDS: u32 = 3;

/// A connected socket of UDP or of ICMP echoes.
pub(super) struct Datagrams {
    socket: UdpSocket,
    target: SocketAddr,
    sent: Shared<Vec<u8>>,
    received: AtomicU32,
    too_large: AtomicU32,
}

impl Datagrams {
    /// Of a socket that is connected to `target`, and takes in ICMP errors from
    /// now on ([`tcp::receive_icmp_errors`]).
    pub(super) fn new(socket: UdpSocket, target: SocketAddr) -> Self {
        Self {
            socket,
            target,
            sent: Shared::default(),
            received: AtomicU32::new(0),
            too_large: AtomicU32::new(0),
        }
    }

    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), Failure> {
        bytes.clone_into(&mut self.sent.lock());
        match self.socket.send(bytes).await {
            Ok(_) => Ok(()),
            Err(error) => self.on_error(&error).await,
        }
    }

    /// The next datagram.
    pub(super) async fn recv(&self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.next(|fd| Ok(recv(fd, buffer, MsgFlags::MSG_DONTWAIT)?))
            .await
    }

    /// The next datagram, however large it is. Room for it is made when it has
    /// come: of many probes most wait.
    pub(super) async fn recv_whole(&self) -> Result<Vec<u8>, Failure> {
        self.next(|fd| {
            // The length of all of it (recv(2), `MSG_TRUNC`).
            let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
            let mut datagram = vec![0; recv(fd, &mut [0; 1], look)?];
            let length = recv(fd, &mut datagram, MsgFlags::MSG_DONTWAIT)?;
            datagram.truncate(length);
            Ok(datagram)
        })
        .await
    }

    async fn next<T>(&self, mut take: impl FnMut(RawFd) -> io::Result<T>) -> Result<T, Failure> {
        loop {
            let fd = self.socket.as_fd().as_raw_fd();
            // An ICMP error alone makes the socket not readable.
            let received = self
                .socket
                .async_io(Interest::READABLE | Interest::ERROR, || take(fd))
                .await;
            match received {
                Ok(taken) if self.received.fetch_add(1, Ordering::Relaxed) < MAX_DATAGRAMS => {
                    return Ok(taken);
                }
                Ok(_) => {
                    let detail =
                        format!("more than {MAX_DATAGRAMS} datagrams came, none of which fits");
                    let ip = self.target.ip();
                    return Err(Failure::protocol(detail).with_director_fix(format!(
                        "see what {ip} sends instead of an answer: `tcpdump -c 20 -ni any host {ip}`"
                    )));
                }
                Err(error) => self.on_error(&error).await?,
            }
        }
    }

    /// Sends the datagram again after an ICMP error that it is too large, since
    /// the kernel has learned the path MTU and fragments it. Every other error
    /// fails the probe.
    async fn on_error(&self, error: &io::Error) -> Result<(), Failure> {
        let icmp = tcp::icmp_error(self.socket.as_fd(), self.target);
        let too_large = Errno::from_io_error(error) == Some(Errno::MSGSIZE) && icmp.is_some();
        if too_large && self.too_large.fetch_add(1, Ordering::Relaxed) < MAX_RESENDS {
            let sent = self.sent.lock().clone();
            return match self.socket.send(&sent).await {
                Ok(_) => Ok(()),
                Err(error) => Err(from_io(&error)),
            };
        }
        Err(match icmp {
            Some(icmp) => Failure::by_icmp(icmp, error, Transport::Datagrams),
            None => from_io(error),
        })
    }
}
