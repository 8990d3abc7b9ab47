use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

/// An address in 127.0.0.0/8 that no other test of this host is likely to use,
/// with the port that an agent listens on by default.
pub(crate) fn loopback() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let last = NEXT.fetch_add(1, Ordering::SeqCst);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, high, low, last)), 9477)
}
