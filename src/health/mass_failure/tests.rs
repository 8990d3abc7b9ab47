use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::CheckKind;
use crate::probe::ProbeSpec;
use crate::runtime::clock;
use crate::status::fixture;

const SORRY: u32 = 99;

/// Probes at an interval of 1 s with a time-out of 1 s, each by the last byte
/// of its target and the real servers that it speaks of.
fn targets(probes: &[(u8, &[(u32, u32)])]) -> Vec<ProbeTarget> {
    let check = Arc::new(fixture::check(CheckKind::Ping));
    let target = |(host, subscribers): &(u8, &[(u32, u32)])| ProbeTarget {
        spec: Arc::new(ProbeSpec {
            target: SocketAddr::from(([192, 168, 11, *host], 80)),
            check: Arc::clone(&check),
            route: None,
        }),
        subscribers: subscribers
            .iter()
            .map(|&(service, real_server)| RealServerId {
                service,
                real_server,
            })
            .collect(),
    };
    probes.iter().map(target).collect()
}

fn outcome(passed: bool) -> Outcome {
    if passed {
        seen(ProbeResult::Ok, PathResult::Passed)
    } else {
        seen(ProbeResult::Timeout, PathResult::NoReply)
    }
}

fn seen(result: ProbeResult, plain: PathResult) -> Outcome {
    Outcome {
        result,
        detail: format!("{result:?} was seen"),
        duration: Duration::ZERO,
        advice: None,
        certificate_expiry: None,
        plain: Some(plain),
        vip: None,
        fix: None,
    }
}

struct Fixture {
    mass_failure: MassFailureDetector,
    now: Instant,
}

impl Fixture {
    fn new(probes: &[(u8, &[(u32, u32)])]) -> Self {
        let is_sorry = |id: RealServerId| id.real_server == SORRY;
        Self {
            mass_failure: MassFailureDetector::new(
                &targets(probes).iter().collect::<Vec<_>>(),
                is_sorry,
                |_| false,
                |_| false,
            ),
            now: clock::monotonic(),
        }
    }

    /// Outcomes of all these probes, spread over a second.
    fn round(&mut self, probes: impl IntoIterator<Item = usize>, passed: bool) -> bool {
        for probe in probes {
            self.mass_failure
                .on_outcome(probe, &outcome(passed), self.now);
            self.now += Duration::from_millis(200);
        }
        self.mass_failure.suspected().is_some()
    }
}

const TWO_SERVICES: [(u8, &[(u32, u32)]); 4] = [
    (21, &[(0, 0)]),
    (22, &[(0, 1)]),
    (31, &[(1, 0)]),
    (32, &[(1, 1)]),
];

#[test]
fn all_at_once_is_the_directors_fault_and_half_of_them_back_ends_it() {
    let mut fixture = Fixture::new(&TWO_SERVICES);
    assert!(!fixture.round(0..4, true));
    assert!(!fixture.round(0..2, false));
    assert!(
        fixture.round(2..3, false),
        "three of four, in both services"
    );
    fixture.now += Duration::from_hours(1);
    assert!(fixture.round(0..4, false), "time alone does not end it");
    assert!(fixture.round(0..1, true));
    assert!(!fixture.round(1..2, true));
    assert!(
        !fixture.round(2..4, false),
        "the others' failures are old news"
    );
}

#[test]
fn successive_failures_are_no_mass_failure() {
    let mut fixture = Fixture::new(&TWO_SERVICES);
    assert!(!fixture.round(0..4, false), "never passed");
    assert!(!fixture.round(0..4, true));
    for probe in 0..4 {
        assert!(!fixture.round([probe], false));
        fixture.now += Duration::from_secs(3);
    }
}

#[test]
fn real_server_found_with_a_weight_counts_as_passing() {
    let mut mass_failure = MassFailureDetector::new(
        &targets(&TWO_SERVICES).iter().collect::<Vec<_>>(),
        |_| false,
        |_| true,
        |_| false,
    );
    let now = clock::monotonic();
    for probe in 0..3 {
        mass_failure.on_outcome(probe, &outcome(false), now);
    }
    assert!(mass_failure.suspected().is_some());
}

