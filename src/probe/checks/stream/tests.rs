use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::config::{Check, CheckKind, Expression, Origin, Pattern, Step, StreamCheck};
use crate::model::ProbeResult;
use crate::probe::Prober;
use crate::probe::fixture::{
    AMPLE, SHORT, ask, ask_within, assert_outcome, closed_port, serve, server_that_sends,
};
use crate::status::fixture;

fn tcp(steps: Vec<Step>) -> CheckKind {
    CheckKind::Stream(StreamCheck {
        port: None,
        tls: None,
        steps,
    })
}

fn text(text: &str) -> Step {
    Step::Expect(Pattern::Text(text.to_owned()))
}

fn regex(text: &str) -> Step {
    Step::Expect(Pattern::Regex(Expression::new(text).unwrap()))
}

fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// Speaks as much SMTP as a check needs, one byte at a time at first.
fn smtp(greeting: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        for byte in greeting {
            stream.write_all(&[*byte]).unwrap();
        }
        smtp_answers(stream);
    })
}

fn smtp_answers(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        let answer: &[u8] = match line.as_str() {
            "EHLO director" => b"250-rs1\r\n250 SIZE\r\n",
            "QUIT" => b"221 bye\r\n",
            _ => b"500 what?\r\n",
        };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_is_enough_without_steps() {
    let outcome = ask(server_that_sends(b""), tcp(Vec::new())).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected");
    let outcome = ask(closed_port(), tcp(Vec::new())).await;
    assert_outcome(&outcome, ProbeResult::Refused, "connection refused");
}

#[tokio::test]
async fn a_conversation_goes_step_by_step() {
    let steps = || {
        vec![
            regex("^220[ -]"),
            send("EHLO director\r\n"),
            regex("(?m)^250 "),
            send("QUIT\r\n"),
            text("221 "),
        ]
    };
    let outcome = ask(smtp(b"220 rs1 ESMTP\r\n"), tcp(steps())).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected");

    let outcome = ask_within(SHORT, smtp(b"554 no\r\n"), tcp(steps())).await;
    assert_outcome(
        &outcome,
        ProbeResult::Body,
        "expected /^220[ -]/, got \"554 no\\r\\n\"",
    );
    let closing = serve(|mut stream| stream.write_all(b"421 busy\r\n").unwrap());
    let outcome = ask(closing, tcp(vec![text("220 ")])).await;
    assert_outcome(
        &outcome,
        ProbeResult::Body,
        "expected \"220 \", got \"421 busy\\r\\n\"",
    );
}

/// What one step has used is not there for the next.
#[tokio::test]
async fn each_answer_counts_once() {
    let steps = vec![text("one"), text("one")];
    assert_eq!(
        ask(server_that_sends(b"one one"), tcp(steps.clone()))
            .await
            .result,
        ProbeResult::Ok
    );
    let outcome = ask_within(SHORT, server_that_sends(b"one two"), tcp(steps)).await;
    assert_outcome(
        &outcome,
        ProbeResult::Body,
        "expected \"one\", got \" two\"",
    );
}

/// As with HAProxy, whose `send` empties what `expect` looks at.
#[tokio::test]
async fn after_a_send_only_what_comes_then_counts() {
    let steps = || {
        vec![
            regex("^220"),
            send("EHLO director\r\n"),
            regex("^250-"),
            send("QUIT\r\n"),
            regex("^221 "),
        ]
    };
    // All of the greeting comes at once, and half of it is used.
    let greeting = serve(|mut stream| {
        stream
            .write_all(b"220-rs1 ESMTP\r\n220 of a company\r\n")
            .unwrap();
        smtp_answers(stream);
    });
    let outcome = ask(greeting, tcp(steps())).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected");
    // What is sought after a send must not be found before it.
    let stale = vec![text("220"), send("NOOP\r\n"), text("ESMTP")];
    let outcome = ask_within(SHORT, greeting, tcp(stale)).await;
    assert_eq!(outcome.result, ProbeResult::Body, "{outcome:?}");
    // Several sends in a row, and none at all before the answer.
    let twice = vec![
        text("220"),
        send("EHLO "),
        send("director\r\n"),
        regex("^250-rs1"),
        text("250 SIZE"),
    ];
    let outcome = ask(greeting, tcp(twice)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected");
    let early = vec![send("PING\r\n"), regex("^\\+PONG")];
    let outcome = ask(server_that_sends(b"+PONG\r\n"), tcp(early)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected");
}

#[tokio::test]
async fn silence_closing_and_floods_end() {
    let outcome = ask_within(SHORT, server_that_sends(b""), tcp(vec![text("220 ")])).await;
    assert_outcome(
        &outcome,
        ProbeResult::Timeout,
        "timed out after 300ms while waiting for the text of step 1, of which nothing came, \
         expected \"220 \"",
    );
    let outcome = ask(serve(drop), tcp(vec![text("220 ")])).await;
    assert_outcome(
        &outcome,
        ProbeResult::Protocol,
        "closed without an answer, expected \"220 \"",
    );
    let flood = serve(|mut stream| while stream.write_all(&[b'\x1b'; 4096]).is_ok() {});
    let outcome = ask(flood, tcp(vec![text("220 ")])).await;
    assert_eq!(outcome.result, ProbeResult::Body);
    assert!(!outcome.detail.contains('\x1b'), "{outcome:?}");
}

#[tokio::test]
async fn a_probe_comes_from_where_the_check_says() {
    let from = serve(|mut stream| {
        let peer = stream.peer_addr().unwrap().ip().to_string();
        stream.write_all(peer.as_bytes()).unwrap();
    });
    let check = |source: &str, interface: Option<&str>| Check {
        timeout: AMPLE,
        origin: Origin {
            source: Some(source.parse().unwrap()),
            interface: interface.map(str::to_owned),
        },
        ..fixture::check(tcp(vec![text("127.0.0.9")]))
    };
    let prober = Prober::new();
    for interface in [None, Some("lo")] {
        let outcome = prober.probe(from, &check("127.0.0.9", interface)).await;
        assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    }
    for (source, interface) in [
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("127.0.0.9", Some("nosuch0")),
    ] {
        let outcome = prober.probe(from, &check(source, interface)).await;
        assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
        assert!(
            outcome.detail.starts_with("cannot probe from "),
            "{outcome:?}"
        );
    }
}

/// One that speaks first and closes, without reading what the steps send.
#[tokio::test]
async fn what_was_said_before_a_reset_counts() {
    let hasty = serve(|mut stream| stream.write_all(b"220 rs1 ESMTP\r\n").unwrap());
    let steps = || vec![send("EHLO director\r\n"), text("220 "), send("QUIT\r\n")];
    for round in 0..300 {
        let outcome = ask(hasty, tcp(steps())).await;
        assert_eq!(outcome.result, ProbeResult::Ok, "{round}: {outcome:?}");
    }
    for _ in 0..50 {
        let outcome = ask(hasty, tcp(vec![send("EHLO\r\n"), text("250 ")])).await;
        assert_outcome(
            &outcome,
            ProbeResult::Body,
            "expected \"250 \", got \"220 rs1 ESMTP\\r\\n\"",
        );
    }
}
