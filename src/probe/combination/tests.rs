use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::{Check, CheckKind, ExecCheck};
use crate::model::ProbeResult;
use crate::probe::fixture::{
    AMPLE, SHORT, agent, ask, ask_within, assert_outcome, closed_port, serve, server_that_sends,
    tcp,
};
use crate::probe::{Prober, WeightAdvice};
use crate::status::fixture;

fn no_program() -> CheckKind {
    CheckKind::Exec(ExecCheck {
        command: vec!["/nonexistent".to_owned()],
        user: None,
        advice: false,
    })
}

#[tokio::test]
async fn all_pass_together_and_the_advice_is_kept() {
    let (open, advising) = (server_that_sends(b""), server_that_sends(b"50%\n"));
    let kind = CheckKind::All(vec![tcp(open.port()), agent(advising.port())]);
    let outcome = ask(open, kind).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    assert_eq!(outcome.advice, Some(WeightAdvice::Percent(50)));
}

#[tokio::test]
async fn one_failure_fails_all_and_is_not_held_up_by_the_others() {
    let (hanging, closed) = (server_that_sends(b""), closed_port());
    let kind = CheckKind::All(vec![
        agent(hanging.port()),
        tcp(closed.port()),
        no_program(),
    ]);
    let outcome = ask(hanging, kind).await;
    assert_outcome(&outcome, ProbeResult::Refused, "connection refused");
    assert!(outcome.duration < AMPLE / 4);
    let kind = CheckKind::All(vec![tcp(hanging.port()), no_program()]);
    let outcome = ask(hanging, kind).await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_no_evidence_beside_others() {
    let (open, closed, down) = (
        server_that_sends(b""),
        closed_port(),
        server_that_sends(b"down\n"),
    );
    let both = |port| CheckKind::All(vec![tcp(open.port()), agent(port)]);
    let outcome = ask(open, both(closed.port())).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    assert_eq!(outcome.advice, None);
    let outcome = ask(open, both(down.port())).await;
    assert_outcome(&outcome, ProbeResult::Status, "says down");
}

#[tokio::test]
async fn an_agent_that_said_down_keeps_its_real_server_down_while_it_says_nothing_else() {
    type Answer = fn(&mut TcpStream);
    let silences: [(Duration, Answer); 4] = [
        (AMPLE, |_| {}),
        (AMPLE, |stream| stream.write_all(b"\n").unwrap()),
        (AMPLE, |stream| stream.write_all(b"hello\n").unwrap()),
        // It hangs until the probe is over.
        (SHORT, |stream| drop(stream.read_to_end(&mut Vec::new()))),
    ];
    for (silent_for, silence) in silences {
        let asked = Arc::new(AtomicUsize::new(0));
        let agents = serve(
            move |mut stream| match asked.fetch_add(1, Ordering::Relaxed) {
                0 => stream.write_all(b"down # disk full\n").unwrap(),
                1 => silence(&mut stream),
                _ => stream.write_all(b"up\n").unwrap(),
            },
        );
        let open = server_that_sends(b"");
        let prober = Prober::new();
        let within = |timeout| Check {
            timeout,
            ..fixture::check(CheckKind::All(vec![tcp(open.port()), agent(agents.port())]))
        };
        let outcome = prober.probe(agents, &within(AMPLE)).await;
        assert_outcome(&outcome, ProbeResult::Status, "says down: disk full");
        let outcome = prober.probe(agents, &within(silent_for)).await;
        assert_eq!(outcome.result, ProbeResult::Status, "{outcome:?}");
        let said_before = "it said down: disk full before, and not up since";
        assert!(outcome.detail.ends_with(said_before), "{outcome:?}");
        let outcome = prober.probe(agents, &within(AMPLE)).await;
        assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    }
}

#[tokio::test]
async fn one_pass_is_enough_for_any() {
    let (hanging, open, closed) = (
        server_that_sends(b""),
        server_that_sends(b""),
        closed_port(),
    );
    let kind = CheckKind::Any(vec![
        agent(hanging.port()),
        no_program(),
        tcp(closed.port()),
        tcp(open.port()),
    ]);
    let outcome = ask(open, kind).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected");
    let kind = CheckKind::Any(vec![tcp(closed.port()), tcp(closed.port())]);
    let outcome = ask(open, kind).await;
    assert_outcome(&outcome, ProbeResult::Refused, "connection refused");
    let kind = CheckKind::Any(vec![tcp(closed.port()), no_program()]);
    let outcome = ask(open, kind).await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    let kind = CheckKind::Any(vec![agent(hanging.port()), tcp(closed.port())]);
    let outcome = ask_within(SHORT, open, kind).await;
    assert_outcome(&outcome, ProbeResult::Refused, "connection refused");
}