#[test]
fn services_that_share_a_real_server_are_one() {
    let related: [(u8, &[(u32, u32)]); 4] = [
        (21, &[(0, 0)]),
        (22, &[(0, 1), (1, 0)]),
        (23, &[(1, 1)]),
        (24, &[(1, 2)]),
    ];
    let mut fixture = Fixture::new(&related);
    fixture.round(0..4, true);
    assert!(!fixture.round(0..4, false));
}

#[test]
fn a_sorry_server_that_passes_says_that_the_director_is_well() {
    let mut probes = TWO_SERVICES.to_vec();
    probes.push((40, &[(0, SORRY), (1, SORRY)]));
    let mut fixture = Fixture::new(&probes);
    fixture.round(0..5, true);
    assert!(!fixture.round(0..4, false), "it passes still");

    let mut fixture = Fixture::new(&probes);
    fixture.round(0..5, true);
    assert!(
        fixture.round([4, 0, 1, 2], false),
        "shared, it makes no services one"
    );
    assert!(!fixture.round([4], true));
}

#[test]
fn mass_failure_has_the_result_of_most_failing_probes_and_what_they_reached() {
    let mut fixture = Fixture::new(&TWO_SERVICES);
    fixture.round(0..4, true);
    for (probe, result, reached) in [
        (0, ProbeResult::Status, PathResult::WrongAnswer),
        (1, ProbeResult::Timeout, PathResult::NoReply),
        (2, ProbeResult::Status, PathResult::WrongAnswer),
    ] {
        let outcome = seen(result, reached);
        fixture
            .mass_failure
            .on_outcome(probe, &outcome, fixture.now);
    }
    let mut expected = MassFailure {
        result: ProbeResult::Status,
        reached: Reached::Server,
        with_result: 2,
        example: Some("Status was seen".into()),
        failing: 3,
        check_changed: false,
    };
    assert_eq!(fixture.mass_failure.suspected(), Some(expected.clone()));

    let mut changed = MassFailureDetector::new(
        &targets(&TWO_SERVICES).iter().collect::<Vec<_>>(),
        |_| false,
        |_| true,
        |_| true,
    );
    for probe in 0..3 {
        let outcome = seen(ProbeResult::Refused, PathResult::Refused);
        changed.on_outcome(probe, &outcome, fixture.now);
    }
    expected = MassFailure {
        result: ProbeResult::Refused,
        example: Some("Refused was seen".into()),
        reached: Reached::Host,
        with_result: 3,
        check_changed: true,
        ..expected
    };
    assert_eq!(changed.suspected(), Some(expected));
    for probe in 0..4 {
        changed.on_outcome(probe, &outcome(true), fixture.now);
    }
    for probe in 0..3 {
        changed.on_outcome(probe, &outcome(false), fixture.now);
    }
    let later = changed.suspected();
    assert!(
        later.as_ref().is_some_and(|seen| !seen.check_changed),
        "{later:?}"
    );
}

#[test]
fn mass_failure_has_no_example_if_the_last_probe_saw_something_else() {
    let mut fixture = Fixture::new(&TWO_SERVICES);
    fixture.round(0..4, true);
    fixture.round(0..2, false);
    let other = seen(ProbeResult::Status, PathResult::WrongAnswer);
    fixture.mass_failure.on_outcome(2, &other, fixture.now);
    let seen = fixture.mass_failure.suspected().unwrap();
    assert_eq!((seen.result, seen.example), (ProbeResult::Timeout, None));
}

/// The detector after a reload, for which each real server serves. `previous` has the probes that
/// ask the same as before.
fn reloaded(before: &MassFailureDetector, previous: [Option<usize>; 4]) -> MassFailureDetector {
    let mut after = MassFailureDetector::new(
        &targets(&TWO_SERVICES).iter().collect::<Vec<_>>(),
        |_| false,
        |_| true,
        |probe| previous[probe].is_none(),
    );
    after.take_over(before, |probe| {
        let asks_same = true;
        previous[probe].map(|index| PreviousProbe { index, asks_same })
    });
    after
}

