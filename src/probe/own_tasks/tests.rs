use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use futures_util::future::join_all;

use crate::config::{
    AgentCheck, Check, CheckKind, GrpcCheck, HaproxyAgentCheck, HttpCheck, Pattern, Step,
    StreamCheck, TlsSettings,
};
use crate::net::tls::Application;
use crate::probe::Prober;
use crate::probe::fixture::{
    keep_open, never_answers, never_reads, own_sockets_to, serve_on, small_buffer_listener,
    tls_server, wait_for_no_socket,
};
use crate::status::fixture;

/// More than the buffers of a connection hold.
const LONG: usize = 8 * 1024 * 1024;
const LIMIT: Duration = Duration::from_millis(500);
const UNVERIFIED: TlsSettings = TlsSettings {
    server_name: None,
    ca: None,
    client: None,
    verify: false,
};

/// The settings of HTTP/2, and pings that are to be answered; nothing is read.
fn pings() -> Vec<u8> {
    let mut frames = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    for _ in 0..6000 {
        frames.extend([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
    frames
}

fn sends_pings() -> SocketAddr {
    let pings = pings();
    serve_on(small_buffer_listener(), move |mut stream| {
        let _ = stream.write_all(&pings);
        keep_open(stream);
    })
}

fn stream(tls: Option<TlsSettings>, steps: Vec<Step>) -> CheckKind {
    CheckKind::Stream(StreamCheck {
        port: None,
        tls,
        steps,
    })
}

fn http(tls: Option<TlsSettings>) -> CheckKind {
    CheckKind::Http(HttpCheck {
        tls,
        port: None,
        method: "POST".to_owned(),
        body: Some(crate::config::Secret::from(&*"x".repeat(LONG))),
        ..fixture::http_check()
    })
}

fn grpc(tls: Option<TlsSettings>) -> CheckKind {
    CheckKind::Grpc(GrpcCheck {
        port: None,
        service: String::new(),
        tls,
    })
}

fn kinds(port: u16) -> Vec<(&'static str, CheckKind)> {
    let send = || {
        let answer = Pattern::Text("never".to_owned());
        vec![Step::Send(vec![b'x'; LONG]), Step::Expect(answer)]
    };
    let agent = AgentCheck {
        port,
        service: Some("tcp 192.168.11.200:80".parse().unwrap()),
    };
    let haproxy_agent = HaproxyAgentCheck {
        port,
        send: vec![b'x'; LONG],
    };
    vec![
        ("tcp", stream(None, send())),
        ("tls", stream(Some(UNVERIFIED), send())),
        ("http", http(None)),
        ("https", http(Some(UNVERIFIED))),
        ("grpc", grpc(None)),
        ("grpc with TLS", grpc(Some(UNVERIFIED))),
        ("agent", CheckKind::Agent(agent)),
        ("haproxy_agent", CheckKind::HaproxyAgent(haproxy_agent)),
    ]
}

async fn leaves_nothing(name: &str, target: SocketAddr, kind: CheckKind) {
    let check = Check {
        timeout: LIMIT,
        ..fixture::check(kind)
    };
    let prober = Prober::new();
    // A busy host may not load a configuration within the limit, which would be a
    // failure of this host before the handshake. A loaded one is there at once.
    for application in [Application::Any, Application::Http2] {
        prober.load_tls(&UNVERIFIED, application).await;
    }
    for _ in 0..3 {
        let outcome = prober.probe(target, &check).await;
        assert_eq!(
            outcome.result.evidence(),
            Some(false),
            "{name}: {outcome:?}"
        );
    }
    wait_for_no_socket(name, target).await;
}

#[tokio::test]
async fn no_connection_outlives_its_probe() {
    let peers = [
        ("never reads", never_reads as fn() -> SocketAddr),
        ("never answers", never_answers),
        ("pings, and never reads", sends_pings),
    ];
    let mut all = Vec::new();
    for (what, peer) in peers {
        for number in 0..kinds(0).len() {
            let peer = peer();
            let (name, kind) = kinds(peer.port()).swap_remove(number);
            let name = format!("{name} where the peer {what}");
            all.push(async move { leaves_nothing(&name, peer, kind).await });
        }
    }
    join_all(all).await;
}

#[tokio::test]
async fn no_connection_outlives_its_probe_after_a_tls_handshake() {
    let pings = pings();
    let peer = tls_server(small_buffer_listener(), &[b"h2"], move |mut stream| {
        let _ = stream.write_all(&pings);
        std::mem::forget(stream);
    });
    for (name, kind) in [
        (
            "tls",
            stream(Some(UNVERIFIED), vec![Step::Send(vec![b'x'; LONG])]),
        ),
        ("https", http(Some(UNVERIFIED))),
        ("grpc", grpc(Some(UNVERIFIED))),
    ] {
        leaves_nothing(&format!("{name} after the handshake"), peer, kind).await;
    }
}

#[test]
fn the_sockets_of_this_process_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(own_sockets_to(address), 0);
    let streams = [0; 2].map(|_| TcpStream::connect(address).unwrap());
    assert_eq!(own_sockets_to(address), 2);
    drop(streams);
    assert_eq!(own_sockets_to(address), 0);
}
