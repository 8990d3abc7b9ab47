use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use crate::config::{AgentCheck, CheckKind};
use crate::diagnosis::PathResult;
use crate::model::{Diagnosis, ProbeResult};
use crate::probe::Outcome;
use crate::probe::fixture::{
    SHORT, ask, ask_within, assert_outcome, closed_port, serve, server_that_sends,
};
use crate::status;
use crate::status::document::{self, Filter};

fn agent(port: u16) -> CheckKind {
    CheckKind::Agent(AgentCheck {
        port,
        service: Some("tcp 192.168.11.200:80".parse().unwrap()),
    })
}

/// The outcome where the other end answers with this.
async fn answered(head: &'static str, body: impl Into<Vec<u8>>) -> Outcome {
    answered_at(head, body).await.1
}

/// The same, and at which port that was.
async fn answered_at(head: &'static str, body: impl Into<Vec<u8>>) -> (u16, Outcome) {
    let body = body.into();
    let target = serve(move |mut stream| {
        let mut request = Vec::new();
        let mut piece = [0; 512];
        while !request.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut piece).unwrap();
            assert!(length > 0, "the request ended early");
            request.extend_from_slice(&piece[..length]);
        }
        assert!(request.starts_with(b"GET /readiness?service=tcp/192.168.11.200:80 HTTP/1.1\r\n"));
        let length = body.len();
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n");
        // The client may have seen enough.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&body);
    });
    (target.port(), ask(target, agent(target.port())).await)
}

fn status(services: &Value) -> String {
    json!({ "mode": "real_server", "readiness": { "services": services } }).to_string()
}

fn service(protocol: &str, address: &str, ready: bool, reasons: &[&str]) -> Value {
    json!({ "protocol": protocol, "address": address, "ready": ready, "reasons": reasons })
}

#[tokio::test]
async fn status_of_the_agent_decides() {
    let web = |ready, reasons: &[&str]| service("tcp", "192.168.11.200:80", ready, reasons);
    let others = json!([
        service("udp", "192.168.11.200:80", false, &["nothing"]),
        service("tcp", "192.168.11.200:443", false, &["nothing"]),
        service("dccp", "192.168.11.200:80", false, &["nothing"]),
        web(true, &[])
    ]);
    let unready = json!([web(false, &["no VIP", "arp_ignore is 0\u{1b}[31m on eth0"])]);
    for (body, result, detail) in [
        (status(&others), ProbeResult::Ok, "the agent is ready"),
        (
            status(&unready),
            ProbeResult::Status,
            "not ready: no VIP; arp_ignore is 0 [31m on eth0",
        ),
        (
            status(&json!([])),
            ProbeResult::Status,
            "the agent does not serve tcp 192.168.11.200:80: see its configuration",
        ),
        (
            json!({ "mode": "real_server" }).to_string(),
            ProbeResult::Status,
            "the agent does not tell whether it is ready: it has just started",
        ),
        (
            json!({ "mode": "director", "readiness": null }).to_string(),
            ProbeResult::Status,
            "the agent there is a director, not a real_server",
        ),
    ] {
        assert_outcome(&answered("200 OK", body).await, result, detail);
    }
}

#[tokio::test]
async fn our_own_status_is_understood() {
    let snapshot = status::fixture::real_server();
    let body = document::json(&snapshot, &Filter::default()).unwrap();
    assert_outcome(
        &answered("200 OK", body.clone()).await,
        ProbeResult::Status,
        "not ready: arp_ignore is 0 on eth0: this host answers ARP for the VIP",
    );
    let reported = answered("200 OK", body).await.plain;
    assert_eq!(reported, Some(PathResult::Reported(Diagnosis::ArpConflict)));
    for readiness in snapshot.readiness.lock().iter_mut() {
        readiness.services[0].issues.clear();
    }
    let body = document::json(&snapshot, &Filter::default()).unwrap();
    let outcome = answered("200 OK", body).await;
    assert_outcome(&outcome, ProbeResult::Ok, "the agent is ready");
}

#[tokio::test]
async fn an_agent_that_cannot_look_is_not_ready() {
    let snapshot = status::fixture::real_server();
    for readiness in snapshot.readiness.lock().iter_mut() {
        readiness.services[0].issues.clear();
        readiness.error = Some("cannot list the interfaces".to_owned());
    }
    let body = document::json(&snapshot, &Filter::default()).unwrap();
    assert_outcome(
        &answered("200 OK", body).await,
        ProbeResult::Status,
        "not ready: this host cannot be looked at: cannot list the interfaces",
    );
}

#[tokio::test]
async fn old_inspection_is_not_ready() {
    let snapshot = status::fixture::real_server();
    for readiness in snapshot.readiness.lock().iter_mut() {
        readiness.services[0].issues.clear();
        readiness.seen -= std::time::Duration::from_secs(65);
    }
    let body = document::json(&snapshot, &Filter::default()).unwrap();
    assert_outcome(
        &answered("200 OK", body).await,
        ProbeResult::Status,
        "not ready: this host was last looked at 1m 5s ago",
    );
}

/// What failed before the other end's word is told as the agent's, by its address.
fn assert_unasked(outcome: &Outcome, result: ProbeResult, port: u16, why: &str) {
    let detail = format!("the agent at 127.0.0.1:{port} could not be asked: {why}");
    assert_outcome(outcome, result, &detail);
}

#[tokio::test]
async fn other_answers_and_none() {
    for (head, body, result, why) in [
        (
            "503 Service Unavailable",
            Vec::new(),
            ProbeResult::Status,
            "HTTP 503, expected 200",
        ),
        (
            "404 Not Found",
            Vec::new(),
            ProbeResult::Status,
            "HTTP 404, expected 200",
        ),
        (
            "200 OK",
            vec![b' '; 2 * 1024 * 1024],
            ProbeResult::Protocol,
            "its status is larger than 1 MiB",
        ),
        (
            "200 OK",
            b"{}".to_vec(),
            ProbeResult::Protocol,
            "not the status of a real server's agent: the field `mode` is missing",
        ),
        (
            "200 OK",
            status(&json!([{ "protocol": "tcp", "address": "192.168.11.200:80", "ready": 1 }]))
                .into_bytes(),
            ProbeResult::Protocol,
            "not the status of a real server's agent: invalid type: integer `1`, expected a \
             boolean at line 1 column 104",
        ),
    ] {
        let (port, outcome) = answered_at(head, body).await;
        assert_unasked(&outcome, result, port, why);
    }
    let other = server_that_sends(b"220 smtp ready\r\n");
    let outcome = ask(other, agent(other.port())).await;
    let (result, port) = (ProbeResult::Protocol, other.port());
    assert_unasked(&outcome, result, port, "not an HTTP answer");
    let silent = server_that_sends(b"");
    let outcome = ask_within(SHORT, silent, agent(silent.port())).await;
    let why =
        "timed out after 300ms while waiting for the head of the answer, of which nothing came";
    assert_unasked(&outcome, ProbeResult::Timeout, silent.port(), why);
    let target = closed_port();
    let outcome = ask(target, agent(target.port())).await;
    let result = ProbeResult::Refused;
    assert_unasked(&outcome, result, target.port(), "connection refused");
}
