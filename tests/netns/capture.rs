//! What a host of the LAN sees of ARP and neighbour discovery, and when.

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::sys::socket::{LinkAddr, MsgFlags, recv, sendto};

use crate::arp::{Mac, every_frame, link, who_has_vip};
use crate::support::Namespace;

/// One frame that says something of neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) at: SystemTime,
    pub(crate) to: Mac,
    pub(crate) from: Mac,
    /// The address that its sender says it has.
    pub(crate) claims: Option<IpAddr>,
    /// The address that is asked for.
    pub(crate) asks: Option<IpAddr>,
}

/// A socket on a host's eth0, and all that it has been given.
pub(crate) struct Capture {
    seen: Arc<Mutex<Vec<Seen>>>,
    socket: Arc<OwnedFd>,
    link: LinkAddr,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    pub(crate) fn start(host: &Namespace) -> Self {
        let socket = Arc::new(host.enter(every_frame));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let ending = Arc::new(AtomicBool::new(false));
        let thread = {
            let (socket, seen, ending) =
                (Arc::clone(&socket), Arc::clone(&seen), Arc::clone(&ending));
            thread::spawn(move || {
                let mut frame = [0; 256];
                while !ending.load(Ordering::Relaxed) {
                    match recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
                        Ok(length) => {
                            let parsed = parse(&frame[..length]);
                            seen.lock().unwrap().extend(parsed);
                        }
                        // A process that was stopped meanwhile is interrupted,
                        // also without a handler of signals: signal(7).
                        Err(Errno::EAGAIN | Errno::EINTR) => {}
                        Err(error) => panic!("the capture cannot listen: {error}"),
                    }
                }
            })
        };
        Self {
            seen,
            socket,
            link: link(host),
            ending,
            thread: Some(thread),
        }
    }

    /// The host asks all who has the VIP.
    pub(crate) fn ask_for_vip(&self) {
        self.send(&who_has_vip(self.link.addr().unwrap()));
    }

    /// Sends a whole frame.
    pub(crate) fn send(&self, frame: &[u8]) {
        sendto(
            self.socket.as_raw_fd(),
            frame,
            &self.link,
            MsgFlags::empty(),
        )
        .unwrap();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Those frames of `from`.
    pub(crate) fn seen_of(&self, from: Mac) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.from == from);
        seen
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || thread::panicking());
        }
    }
}

/// A gratuitous announcement of the VIP (RFC 5944, section 4.6), as `arping -U`
/// sends it: a request of the VIP for itself.
pub(crate) fn announcement(mac: Mac) -> Vec<u8> {
    let mut frame = who_has_vip(mac);
    let vip: [u8; 4] = frame[38..42].try_into().unwrap();
    frame[28..32].copy_from_slice(&vip);
    frame
}

#[expect(
    clippy::disallowed_methods,
    reason = "when a frame came is what is measured"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// By RFC 826 and RFC 4861.
fn parse(frame: &[u8]) -> Option<Seen> {
    let (to, from) = (
        frame.get(..6)?.try_into().ok()?,
        frame.get(6..12)?.try_into().ok()?,
    );
    let ipv4 = |at: usize| {
        let octets: [u8; 4] = frame.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(octets)).filter(|address| !address.is_unspecified())
    };
    let ipv6 = |at: usize| {
        let octets: [u8; 16] = frame.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::from(Ipv6Addr::from(octets))).filter(|address| !address.is_unspecified())
    };
    let (claims, asks) = match (
        frame.get(12..14)?,
        frame.get(20)?,
        frame.get(21)?,
        frame.get(54),
    ) {
        ([8, 6], _, 1, _) => (ipv4(28), ipv4(38)),
        ([8, 6], _, 2, _) => (ipv4(28), None),
        ([0x86, 0xdd], 58, _, Some(135)) => (ipv6(22), ipv6(62)),
        ([0x86, 0xdd], 58, _, Some(136)) => (ipv6(62), None),
        _ => return None,
    };
    let at = now();
    Some(Seen {
        at,
        to,
        from,
        claims,
        asks,
    })
}
