//! What the kernel tells unasked of its addresses and interfaces, over the
//! multicast groups of `NETLINK_ROUTE` (rtnetlink(7)).

use std::io;
use std::mem;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recv};
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::runtime::clock;

/// `AF_NETLINK` of `sys/socket.h`.
const AF_NETLINK: i32 = 16;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR` of `linux/rtnetlink.h`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// Of a message, nothing is of interest but that it came.
const BUFFER: usize = 64;

/// Messages that are taken from the socket before other work has its turn.
const AT_ONCE: usize = 1024;

/// After the socket could not be opened, or has failed.
const RETRY: Duration = Duration::from_secs(5);

/// For the runtime, a descriptor that becomes ready is all that matters: the
/// same as for UDP.
type NetlinkSocket = UdpSocket;

/// An overrun shows as an error, and nothing to read.
const READABLE_OR_FAILED: Interest = Interest::READABLE.add(Interest::ERROR);

/// Listens to changes of addresses and interfaces of the network namespace in
/// which [`HostChanges::changed`] is first waited for.
#[derive(Debug)]
pub(crate) struct HostChanges {
    socket: Option<NetlinkSocket>,
    retry: Option<Instant>,
    /// What waits, and for what, while nothing is heard.
    consequence: &'static str,
    /// Whether that is the newest that the log was told.
    is_told: bool,
}

impl HostChanges {
    /// Opens nothing yet. `consequence` is what the log says of what follows
    /// while nothing is heard.
    pub(crate) const fn new(consequence: &'static str) -> Self {
        Self {
            socket: None,
            retry: None,
            consequence,
            is_told: false,
        }
    }

    /// Waits until something may have changed: a message came, messages were
    /// lost (the kernel's buffer was full), or the socket was opened only now.
    /// Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        loop {
            let Some(socket) = &self.socket else {
                if let Some(at) = self.retry {
                    sleep_until(at).await;
                }
                match open() {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        self.retry = None;
                        if mem::take(&mut self.is_told) {
                            info!("changes of addresses and interfaces are heard again");
                        }
                        return;
                    }
                    Err(error) => self.failed(&error),
                }
                continue;
            };
            match wait(socket).await {
                Ok(()) => return,
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Until it can be opened again, the regular comparison finds the changes.
    fn failed(&mut self, error: &io::Error) {
        if !mem::replace(&mut self.is_told, true) {
            let consequence = self.consequence;
            warn!(
                %error,
                "changes of addresses and interfaces are not heard, so {consequence}"
            );
        }
        self.socket = None;
        self.retry = Some(Instant::from_std(clock::monotonic() + RETRY));
    }
}

fn open() -> io::Result<NetlinkSocket> {
    let socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW.nonblocking(), None)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    NetlinkSocket::from_std(socket.into())
}

/// Takes all messages that are there, after the first has come.
async fn wait(socket: &NetlinkSocket) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    let take = || recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT);
    let mut take = overrun_is_a_message(take);
    socket
        .async_io(READABLE_OR_FAILED, || {
            take()?;
            for _ in 1..AT_ONCE {
                match take() {
                    Ok(()) => {}
                    Err(Errno::EAGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        })
        .await
}

fn overrun_is_a_message(
    mut take: impl FnMut() -> Result<usize, Errno>,
) -> impl FnMut() -> Result<(), Errno> {
    move || match take() {
        Ok(_) | Err(Errno::ENOBUFS) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
