use std::io::{Read as _, Write as _};

use crate::config::{CheckKind, HaproxyAgentCheck};
use crate::probe::fixture::{SHORT, ask, ask_within, assert_outcome, nobody, say, serve};
use crate::probe::{Advice, ProbeResult};

fn agent(port: u16) -> CheckKind {
    CheckKind::HaproxyAgent(HaproxyAgentCheck {
        port,
        send: Vec::new(),
    })
}

#[tokio::test]
async fn the_agent_is_asked_on_its_port_and_advises() {
    let target = say(b"up 75%\n");
    let outcome = ask(nobody(), agent(target.port())).await;
    assert_outcome(&outcome, ProbeResult::Ok, "says 75%");
    assert_eq!(outcome.advice, Some(Advice::Percent(75)));

    let closing = serve(|mut stream| stream.write_all(b"drain").unwrap());
    let outcome = ask(closing, agent(closing.port())).await;
    assert_eq!(outcome.advice, Some(Advice::Drain));

    let limited = say(b"maxconn:30\n");
    let outcome = ask(nobody(), agent(limited.port())).await;
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

#[tokio::test]
async fn down_garbage_silence_and_absence() {
    for (words, result, detail) in [
        (
            b"down # full\n".as_slice(),
            ProbeResult::Status,
            "says that it is down",
        ),
        (
            b"HTTP/1.1 200 OK\r\n",
            ProbeResult::Protocol,
            "`HTTP/1.1` is no advice",
        ),
        (b"\n", ProbeResult::Protocol, "the agent said nothing"),
    ] {
        let target = say(words);
        assert_outcome(&ask(target, agent(target.port())).await, result, detail);
    }
    let endless = serve(|mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {});
    let outcome = ask(endless, agent(endless.port())).await;
    assert_eq!(outcome.result, ProbeResult::Protocol, "{outcome:?}");
    let silent = say(b"");
    let outcome = ask_within(SHORT, silent, agent(silent.port())).await;
    assert_eq!(outcome.result, ProbeResult::Timeout);
    let target = nobody();
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
