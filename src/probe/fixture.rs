//! Servers for tests of the kinds, and one probe of them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::{Outcome, ProbeResult, Prober};
use crate::config::{Check, CheckKind, HaproxyAgentCheck, StreamCheck};
use crate::snapshot::fixture;

/// Far more than any probe here needs, so that only a hang meets it.
pub(crate) const AMPLE: Duration = Duration::from_secs(20);
/// For probes that are to time out.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// Serves each connection on a thread of its own.
pub(crate) fn serve(handler: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
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

/// Says `words`, and holds the connection until the client closes it.
pub(crate) fn say(words: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.write_all(words);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// Where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
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