#[test]
fn reload_that_changes_no_check_keeps_the_suspicion_and_what_probes_have_shown() {
    let mut fixture = Fixture::new(&TWO_SERVICES);
    fixture.round(0..4, true);
    assert!(fixture.round(0..3, false));
    let before = fixture.mass_failure.suspected();
    // In another order, as of a configuration with other names.
    let order = [3, 2, 1, 0].map(Some);
    fixture.mass_failure = reloaded(&fixture.mass_failure, order);
    assert_eq!(fixture.mass_failure.suspected(), before);
    assert!(fixture.round([0], true), "the probe that passed before");
    assert!(!fixture.round([3], true), "two of four pass");

    let mut fixture = Fixture::new(&TWO_SERVICES);
    fixture.round(0..4, true);
    fixture.round(0..2, false);
    fixture.mass_failure = reloaded(&fixture.mass_failure, [0, 1, 2, 3].map(Some));
    assert!(fixture.mass_failure.suspected().is_none());
    assert!(fixture.round([2], false), "the third of four");
}

#[test]
fn reload_that_replaces_most_real_servers_ends_the_suspicion() {
    let mut fixture = Fixture::new(&TWO_SERVICES);
    fixture.round(0..4, true);
    assert!(fixture.round(0..4, false));
    let one_replaced = reloaded(&fixture.mass_failure, [None, Some(1), Some(2), Some(3)]);
    assert!(one_replaced.suspected().is_some());
    let replaced = reloaded(&fixture.mass_failure, [None, None, Some(2), Some(3)]);
    assert!(replaced.suspected().is_none());
}

#[test]
fn reload_that_changes_all_checks_keeps_the_suspicion_until_half_of_the_probes_pass() {
    let mut fixture = Fixture::new(&TWO_SERVICES);
    fixture.round(0..4, true);
    assert!(fixture.round(0..4, false));
    let before = fixture.mass_failure.suspected();
    let mut after = MassFailureDetector::new(
        &targets(&TWO_SERVICES).iter().collect::<Vec<_>>(),
        |_| false,
        |_| true,
        |_| true,
    );
    after.take_over(&fixture.mass_failure, |index| {
        let asks_same = false;
        Some(PreviousProbe { index, asks_same })
    });
    fixture.mass_failure = after;
    assert_eq!(
        fixture.mass_failure.suspected(),
        before,
        "the cause is the one of before"
    );
    assert!(fixture.round(0..4, false));
    assert!(fixture.round([0], true));
    assert!(!fixture.round([1], true), "two of four pass");
}

proptest! {
    /// Against counting everything anew at every outcome.
    #[test]
    fn counts_as_the_plain_definition_does(
        outcomes in proptest::collection::vec((0..4_usize, any::<bool>(), 0..1500_u64), 1..200),
    ) {
        let mut fixture = Fixture::new(&TWO_SERVICES);
        // By probe: whether the newest passed, and when it began to fail after passing.
        let mut newest: [Option<(bool, Option<Instant>)>; 4] = [None; 4];
        let mut suspected = false;
        for (probe, passed, pause) in outcomes {
            fixture.now += Duration::from_millis(pause);
            let now = fixture.now;
            if !suspected {
                for (_, began) in newest.iter_mut().flatten() {
                    *began = began.filter(|began| now - *began < Duration::from_secs(2));
                }
            }
            newest[probe] = match (newest[probe], passed) {
                (_, true) => Some((true, None)),
                (Some((true, _)), false) => Some((false, Some(now))),
                (Some((false, began)), false) => Some((false, began)),
                (None, false) => Some((false, None)),
            };
            let count = |probes: std::ops::Range<usize>| {
                let of = newest[probes].iter().flatten();
                let passing = of.clone().filter(|(passed, _)| *passed).count();
                (of.filter(|(_, began)| began.is_some()).count(), passing)
            };
            let (sudden, passing) = count(0..4);
            if suspected {
                suspected = sudden > passing;
                if !suspected {
                    for (_, began) in newest.iter_mut().flatten() {
                        *began = None;
                    }
                }
            } else {
                let hit = [count(0..2), count(2..4)].iter().all(|(sudden, passing)| *sudden > 0 && sudden >= passing);
                suspected = hit && sudden + passing >= 4 && sudden >= 3 * passing;
            }
            fixture.mass_failure.on_outcome(probe, &outcome(passed), now);
            prop_assert_eq!(fixture.mass_failure.suspected().is_some(), suspected);
        }
    }
}
