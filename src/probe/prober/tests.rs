use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Prober, both};
use crate::config::{Check, CheckKind, Pattern, Step, StreamCheck, Via};
use crate::diagnosis::PathResult;
use crate::model::{Family, Forwarding, ProbePath, ProbeResult};
use crate::probe::fixture::{
    AMPLE, SHORT, agent, assert_outcome, closed_port, server_that_sends, tcp,
};
use crate::probe::{Outcome, ProbeSpec, Route};
use crate::runtime::clock;
use crate::runtime::standstill::Standstill;
use crate::status;

async fn ask_silent(standstill: Arc<Standstill>) -> Outcome {
    let check = Check {
        timeout: SHORT,
        ..status::fixture::check(CheckKind::Stream(StreamCheck {
            port: None,
            tls: None,
            steps: vec![Step::Expect(Pattern::Text("hello".to_owned()))],
        }))
    };
    let prober = Prober::new().watching(standstill);
    prober.probe(server_that_sends(b""), &check).await
}

#[tokio::test]
async fn failures_during_a_standstill_are_no_evidence() {
    let outcome = ask_silent(Standstill::since(clock::monotonic())).await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    assert!(outcome.detail.contains("stood still"), "{outcome:?}");
}

/// Peers can make a probe late, and so keep their own verdict, if lateness of
/// the runtime were taken for a standstill of this host.
#[tokio::test]
async fn a_late_probe_alone_is_no_standstill_of_this_host() {
    let probe = tokio::spawn(ask_silent(Standstill::watch().unwrap()));
    tokio::task::yield_now().await;
    let (started, late) = (clock::monotonic(), SHORT + Duration::from_secs(2));
    while clock::monotonic() - started < late {
        std::thread::park_timeout(late);
    }
    let outcome = probe.await.unwrap();
    assert_eq!(outcome.result, ProbeResult::Timeout, "{outcome:?}");
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
        fix: None,
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

fn spec(target: SocketAddr, via: Via, kind: CheckKind) -> ProbeSpec {
    ProbeSpec {
        target,
        check: Arc::new(Check {
            via,
            timeout: AMPLE,
            ..status::fixture::check(kind)
        }),
        route: Some(Box::new(Route {
            vip: target.ip(),
            path: ProbePath {
                family: Family::Ipv4,
                real_server: target.ip(),
                forwarding: Forwarding::Direct,
            },
        })),
    }
}

#[tokio::test]
async fn without_a_kernel_that_says_where_packets_go_nothing_passes_through_a_vip() {
    let target = server_that_sends(b"hello");
    for via in [Via::Vip, Via::Both] {
        let spec = spec(target, via, tcp(target.port()));
        let outcome = Prober::new().probe_spec(&spec).await;
        assert_eq!(outcome.result, ProbeResult::Unverified, "{outcome:?}");
        assert_eq!(outcome.vip, Some(PathResult::Unknown));
    }
}

/// By the VIP, only what cannot go there is asked at the real server's own
/// address; nobody listens where the rest of the check asks.
#[tokio::test]
async fn parts_that_cannot_go_through_the_vip_are_asked_directly() {
    let (up, down, closed_port) = (
        server_that_sends(b"up\n"),
        server_that_sends(b"down\n"),
        closed_port(),
    );
    let asked = async |via, agent_port| {
        let kind = CheckKind::All(vec![tcp(closed_port.port()), agent(agent_port)]);
        Prober::new()
            .probe_spec(&spec(closed_port, via, kind))
            .await
    };
    let outcome = asked(Via::Vip, up.port()).await;
    assert_eq!(outcome.result, ProbeResult::Unverified, "{outcome:?}");
    assert_eq!(outcome.plain, Some(PathResult::Passed));
    assert_eq!(outcome.vip, Some(PathResult::Unknown));
    let outcome = asked(Via::Vip, down.port()).await;
    assert_outcome(&outcome, ProbeResult::Status, "says down");
    assert_eq!(outcome.plain, Some(PathResult::WrongAnswer));
    let outcome = asked(Via::Both, up.port()).await;
    assert_outcome(&outcome, ProbeResult::Refused, "connection refused");
}
