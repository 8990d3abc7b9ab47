//! Servers for tests of the kinds, and one probe of them.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Outcome, Prober};
use crate::config::{Check, CheckKind, HaproxyAgentCheck, StreamCheck};
use crate::model::ProbeResult;
use crate::runtime::clock;
use crate::status::fixture;

/// Far more than any probe here needs, so that only a hang meets it.
pub(crate) const AMPLE: Duration = Duration::from_secs(20);
/// For probes that are to time out.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// Serves each connection on a thread of its own.
pub(crate) fn serve(handler: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    serve_on(listener, handler)
}

/// The same on this socket.
pub(crate) fn serve_on(
    listener: TcpListener,
    handler: impl Fn(TcpStream) + Clone + Send + 'static,
) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, handler) = (stream.unwrap(), handler.clone());
            stream.set_read_timeout(Some(AMPLE)).unwrap();
            std::thread::spawn(move || handler(stream));
        }
    });
    address
}

/// Where little fits into the buffers of a connection.
pub(crate) fn small_buffer_listener() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    setsockopt(&listener.as_fd(), sockopt::RcvBuf, &1).unwrap();
    setsockopt(&listener.as_fd(), sockopt::TcpMaxSeg, &536).unwrap();
    listener
}

/// Holds the connection until the test ends, without a read.
pub(crate) fn keep_open(stream: TcpStream) {
    std::mem::forget(stream);
}

/// Accepts, and never reads.
pub(crate) fn never_reads() -> SocketAddr {
    serve_on(small_buffer_listener(), keep_open)
}

/// Reads, and never answers.
pub(crate) fn never_answers() -> SocketAddr {
    serve_on(small_buffer_listener(), |mut stream| {
        // A client that is ended resets the connection.
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// Serves each connection over TLS, with a certificate that nobody trusts.
pub(crate) fn tls_server(
    listener: TcpListener,
    protocols: &[&[u8]],
    handler: impl Fn(StreamOwned<ServerConnection, TcpStream>) + Clone + Send + 'static,
) -> SocketAddr {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let config = Arc::new(config);
    serve_on(listener, move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        handler(StreamOwned::new(connection, stream));
    })
}

/// How many file descriptors of this process are connections to `peer`.
pub(crate) fn own_sockets_to(peer: SocketAddr) -> usize {
    let IpAddr::V4(address) = peer.ip() else {
        panic!("no table for {peer}");
    };
    let address = u32::from_ne_bytes(address.octets());
    let peer = format!("{address:08X}:{:04X}", peer.port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let inodes: BTreeSet<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[2] == peer)
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    // A connection that is closed meanwhile does not count.
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let is_one = |link: &PathBuf| inodes.contains(&*link.to_string_lossy());
    links.filter(is_one).count()
}

/// Waits until no connection to `peer` is left.
pub(crate) async fn wait_for_no_socket(name: &str, peer: SocketAddr) {
    let deadline = clock::monotonic() + AMPLE;
    loop {
        let left = own_sockets_to(peer);
        if left == 0 {
            return;
        }
        assert!(
            clock::monotonic() < deadline,
            "{name}: {left} connections are left"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Says `words`, and holds the connection until the client closes it.
pub(crate) fn server_that_sends(words: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.write_all(words);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// Where nobody listens.
pub(crate) fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

pub(crate) async fn ask_within(timeout: Duration, target: SocketAddr, kind: CheckKind) -> Outcome {
    let check = Check {
        timeout,
        ..fixture::check(kind)
    };
    Prober::new().probe(target, &check).await
}

pub(crate) async fn ask(target: SocketAddr, kind: CheckKind) -> Outcome {
    ask_within(AMPLE, target, kind).await
}

/// Asserts a result and its detail.
#[track_caller]
pub(crate) fn assert_outcome(outcome: &Outcome, result: ProbeResult, detail: &str) {
    assert_eq!(
        (outcome.result, outcome.detail.as_str()),
        (result, detail),
        "{outcome:?}"
    );
}

/// A connection to this port.
pub(crate) fn tcp(port: u16) -> CheckKind {
    CheckKind::Stream(StreamCheck {
        port: Some(port),
        tls: None,
        steps: Vec::new(),
    })
}

/// What a real server says of itself at this port.
pub(crate) fn agent(port: u16) -> CheckKind {
    CheckKind::HaproxyAgent(HaproxyAgentCheck {
        port,
        send: Vec::new(),
    })
}
