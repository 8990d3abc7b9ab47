//! What real servers answer, for `tests/fuzz`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

use super::checks::{agent, dns, grpc, http, stream};
use super::exchange_result::Failure;
use super::haproxy_reply::HaproxyReply;
use super::prober;
use super::probing::Probing;
use crate::config::{Check, CheckKind, Config};
use crate::runtime::orphans::lines;

const CHECKS: &str = r#"
virtual_services:
  - { name: a, address: "192.0.2.1:1", check: { http: {} }, real_servers: &r [{ name: r, address: 198.51.100.1 }] }
  - { name: b, address: "192.0.2.1:2", check: { http: { expect: { body: { regex: "a+b" } } } }, real_servers: *r }
  - { name: c, address: "192.0.2.1:3", check: { tcp: { steps: [{ expect: "220" }, { send: "EHLO" }, { expect: { regex: "^250.*ok" } }] } }, real_servers: *r }
  - { name: d, address: "192.0.2.1:4", check: { grpc: {} }, real_servers: *r }
  - { name: e, address: "192.0.2.1:5", protocol: udp, check: { dns: { name: example.com, type: A, answers: ["192.0.2.1"] } }, real_servers: *r }
"#;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .build()
        .expect("a runtime of one thread")
});

static CONFIG: LazyLock<Config> =
    LazyLock::new(|| Config::parse("checks", CHECKS).expect("the checks above are valid"));

fn check(place: usize) -> &'static Arc<Check> {
    let mut members = CONFIG.virtual_services[place].members();
    members.next().expect("a real server").check
}

/// An answer to a question of the check `dns`.
pub fn dns_answer(bytes: &[u8]) {
    if let CheckKind::Dns(check) = &check(4).kind {
        dns::fuzzing::message(bytes, check);
    }
}

/// What an agent, a program or a file says; the first byte chooses.
pub fn agent_answer(bytes: &[u8]) {
    let Some((kind, answer)) = bytes.split_first() else {
        return;
    };
    let result = match kind % 4 {
        0 => return agent::fuzzing::status(answer),
        1 => Ok(HaproxyReply::parse_agent(answer)),
        2 => HaproxyReply::parse(answer),
        _ => HaproxyReply::parse(&lines(answer, usize::from(*kind) * 16)),
    };
    let result = result.and_then(|message| {
        let lengths = [
            message.shown().len(),
            message.unknown().unwrap_or_default().len(),
        ];
        assert!(lengths.iter().all(|length| *length <= 2048), "{lengths:?}");
        message.exchange_result()
    });
    bounded(result.map(|pass| pass.detail));
}

/// What a server says in HTTP, in a conversation or in gRPC: the first byte
/// chooses, the second is the length of the pieces in which it comes.
pub fn conversation(bytes: &[u8]) {
    let [kind, piece, message @ ..] = bytes else {
        return;
    };
    let place = usize::from(kind % 4);
    let check = check(place);
    let server = Server {
        rest: message.to_vec(),
        at: 0,
        piece: usize::from(*piece).max(1),
        turn: false,
    };
    RUNTIME.block_on(prober::fuzzing::probing(
        check,
        async |probing: Probing<'_>| {
            let result = match &check.kind {
                CheckKind::Http(check) => {
                    let target = SocketAddr::from(([198, 51, 100, 1], 80));
                    let request = http::request(target, check).expect("the check is valid");
                    let mut server = super::http1::Exchange::new(server, request, false);
                    http::judge(&probing, &mut server, check).await
                }
                CheckKind::Stream(check) => {
                    let server = super::early_answer::EarlyAnswer::new(server);
                    let result = stream::converse(probing, server, &check.steps).await;
                    result.map(|()| String::new())
                }
                _ => {
                    let request = Request::post("http://192.0.2.1/grpc.health.v1.Health/Check");
                    let request = request.body(Full::from(Bytes::from_static(b"\0\0\0\0\0")));
                    let request = request.expect("the request is valid");
                    let result = grpc::exchange(probing, server, request).await;
                    result.map(|pass| pass.detail)
                }
            };
            bounded(result);
        },
    ));
}

fn bounded(result: Result<String, Failure>) {
    let detail = result.unwrap_or_else(|failure| failure.detail);
    assert!(detail.len() <= 16 * 1024, "{} bytes", detail.len());
}

/// Says all of it, in pieces between which it lets others wait, takes whatever
/// it is told, and closes.
struct Server {
    rest: Vec<u8>,
    at: usize,
    piece: usize,
    turn: bool,
}

impl AsyncRead for Server {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.turn = !self.turn;
        if self.turn {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let length = self
            .piece
            .min(buffer.remaining())
            .min(self.rest.len() - self.at);
        buffer.put_slice(&self.rest[self.at..self.at + length]);
        self.at += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Server {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
