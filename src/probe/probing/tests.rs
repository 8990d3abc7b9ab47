use std::sync::Arc;
use std::time::Duration;

use super::{Prober, STANDSTILL, both};
use crate::clock;
use crate::config::{
    Check, CheckKind, ExecCheck, HaproxyAgentCheck, Pattern, Step, StreamCheck, Via,
};
use crate::diagnosis::Sight;
use crate::model::{Family, Forwarding, ProbePath};
use crate::probe::fixture::{AMPLE, SHORT, ask, ask_within, assert_outcome, nobody, say};
use crate::probe::{Advice, Outcome, ProbeResult, ProbeSpec, Route};
use crate::snapshot;

fn tcp(port: u16) -> CheckKind {
    CheckKind::Stream(StreamCheck {
        port: Some(port),
        tls: None,
        steps: Vec::new(),
    })
}

fn agent(port: u16) -> CheckKind {
    CheckKind::HaproxyAgent(HaproxyAgentCheck {
        port,
        send: Vec::new(),
    })
}

fn no_program() -> CheckKind {
    CheckKind::Exec(ExecCheck {
        command: vec!["/nonexistent".to_owned()],
        user: None,
        advice: false,
    })
}

#[tokio::test]
async fn all_pass_together_and_the_advice_is_kept() {
    let (open, advising) = (say(b""), say(b"50%\n"));
    let kind = CheckKind::All(vec![tcp(open.port()), agent(advising.port())]);
    let outcome = ask(open, kind).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    assert_eq!(outcome.advice, Some(Advice::Percent(50)));
}

#[tokio::test]
async fn one_failure_fails_all_and_is_not_held_up_by_the_others() {
    let (hanging, closed) = (say(b""), nobody());
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
    let (open, closed, down) = (say(b""), nobody(), say(b"down\n"));
    let both = |port| CheckKind::All(vec![tcp(open.port()), agent(port)]);
    let outcome = ask(open, both(closed.port())).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    assert_eq!(outcome.advice, None);
    let outcome = ask(open, both(down.port())).await;
    assert_outcome(&outcome, ProbeResult::Status, "says that it is down");
}

#[tokio::test]
async fn one_pass_is_enough_for_any() {
    let (hanging, open, closed) = (say(b""), say(b""), nobody());
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
    assert_eq!(outcome.result, ProbeResult::Timeout, "{outcome:?}");
}

/// The process stands still for longer than a real server could be waited for.
#[tokio::test]
async fn what_failed_while_this_host_stood_still_is_no_evidence() {
    let silent = CheckKind::Stream(StreamCheck {
        port: None,
        tls: None,
        steps: vec![Step::Expect(Pattern::Text("hello".to_owned()))],
    });
    let target = say(b"");
    let probe = tokio::spawn(ask_within(SHORT, target, silent));
    tokio::task::yield_now().await;
    let (started, still) = (clock::monotonic(), SHORT + STANDSTILL * 2);
    while clock::monotonic() - started < still {
        std::thread::park_timeout(still);
    }
    let outcome = probe.await.unwrap();
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    assert!(outcome.detail.contains("stood still"), "{outcome:?}");
}

fn seen(result: ProbeResult) -> Outcome {
    Outcome {
        result,
        detail: result.as_str().to_owned(),
        duration: Duration::ZERO,
        advice: None,
        certificate_expiry: None,
        plain: None,
        vip: None,
    }
}

/// A real server that is asked both ways is up only when both pass, and
/// nothing is decided by what is not known.
#[test]
fn of_both_ways_a_failure_decides_and_what_is_unverified_is_no_pass() {
    use ProbeResult::{Internal, Ok, Refused, Timeout, Unverified};
    for (plain, vip, expected) in [
        (Ok, Ok, Ok),
        (Ok, Timeout, Timeout),
        (Refused, Ok, Refused),
        (Refused, Timeout, Refused),
        (Refused, Unverified, Refused),
        (Ok, Unverified, Unverified),
        (Internal, Ok, Internal),
        (Internal, Timeout, Timeout),
        (Internal, Unverified, Unverified),
    ] {
        let found = both(seen(vip), seen(plain)).result;
        assert_eq!(found, expected, "{plain:?} {vip:?}");
    }
}

#[tokio::test]
async fn without_a_kernel_that_says_where_packets_go_nothing_passes_through_a_vip() {
    let target = say(b"hello");
    let path = ProbePath {
        family: Family::Ipv4,
        real_server: target.ip(),
        forwarding: Forwarding::Direct,
    };
    for via in [Via::Vip, Via::Both] {
        let spec = ProbeSpec {
            target,
            check: Arc::new(Check {
                via,
                ..snapshot::fixture::check(tcp(target.port()))
            }),
            route: Some(Route {
                vip: target.ip(),
                path,
            }),
        };
        let outcome = Prober::new().probe_spec(&spec).await;
        assert_eq!(outcome.result, ProbeResult::Unverified, "{outcome:?}");
        assert_eq!(outcome.vip, Some(Sight::Unknown));
    }
}
