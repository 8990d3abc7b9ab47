use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};

use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

use super::*;
use crate::config::{CheckKind, TlsSettings};
use crate::probe::Outcome;
use crate::probe::fixture::{
    SHORT, ask, ask_within, assert_outcome, server_that_sends, tls_server,
};

/// Answers each call with `status`, or with this status of gRPC.
async fn health(answer: Result<i32, u32>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(move |request: Request<Incoming>| respond(request, answer));
            let connection = server::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

async fn respond(
    request: Request<Incoming>,
    answer: Result<i32, u32>,
) -> Result<
    Response<
        StreamBody<
            futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>,
        >,
    >,
    Infallible,
> {
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert_eq!(request.headers()[CONTENT_TYPE], "application/grpc");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked = HealthCheckRequest::decode(&body[PREFIX..]).unwrap();
    assert_eq!(asked.service, "shop.Cart");
    let mut trailers = HeaderMap::new();
    let mut frames = Vec::new();
    let code = match answer {
        Ok(status) => {
            let message = HealthCheckResponse { status }.encode_to_vec();
            let length = u8::try_from(message.len()).unwrap();
            let with_prefix = [[0, 0, 0, 0, length].as_slice(), &message].concat();
            frames.push(Ok(Frame::data(Bytes::from(with_prefix))));
            0
        }
        Err(code) => code,
    };
    trailers.insert(GRPC_STATUS, code.into());
    frames.push(Ok(Frame::trailers(trailers)));
    Ok(Response::new(StreamBody::new(futures_util::stream::iter(
        frames,
    ))))
}

fn kind() -> CheckKind {
    CheckKind::Grpc(GrpcCheck {
        port: None,
        service: "shop.Cart".to_owned(),
        tls: None,
    })
}

async fn answered(answer: Result<i32, u32>) -> Outcome {
    ask(health(answer).await, kind()).await
}

#[tokio::test]
async fn only_serving_passes() {
    assert_outcome(&answered(Ok(1)).await, ProbeResult::Ok, "SERVING");
    for (answer, detail) in [
        (Ok(0), "UNKNOWN"),
        (Ok(2), "NOT_SERVING"),
        (Ok(77), "an unknown status"),
        (Err(5), "gRPC status 5: no such service"),
        (Err(12), "gRPC status 12: no health service there"),
        (Err(14), "gRPC status 14"),
    ] {
        let outcome = answered(answer).await;
        assert_outcome(&outcome, ProbeResult::Status, detail);
        let fix = format!("{:?}", outcome.fix.unwrap());
        assert!(
            !fix.contains("`expect`"),
            "the check has no such key: {fix}"
        );
    }
}

#[tokio::test]
async fn what_is_not_http2_and_silence_fail() {
    for no_http2 in [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), b"220 smtp ready\r\n"] {
        let server = server_that_sends(no_http2);
        let outcome = ask(server, kind()).await;
        assert_outcome(&outcome, ProbeResult::Protocol, "not an HTTP/2 answer");
        let fix = outcome.fix.unwrap();
        assert_eq!(
            fix.for_real_server(server.ip()).to_string(),
            "on 127.0.0.1, see what listens on the check's port (`ss -ltnp`): if another port has \
             the gRPC server, set the check's `port`; if the server speaks TLS and the check has \
             no `tls`, set `tls`"
        );
    }
    // Settings, and a frame of the type GOAWAY with the error 11.
    let calm = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";
    let outcome = ask(server_that_sends(calm), kind()).await;
    let detail = "the server ended the call: detected excessive load generating behavior";
    assert_outcome(&outcome, ProbeResult::Protocol, detail);
    let outcome = ask_within(SHORT, server_that_sends(b""), kind()).await;
    assert_eq!(outcome.result, ProbeResult::Timeout, "{outcome:?}");
}

/// The settings of a server, the head of an answer, and its message.
const HEAD: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88";
const SAYS_SERVING: &[u8] = b"\0\0\x07\0\0\0\0\0\x01\0\0\0\0\x02\x08\x01";
/// The status 0 and the end of the stream.
const TRAILERS: &[u8] = b"\0\0\x0f\x01\x05\0\0\0\x01\0\x0bgrpc-status\x010";

/// Answers with these frames, and ends the connection without `close_notify`.
async fn cut_off(frames: &[&'static [u8]]) -> Outcome {
    let frames = frames.concat();
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = tls_server(listener, &[b"h2"], move |mut stream| {
        // The preface, the settings and the request.
        let mut came = Vec::new();
        let mut piece = [0; 1024];
        while !came.ends_with(b"\x0a\x09shop.Cart") {
            let length = stream.read(&mut piece).unwrap();
            assert!(length > 0, "{}", came.escape_ascii());
            came.extend_from_slice(&piece[..length]);
        }
        stream.write_all(&frames).unwrap();
        stream.flush().unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap();
        let _ = stream.sock.read_to_end(&mut Vec::new());
    });
    let tls = TlsSettings {
        server_name: None,
        ca: None,
        client: None,
        verify: false,
    };
    let check = GrpcCheck {
        port: None,
        service: "shop.Cart".to_owned(),
        tls: Some(tls),
    };
    ask(server, CheckKind::Grpc(check)).await
}

#[tokio::test]
async fn a_whole_answer_counts_though_the_connection_ends_without_close_notify() {
    let outcome = cut_off(&[HEAD, SAYS_SERVING, TRAILERS]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "SERVING");
    for part in [&[HEAD, SAYS_SERVING][..], &[HEAD], &[]] {
        let outcome = cut_off(part).await;
        assert_eq!(outcome.result.evidence(), Some(false), "{outcome:?}");
        assert_ne!(outcome.result, ProbeResult::Timeout, "{outcome:?}");
    }
}
