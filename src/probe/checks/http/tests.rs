//! The probe against servers that do what they should not.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::*;
use crate::config::{Check, CheckKind, ExpectedBody, Expression, Pattern, StatusRanges};
use crate::probe::body::BODY_LIMIT;
use crate::probe::fixture;
use crate::probe::{Outcome, Prober};
use crate::runtime::clock;
use crate::status::fixture as configured;

/// Far more than any probe here needs, so that only a hang meets it.
const AMPLE: Duration = Duration::from_secs(20);

fn check() -> HttpCheck {
    HttpCheck {
        port: None,
        ..configured::http_check()
    }
}

/// Serves each connection by `handler`, one after the other, and passes its answers on.
fn serve<T: Send + 'static>(
    handler: impl Fn(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(AMPLE)).unwrap();
            stream.set_write_timeout(Some(AMPLE)).unwrap();
            if sender.send(handler(stream)).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

/// Reads up to the end of a request's head.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// Writes until the peer is gone or `limit` is reached; the bytes that the kernel took.
fn write_for_ever(stream: &mut TcpStream, block: &[u8], limit: usize) -> usize {
    let mut written = 0;
    while written < limit {
        match stream.write(block) {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    written
}

async fn probe(target: SocketAddr, check: &HttpCheck, timeout: Duration) -> Outcome {
    let check = Check {
        timeout,
        ..configured::check(CheckKind::Http(check.clone()))
    };
    Prober::new().probe(target, &check).await
}

/// The outcome of a probe of a server that sends `response` and closes.
async fn answered(response: &'static [u8]) -> (ProbeResult, String) {
    let (address, _served) = serve(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(response).unwrap();
    });
    let outcome = probe(address, &check(), AMPLE).await;
    (outcome.result, outcome.detail)
}

fn is(result: ProbeResult, detail: &str) -> (ProbeResult, String) {
    (result, detail.to_owned())
}

#[tokio::test]
async fn the_status_decides() {
    assert_eq!(
        answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await,
        is(ProbeResult::Ok, "HTTP 200")
    );
    assert_eq!(
        answered(b"HTTP/1.1 204 No Content\r\n\r\n").await,
        is(ProbeResult::Ok, "HTTP 204")
    );
    assert_eq!(
        answered(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ndown").await,
        is(ProbeResult::Status, "HTTP 503, expected 200-299")
    );
    assert_eq!(
        answered(b"HTTP/1.0 200 OK\r\n\r\nto the end of the connection").await,
        is(ProbeResult::Ok, "HTTP 200")
    );
    assert_eq!(
        answered(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await,
        is(ProbeResult::Ok, "HTTP 200")
    );
}

#[tokio::test]
async fn a_redirect_is_a_status_and_is_not_followed() {
    let (elsewhere, reached) = serve(|mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    let (address, _served) = serve(move |mut stream| {
        read_request(&mut stream);
        let head = format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
    });
    let outcome = probe(address, &check(), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Status);
    assert_eq!(outcome.detail, "HTTP 302, expected 200-299");
    assert!(reached.try_recv().is_err());
}

/// The fix of a check over TLS does not say that the check has to speak TLS.
#[tokio::test]
async fn fix_for_an_answer_that_is_not_http_follows_from_tls() {
    use crate::config::TlsSettings;
    for said in [b"220 smtp ready\r\n".as_slice(), b"22"] {
        let plain = fixture::serve(move |mut stream| {
            read_request(&mut stream);
            stream.write_all(said).unwrap();
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let over_tls = fixture::tls_server(listener, &[], move |mut stream| {
            let mut byte = [0];
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(said).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        });
        let tls = TlsSettings {
            server_name: None,
            ca: None,
            client: None,
            verify: false,
        };
        for (server, tls, expected, other) in [
            (
                plain,
                None,
                "if it speaks TLS, the check is `https`",
                "within",
            ),
            (
                over_tls,
                Some(tls),
                "it speaks TLS, but not HTTP within",
                "the check is `https`",
            ),
        ] {
            let check = HttpCheck { tls, ..check() };
            let outcome = probe(server, &check, AMPLE).await;
            fixture::assert_outcome(&outcome, ProbeResult::Protocol, "not an HTTP answer");
            let fix = outcome
                .fix
                .unwrap()
                .for_real_server(server.ip())
                .to_string();
            assert!(fix.contains(expected), "{fix}");
            assert!(!fix.contains(other), "{fix}");
        }
    }
}

#[tokio::test]
async fn answer_that_is_not_http_is_a_protocol_error() {
    for (response, detail) in [
        (b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(), "not an HTTP answer"),
        (b"<html>an HTTP/0.9 answer</html>", "not an HTTP answer"),
        (b"HTTP/1.1 20x OK\r\n\r\n", "not an HTTP answer"),
        (b"\0\xff\xfe\x80", "not an HTTP answer"),
        (b"", "closed without an answer"),
        (
            b"HTTP/1.1 200 OK\r\nContent-",
            "closed before the end of the answer's head, which an empty line is; got \"HTTP/1.1 \
             200 OK\\r\\nContent-\"",
        ),
        (
            b"HTTP/1.0 200 OK\r\n",
            "closed before the end of the answer's head, which an empty line is; got \"HTTP/1.0 \
             200 OK\\r\\n\"",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
            "the answer was cut short",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "the body is not valid HTTP",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "the answer was cut short",
        ),
    ] {
        let (result, found) = answered(response).await;
        let response = response.escape_ascii();
        assert_eq!(result, ProbeResult::Protocol, "{response}: {found}");
        if !response.to_string().starts_with("\\x00") {
            assert_eq!(found, detail, "{response}");
        }
    }
}

#[tokio::test]
async fn refused_and_reset() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let outcome = probe(closed, &check(), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Refused);
    assert_eq!(outcome.detail, "connection refused");

    // A socket that is closed with bytes unread sends RST (RFC 2525, 2.17).
    let (address, _served) = serve(|stream| stream.peek(&mut [0]).unwrap());
    let outcome = probe(address, &check(), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Reset);
    assert_eq!(outcome.detail, "connection reset");
}

#[tokio::test]
async fn a_broadcast_address_is_this_hosts_own_trouble() {
    let outcome = probe((Ipv4Addr::BROADCAST, 80).into(), &check(), AMPLE).await;
    assert!(
        matches!(
            outcome.result,
            ProbeResult::Internal | ProbeResult::Unreachable
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn silence_is_a_timeout_and_the_connection_goes() {
    let (address, served) = serve(|mut stream| {
        read_request(&mut stream);
        stream.read(&mut [0])
    });
    let outcome = probe(address, &check(), Duration::from_millis(200)).await;
    assert_eq!(outcome.result, ProbeResult::Timeout);
    assert_eq!(
        outcome.detail,
        "timed out after 200ms while waiting for the head of the answer, of which nothing came"
    );
    assert!(outcome.duration >= Duration::from_millis(200));
    // The runtime has to turn for the connection's task to close it.
    let closed = tokio::task::spawn_blocking(move || served.recv_timeout(AMPLE).unwrap());
    assert!(matches!(
        tokio::time::timeout(AMPLE, closed).await.unwrap().unwrap(),
        Ok(0) | Err(_)
    ));
}

#[tokio::test]
async fn a_trickle_does_not_move_the_deadline() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for at_once in [0, head.len()] {
        let (address, _served) = serve(move |mut stream| {
            read_request(&mut stream);
            stream.write_all(&head[..at_once]).unwrap();
            let rest = head[at_once..].iter().copied();
            for byte in rest.chain(std::iter::repeat_n(b'x', 1000)) {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the slow server of this test, on a thread of its own"
                )]
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let outcome = probe(address, &check(), Duration::from_millis(450)).await;
        let result = match at_once {
            0 => ProbeResult::Timeout,
            // The status has come.
            _ => ProbeResult::Ok,
        };
        assert_eq!(outcome.result, result, "{at_once}");
        assert!(outcome.duration < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn ten_gigabytes_cost_as_much_as_a_page() {
    let (address, served) = serve(|mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n")
            .unwrap();
        write_for_ever(&mut stream, &vec![b'x'; 65536], 10_737_418_240)
    });
    let outcome = probe(address, &check(), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    let written = tokio::task::spawn_blocking(move || served.recv_timeout(AMPLE).unwrap());
    // What both sockets' buffers hold (tcp_wmem and tcp_rmem go to 4 and
    // 6 MB), and what was read.
    assert!(written.await.unwrap() < 16 << 20);
}

#[tokio::test]
async fn a_head_without_end_is_given_up() {
    let (address, served) = serve(|mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
        let header = [b"X: ".as_slice(), &[b'x'; 16000][..], b"\r\n"].concat();
        write_for_ever(&mut stream, &header, 10_737_418_240)
    });
    let outcome = probe(address, &check(), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Protocol, "{outcome:?}");
    assert_eq!(
        outcome.detail,
        "more than 32 KiB came while waiting for the head of the answer"
    );
    let written = tokio::task::spawn_blocking(move || served.recv_timeout(AMPLE).unwrap());
    assert!(written.await.unwrap() < 16 << 20);
}

#[tokio::test]
async fn a_server_that_keeps_the_connection_is_not_waited_for() {
    let (address, served) = serve(|mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
        stream.read(&mut [0])
    });
    let outcome = probe(address, &check(), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Ok);
    assert!(outcome.duration < AMPLE / 4);
    let closed = tokio::task::spawn_blocking(move || served.recv_timeout(AMPLE).unwrap());
    assert!(matches!(closed.await.unwrap(), Ok(0) | Err(_)));
}

#[tokio::test]
async fn the_request_is_as_configured_on_a_connection_of_its_own() {
    let (address, served) = serve(|mut stream| {
        let request = read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        (stream.peer_addr().unwrap().port(), request)
    });
    let mut check = HttpCheck {
        path: "/a/../health check?q=1%20#x".to_owned(),
        host: Some("www.example.com".to_owned()),
        ..check()
    };
    let version = env!("CARGO_PKG_VERSION");
    for host in ["www.example.com".to_owned(), address.to_string()] {
        assert_eq!(probe(address, &check, AMPLE).await.result, ProbeResult::Ok);
        let (_, request) = served.recv_timeout(AMPLE).unwrap();
        let mut lines: Vec<_> = request.trim_end().split("\r\n").collect();
        lines[1..].sort_unstable();
        assert_eq!(
            lines,
            [
                "GET /health%20check?q=1%20 HTTP/1.1".to_owned(),
                "accept: */*".to_owned(),
                "connection: close".to_owned(),
                format!("host: {host}"),
                format!("user-agent: lvs-agent/{version}"),
            ]
        );
        check.host = None;
    }
    let mut ports = Vec::new();
    for _ in 0..5 {
        probe(address, &check, AMPLE).await;
        ports.push(served.recv_timeout(AMPLE).unwrap().0);
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 5);
}

proptest::proptest! {
    /// What is sent without a look at the rules of URLs is what they give.
    #[test]
    fn request_target_is_what_the_url_standard_gives(path in "/[a-zA-Z0-9/._~?=&#% |\\\\\"<>-]{0,12}") {
        let url = Url::parse(&format!("https://192.0.2.1:81{path}")).unwrap();
        let expected = &url[Position::BeforePath..Position::AfterQuery];
        proptest::prop_assert_eq!(request_target(&path).unwrap(), expected);
    }
}

/// RFC 9110, section 7.2: the port is left out where it is the scheme's own.
#[tokio::test]
async fn the_vip_as_a_host_has_the_port_and_a_configured_host_is_as_written() {
    let (address, served) = serve(|mut stream| {
        let request = read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        request
    });
    let port = address.port();
    for (host, host_is_vip, sent) in [
        ("192.168.11.200", true, format!("192.168.11.200:{port}")),
        ("[2001:db8::200]", true, format!("[2001:db8::200]:{port}")),
        ("192.168.11.200", false, "192.168.11.200".to_owned()),
        ("www.example.com", false, "www.example.com".to_owned()),
        ("www.example.com:81", false, "www.example.com:81".to_owned()),
    ] {
        let check = HttpCheck {
            host: Some(host.to_owned()),
            host_is_vip,
            ..check()
        };
        assert_eq!(probe(address, &check, AMPLE).await.result, ProbeResult::Ok);
        let request = served.recv_timeout(AMPLE).unwrap();
        assert!(request.contains(&format!("host: {sent}\r\n")), "{request}");
    }
}

#[test]
fn the_schemes_own_port_is_left_out() {
    for (target, tls, sent) in [
        ("192.0.2.21:80", false, "192.168.11.200"),
        ("192.0.2.21:443", false, "192.168.11.200:443"),
        ("192.0.2.21:443", true, "192.168.11.200"),
        ("192.0.2.21:80", true, "192.168.11.200:80"),
    ] {
        let settings = crate::config::TlsSettings {
            server_name: None,
            ca: None,
            client: None,
            verify: false,
        };
        let check = HttpCheck {
            tls: tls.then_some(settings),
            host: Some("192.168.11.200".to_owned()),
            host_is_vip: true,
            ..check()
        };
        assert_eq!(host(target.parse().unwrap(), &check), sent);
    }
}

#[tokio::test]
async fn an_ipv6_target_is_bracketed() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        // A host without IPv6: what would be sent is all that can be seen.
        let url = Url::parse(&format!("http://{}/", SocketAddr::from(([0; 16], 80)))).unwrap();
        assert_eq!(url.host_str(), Some("[::]"));
        return;
    };
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        request
    });
    assert_eq!(
        probe(address, &check(), AMPLE).await.result,
        ProbeResult::Ok
    );
    let request = server.join().unwrap();
    assert!(
        request.contains(&format!("host: {address}\r\n")),
        "{request}"
    );
}

#[tokio::test]
async fn probe_that_cannot_be_made_says_nothing_of_the_real_server() {
    let check = HttpCheck {
        host: Some("a\nb".to_owned()),
        ..check()
    };
    let started: Instant = clock::monotonic();
    let outcome = probe((Ipv4Addr::LOCALHOST, 1).into(), &check, AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    assert!(clock::monotonic() - started < AMPLE);
}

/// The outcome of a probe of a server that answers 200 with `body`.
async fn with_body(body: &'static str, expected: Pattern) -> (ProbeResult, String) {
    let (address, _served) = serve(move |mut stream| {
        read_request(&mut stream);
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let check = HttpCheck {
        expected_body: Some(ExpectedBody::With(expected)),
        ..check()
    };
    let outcome = probe(address, &check, AMPLE).await;
    (outcome.result, outcome.detail)
}

#[tokio::test]
async fn the_body_must_have_what_is_expected() {
    let text = |text: &str| Pattern::Text(text.to_owned());
    let regex = |text| Pattern::Regex(Expression::new(text).unwrap());
    assert_eq!(
        with_body("all is well", text("well")).await,
        is(ProbeResult::Ok, "HTTP 200")
    );
    assert_eq!(
        with_body("queue: 17", regex("queue: [0-9]{1,2}$")).await,
        is(ProbeResult::Ok, "HTTP 200")
    );
    assert_eq!(
        with_body("database down", text("well")).await,
        is(ProbeResult::Body, "HTTP 200, without \"well\" in its body")
    );
    assert_eq!(
        with_body("queue: 170", regex("queue: [0-9]{1,2}$")).await,
        is(
            ProbeResult::Body,
            "HTTP 200, without /queue: [0-9]{1,2}$/ in its body"
        )
    );
}

#[tokio::test]
async fn what_comes_after_the_limit_is_not_looked_at() {
    let late = "x".repeat(BODY_LIMIT) + "well";
    let late: &'static str = Box::leak(late.into_boxed_str());
    let (result, _) = with_body(late, Pattern::Text("well".to_owned())).await;
    assert_eq!(result, ProbeResult::Body);
}

#[tokio::test]
async fn method_headers_and_body_are_sent() {
    let (address, served) = serve(|mut stream| {
        let head = read_request(&mut stream);
        let mut body = [0; 9];
        stream.read_exact(&mut body).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        (head, String::from_utf8(body.to_vec()).unwrap())
    });
    let header = |name: &str, value: &str| (name.to_owned(), value.into());
    let check = HttpCheck {
        method: "POST".to_owned(),
        headers: vec![
            header("Authorization", "Bearer x"),
            header("Accept", "text/plain"),
        ],
        body: Some("are you?\n".into()),
        ..check()
    };
    let outcome = probe(address, &check, AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    let (head, body) = served.recv_timeout(AMPLE).unwrap();
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    for line in [
        "authorization: Bearer x",
        "accept: text/plain",
        "content-length: 9",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{head}");
    }
    assert!(!head.contains("*/*"), "{head}");
    assert_eq!(body, "are you?\n");

    let (address, _served) = serve(|mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            .unwrap();
    });
    let head = HttpCheck {
        method: "HEAD".to_owned(),
        body: None,
        ..check
    };
    let outcome = probe(address, &head, AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
}

mod bodies;
mod early;
mod heads;
