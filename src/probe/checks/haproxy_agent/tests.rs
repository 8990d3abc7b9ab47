use std::io::{Read as _, Write as _};

use crate::config::{Check, CheckKind, HaproxyAgentCheck};
use crate::model::ProbeResult;
use crate::probe::fixture::{
    AMPLE, SHORT, ask, ask_within, assert_outcome, closed_port, serve, server_that_sends,
};
use crate::probe::{Prober, WeightAdvice};
use crate::status::fixture;

fn agent(port: u16) -> CheckKind {
    CheckKind::HaproxyAgent(HaproxyAgentCheck {
        port,
        send: Vec::new(),
    })
}

#[tokio::test]
async fn the_agent_is_asked_on_its_port_and_advises() {
    let target = server_that_sends(b"up 75%\n");
    let outcome = ask(closed_port(), agent(target.port())).await;
    assert_outcome(&outcome, ProbeResult::Ok, "says 75%");
    assert_eq!(outcome.advice, Some(WeightAdvice::Percent(75)));

    let closing = serve(|mut stream| stream.write_all(b"drain").unwrap());
    let outcome = ask(closing, agent(closing.port())).await;
    assert_eq!(outcome.advice, Some(WeightAdvice::Drain));

    let limited = server_that_sends(b"maxconn:30\n");
    let outcome = ask(closed_port(), agent(limited.port())).await;
    assert_outcome(
        &outcome,
        ProbeResult::Ok,
        "says only a limit of connections",
    );
    assert_eq!(outcome.advice, None);

    let asked = serve(|mut stream| {
        let mut question = [0; 4];
        stream.read_exact(&mut question).unwrap();
        assert_eq!(&question, b"web\n");
        stream.write_all(b"50%\n").unwrap();
    });
    let kind = CheckKind::HaproxyAgent(HaproxyAgentCheck {
        port: asked.port(),
        send: b"web\n".to_vec(),
    });
    assert_outcome(&ask(asked, kind).await, ProbeResult::Ok, "says 50%");
}

/// What is said, one after the other, and what comes of it: as with HAProxy 2.6.
const LINES: [(&str, ProbeResult, &str, Option<WeightAdvice>); 19] = [
    (
        "up 75%",
        ProbeResult::Ok,
        "says 75%",
        Some(WeightAdvice::Percent(75)),
    ),
    (
        "250%",
        ProbeResult::Ok,
        "says 250%",
        Some(WeightAdvice::Percent(250)),
    ),
    (
        "99999999999999999999%",
        ProbeResult::Ok,
        "says 25600%",
        Some(WeightAdvice::Percent(25600)),
    ),
    (
        "hello 50% world",
        ProbeResult::Ok,
        "says 50%",
        Some(WeightAdvice::Percent(50)),
    ),
    // No weight without a `%`, and none with more than digits before it.
    (
        "40 7.5% 5%% up",
        ProbeResult::Ok,
        "says up",
        Some(WeightAdvice::Percent(50)),
    ),
    (
        "drain",
        ProbeResult::Ok,
        "says drain",
        Some(WeightAdvice::Drain),
    ),
    (
        "20%",
        ProbeResult::Ok,
        "says 20%; it said drain before, and not ready since",
        Some(WeightAdvice::Drain),
    ),
    (
        "ready",
        ProbeResult::Ok,
        "says ready",
        Some(WeightAdvice::Percent(20)),
    ),
    (
        "maint,100%\tready",
        ProbeResult::Ok,
        "says 100%",
        Some(WeightAdvice::Percent(100)),
    ),
    (
        "maint",
        ProbeResult::Ok,
        "says maint",
        Some(WeightAdvice::Drain),
    ),
    (
        "up 50%",
        ProbeResult::Ok,
        "says 50%; it said maint before, and not ready since",
        Some(WeightAdvice::Drain),
    ),
    (
        "ready 100%",
        ProbeResult::Ok,
        "says 100%",
        Some(WeightAdvice::Percent(100)),
    ),
    ("down", ProbeResult::Status, "says down", None),
    (
        "30%",
        ProbeResult::Status,
        "says 30%; it said down before, and not up since",
        None,
    ),
    (
        "stopped # planned  work",
        ProbeResult::Status,
        "says stopped: planned  work",
        None,
    ),
    (
        "Fail disk full",
        ProbeResult::Status,
        "says fail: disk full",
        None,
    ),
    (
        "down up",
        ProbeResult::Ok,
        "says up",
        Some(WeightAdvice::Percent(30)),
    ),
    (
        "up failed#x",
        ProbeResult::Ok,
        "says up",
        Some(WeightAdvice::Percent(30)),
    ),
    (
        "maxconn:30",
        ProbeResult::Ok,
        "says only a limit of connections",
        Some(WeightAdvice::Percent(30)),
    ),
];

#[tokio::test]
async fn each_line_changes_what_it_names() {
    let answered = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let words = LINES.map(|(line, ..)| line);
    let target = serve(move |mut stream| {
        let turn = answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let end = ["\n", "\r\n", "\r"][turn % 3];
        let _ = stream.write_all(format!("{}{end}", words[turn]).as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let prober = Prober::new();
    let check = Check {
        timeout: AMPLE,
        ..fixture::check(agent(target.port()))
    };
    for (line, result, detail, advice) in LINES {
        let outcome = prober.probe(target, &check).await;
        assert_outcome(&outcome, result, detail);
        assert_eq!(outcome.advice, advice, "{line}");
    }
}

#[tokio::test]
async fn down_garbage_silence_and_absence() {
    for (words, result, detail) in [
        (
            b"down # full\n".as_slice(),
            ProbeResult::Status,
            "says down: full",
        ),
        (
            b"HTTP/1.1 200 OK\r\n",
            ProbeResult::Protocol,
            "the agent said nothing that is known, but `HTTP/1.1 200 OK`",
        ),
        (
            b"down \x1b[31mdisk\x07full\n",
            ProbeResult::Status,
            "says down:  [31mdisk full",
        ),
        (b"\n", ProbeResult::Protocol, "the agent said nothing"),
    ] {
        let target = server_that_sends(words);
        let outcome = ask(target, agent(target.port())).await;
        assert_outcome(&outcome, result, detail);
        let asks = format!(
            "ask the agent by hand: `nc {} {}`; ",
            target.ip(),
            target.port()
        );
        let fix = format!("{:?}", outcome.fix);
        assert_eq!(
            fix.contains(&asks),
            result == ProbeResult::Protocol,
            "{fix}"
        );
    }
    let endless = serve(|mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {});
    let outcome = ask(endless, agent(endless.port())).await;
    assert_eq!(outcome.result, ProbeResult::Protocol, "{outcome:?}");
    let silent = server_that_sends(b"");
    let outcome = ask_within(SHORT, silent, agent(silent.port())).await;
    assert_eq!(outcome.result, ProbeResult::Timeout);
    let target = closed_port();
    let outcome = ask(target, agent(target.port())).await;
    assert_outcome(&outcome, ProbeResult::Refused, "connection refused");
}

/// An agent that speaks at once, reads nothing and closes: what is sent to it
/// is answered by a reset.
#[tokio::test]
async fn an_agent_that_does_not_read_is_heard() {
    let hasty = serve(|mut stream| stream.write_all(b"up 50%").unwrap());
    for round in 0..300 {
        let kind = CheckKind::HaproxyAgent(HaproxyAgentCheck {
            port: hasty.port(),
            send: b"web\n".to_vec(),
        });
        let outcome = ask(hasty, kind).await;
        assert_eq!(outcome.detail, "says 50%", "{round}: {outcome:?}");
    }
}
