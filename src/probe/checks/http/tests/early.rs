//! Servers that answer, and close, before they have read the request.

use super::*;
use crate::config::AgentCheck;
use crate::model::{Protocol, ServiceKey};
use crate::probe::fixture;

/// Says `answer` at once, reads nothing, and closes: the kernel then answers
/// the request with a reset.
fn hasty(answer: &'static [u8]) -> SocketAddr {
    fixture::serve(move |mut stream| {
        let _ = stream.write_all(answer);
    })
}

#[tokio::test]
async fn an_answer_before_the_request_passes_each_time() {
    for answer in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsynced\n".as_slice(),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsynced\n",
        b"HTTP/1.0 200 OK\n\nsynced\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nsynced\n\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let address = hasty(answer);
        for round in 0..200 {
            let outcome = probe(address, &check(), AMPLE).await;
            let answer = answer.escape_ascii();
            assert_eq!(
                outcome.result,
                ProbeResult::Ok,
                "{round}: {answer}: {outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_long_request_does_not_hide_an_early_answer() {
    let address = hasty(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsynced\n");
    let check = HttpCheck {
        method: "POST".to_owned(),
        body: Some(Secret::from(&*"x".repeat(4 << 20))),
        ..check()
    };
    for _ in 0..20 {
        let outcome = probe(address, &check, AMPLE).await;
        assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    }
}

#[tokio::test]
async fn an_early_answer_still_has_to_be_whole_and_right() {
    for (answer, result) in [
        (
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".as_slice(),
            ProbeResult::Status,
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ProbeResult::Protocol),
    ] {
        let address = hasty(answer);
        for _ in 0..50 {
            let outcome = probe(address, &check(), AMPLE).await;
            assert_eq!(outcome.result, result, "{outcome:?}");
        }
    }
    // The end of the stream or a reset, as the kernel has it.
    for answer in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".as_slice(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nsyn",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"",
    ] {
        let address = hasty(answer);
        for _ in 0..50 {
            let outcome = probe(address, &check(), AMPLE).await;
            let known = [ProbeResult::Protocol, ProbeResult::Reset];
            assert!(known.contains(&outcome.result), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_real_servers_agent_that_answers_early_is_heard() {
    let body = r#"{"mode":"real_server","readiness":{"services":[]}}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let address = hasty(Box::leak(answer.into_bytes().into_boxed_slice()));
    let kind = CheckKind::Agent(AgentCheck {
        port: address.port(),
        service: Some(ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: (Ipv4Addr::new(192, 0, 2, 1), 80).into(),
        }),
    });
    for _ in 0..200 {
        let outcome = fixture::ask(address, kind.clone()).await;
        let detail = "the agent does not serve tcp 192.0.2.1:80: see its configuration";
        fixture::assert_outcome(&outcome, ProbeResult::Status, detail);
    }
}
