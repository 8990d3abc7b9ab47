use crate::config::{CheckKind, ExecCheck};
use crate::probe::fixture::{
    AMPLE, SHORT, agent, ask, ask_within, assert_outcome, nobody, say, tcp,
};
use crate::probe::{Advice, ProbeResult};

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
    assert_outcome(&outcome, ProbeResult::Status, "says down");
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
    assert_outcome(&outcome, ProbeResult::Refused, "connection refused");
}
