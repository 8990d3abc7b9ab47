//! Notifications of changes of addresses and interfaces, from the multicast
//! groups of `NETLINK_ROUTE` (rtnetlink(7)).

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

/// `RTMGRP_LINK` of `linux/rtnetlink.h`.
const LINKS: u32 = 0x1;
/// `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`.
const ADDRESSES: u32 = 0x10 | 0x100;

/// The content of a message is not of interest: the kernel is read again.
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

/// Listens to changes in the network namespace in which
/// [`HostChanges::changed`] is first called.
#[derive(Debug)]
pub(crate) struct HostChanges {
    groups: u32,
    socket: Option<NetlinkSocket>,
    retry: Option<Instant>,
    /// What follows for the caller while no notification arrives.
    consequence: &'static str,
    /// Whether the failure has been logged.
    is_logged: bool,
}

impl HostChanges {
    /// Listens to addresses and interfaces, and opens nothing yet. The log names
    /// `consequence` while no notification arrives.
    pub(crate) const fn new(consequence: &'static str) -> Self {
        Self::of_groups(LINKS | ADDRESSES, consequence)
    }

    /// Listens to interfaces alone.
    pub(crate) const fn of_links(consequence: &'static str) -> Self {
        Self::of_groups(LINKS, consequence)
    }

    const fn of_groups(groups: u32, consequence: &'static str) -> Self {
        Self {
            groups,
            socket: None,
            retry: None,
            consequence,
            is_logged: false,
        }
    }

    /// Waits until something may have changed: a message arrived, messages were
    /// lost (`ENOBUFS`, the kernel's buffer was full), or the socket was opened
    /// by this call. The caller reads the kernel afresh. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        loop {
            let Some(socket) = &self.socket else {
                if let Some(at) = self.retry {
                    sleep_until(at).await;
                }
                match open(self.groups) {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        self.retry = None;
                        if mem::take(&mut self.is_logged) {
                            info!("notifications of changes of this host arrive again");
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

    /// Until the socket can be opened again, the caller's own regular look finds the changes.
    fn failed(&mut self, error: &io::Error) {
        if !mem::replace(&mut self.is_logged, true) {
            let consequence = self.consequence;
            warn!(
                %error,
                consequence, "no notification of changes of this host arrives"
            );
        }
        self.socket = None;
        self.retry = Some(Instant::from_std(clock::monotonic() + RETRY));
    }
}

fn open(groups: u32) -> io::Result<NetlinkSocket> {
    let socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW.nonblocking(), None)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    NetlinkSocket::from_std(socket.into())
}

/// Takes all messages that are there, after the first has come.
async fn wait(socket: &NetlinkSocket) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    let take = || recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT);
    let mut take = overrun_as_message(take);
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

fn overrun_as_message(
    mut take: impl FnMut() -> Result<usize, Errno>,
) -> impl FnMut() -> Result<(), Errno> {
    move || match take() {
        Ok(_) | Err(Errno::ENOBUFS) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
