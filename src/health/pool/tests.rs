use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::health::pool::policy::{FailureRule, Streaks};
use crate::health::slow_start::SlowStart;
use crate::model::{AdminState, PoolStatus, Quiesced, SetWeight};
use crate::runtime::clock;

const SLOW_START: Duration = Duration::from_secs(14);

fn count(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

fn weight(n: u32) -> Weight {
    Weight::new(n).unwrap()
}

fn policy() -> Policy {
    Policy {
        slow_start: SlowStart::new(Duration::ZERO, &"wlc".parse().unwrap()),
        flap_damping: false,
        quorum: 1,
        hysteresis: 0,
        fail_open_below: None,
        on_failure: FailureRule::QUIESCE,
    }
}

/// A member of which so many outcomes in a row decide.
fn checked(streak: u16, configured: Weight, found: Weight) -> MemberPolicy {
    let (rise, fall) = (count(streak), count(streak));
    MemberPolicy {
        streaks: Some(Streaks { rise, fall }),
        configured,
        found,
    }
}

/// A pool with the table that its changes make, and a clock of its own.
struct Fixture {
    pool: Pool,
    table: Vec<u32>,
    now: Instant,
}

impl Fixture {
    /// Real servers by configured and found weight; a sorry server by its found weight.
    fn new(policy: Policy, members: &[(u32, u32)], sorry_server: Option<u32>) -> Self {
        let mut table: Vec<_> = members.iter().map(|(_, found)| *found).collect();
        table.extend(sorry_server);
        let members = members
            .iter()
            .map(|(c, f)| checked(2, weight(*c), weight(*f)));
        let sorry_server = sorry_server.map(|found| checked(2, Weight::ONE, weight(found)));
        let pool = Pool::new(policy, members, sorry_server);
        // A configured weight of 0 needs no verdict.
        let table = (0..table.len())
            .map(|place| pool.wanted(place).unwrap().get())
            .collect();
        let now = clock::monotonic();
        Self { pool, table, now }
    }

    /// One probe, a moment later; the weights that changed.
    fn probe(&mut self, member: usize, passed: bool) -> Vec<(usize, u32)> {
        let mut changes = self.wait(Duration::from_millis(1));
        let now = self.now;
        if self.pool.on_outcome(member, passed, now, now).is_some() {
            changes.extend(self.recompute_weights());
        }
        changes
    }

    /// As many as it takes.
    fn goes(&mut self, member: usize, up: bool) -> Vec<(usize, u32)> {
        for _ in 0..2000 {
            let changes = self.probe(member, up);
            if self.health(member) == if up { Health::Up } else { Health::Down } {
                return changes;
            }
        }
        panic!("no verdict on {member}");
    }

    /// Failures that would take it down many times over.
    fn goes_nowhere(&mut self, member: usize) -> Vec<(usize, u32)> {
        (0..10).flat_map(|_| self.probe(member, false)).collect()
    }

    fn recompute_weights(&mut self) -> Vec<(usize, u32)> {
        let changes = self.pool.recompute_weights(self.now);
        let changes: Vec<_> = changes
            .into_iter()
            .map(|(place, weight)| (place, weight.get()))
            .collect();
        for (place, weight) in &changes {
            self.table[*place] = *weight;
        }
        changes
    }

    /// Lets time pass, with every deadline kept.
    fn wait(&mut self, time: Duration) -> Vec<(usize, u32)> {
        let end = self.now + time;
        let mut changes = Vec::new();
        while let Some(due) = self.pool.next_deadline().filter(|due| *due <= end) {
            assert!(due > self.now, "a deadline that is over stays so");
            self.now = due;
            changes.extend(self.recompute_weights());
        }
        self.now = end;
        changes
    }

    fn health(&self, member: usize) -> Health {
        let sorry_server = self.pool.sorry_server.iter();
        let mut members = self.pool.members.iter().chain(sorry_server);
        members.nth(member).unwrap().machine.health()
    }
}

#[test]
fn the_sorry_server_comes_before_the_last_goes_and_goes_after_the_first_comes() {
    let mut fixture = Fixture::new(policy(), &[(1, 0), (3, 0)], Some(0));
    let sorry = 2;
    assert_eq!(
        fixture.goes(sorry, true),
        [],
        "real servers have no verdict yet"
    );
    assert_eq!(fixture.goes(0, true), [(0, 1)]);
    assert_eq!(fixture.goes(1, true), [(1, 3)]);
    assert_eq!(fixture.goes(0, false), [(0, 0)]);
    assert_eq!(fixture.goes(1, false), [(1, 0), (sorry, 1)], "as one");
    assert!(fixture.pool.status().sorry_serves && !fixture.pool.status().quorum_met);
    assert_eq!(fixture.goes(0, true), [(0, 1), (sorry, 0)], "as one");
    assert_eq!(
        fixture.pool.status(),
        PoolStatus {
            up_weight: 1,
            ..PoolStatus::WELL
        }
    );
}

#[test]
fn a_sorry_server_that_fails_is_not_put_to_work_but_stays_at_it_for_want_of_others() {
    let mut fixture = Fixture::new(policy(), &[(1, 1)], Some(0));
    fixture.goes(1, false);
    assert_eq!(fixture.goes(0, false), [(0, 0)]);
    assert_eq!(fixture.goes(1, true), [(1, 1)]);
    assert_eq!(fixture.goes(1, false), []);
    assert_eq!(fixture.goes(0, true), [(0, 1), (1, 0)]);

    let quorum = Policy {
        quorum: 2,
        ..policy()
    };
    let mut fixture = Fixture::new(quorum, &[(1, 1), (1, 1)], Some(0));
    for member in [0, 1, 2] {
        fixture.goes(member, true);
    }
    assert_eq!(fixture.goes(0, false), [(0, 0), (1, 0), (2, 1)]);
    assert_eq!(
        fixture.goes(2, false),
        [(1, 1), (2, 0)],
        "there is one left"
    );
}

#[test]
fn weight_that_was_found_stays_until_the_replacement_is_known() {
    let mut fixture = Fixture::new(policy(), &[(1, 1)], Some(0));
    assert_eq!(
        fixture.goes(0, false),
        [],
        "the sorry server has no verdict"
    );
    assert_eq!(fixture.goes(1, true), [(0, 0), (1, 1)]);

    let mut fixture = Fixture::new(policy(), &[(1, 0), (1, 0)], Some(1));
    assert_eq!(
        fixture.goes(0, false),
        [],
        "a sorry server found serving goes on"
    );
    assert_eq!(fixture.goes(2, true), []);
    assert_eq!(fixture.goes(1, true), [(1, 1), (2, 0)]);
}

#[test]
fn the_quorum_counts_weights_and_has_its_hysteresis() {
    let wanted = Policy {
        quorum: 4,
        hysteresis: 1,
        ..policy()
    };
    let mut fixture = Fixture::new(wanted, &[(2, 2), (2, 2), (1, 1), (1, 1)], Some(0));
    for member in [0, 1, 2, 3, 4] {
        fixture.goes(member, true);
    }
    let met = |fixture: &Fixture| fixture.pool.status().quorum_met;
    fixture.goes(2, false);
    fixture.goes(0, false);
    assert!(met(&fixture), "3 is the quorum less its hysteresis");
    fixture.goes(3, false);
    assert_eq!(
        fixture.table,
        [0, 0, 0, 0, 1],
        "2 is lost; rs 1 is up and rests"
    );
    fixture.goes(2, true);
    fixture.goes(3, true);
    assert!(!met(&fixture), "4 is not enough to be there again");
    assert_eq!(fixture.table, [0, 0, 0, 0, 1]);
    fixture.goes(0, true);
    assert!(met(&fixture));
    assert_eq!(fixture.table, [2, 2, 1, 1, 0]);
}

#[test]
fn below_the_threshold_failing_servers_serve_and_above_it_no_longer() {
    let open = Policy {
        fail_open_below: Some(50),
        ..policy()
    };
    let mut fixture = Fixture::new(open, &[(2, 0), (2, 0), (2, 0), (2, 0)], None);
    for member in 0..4 {
        fixture.goes(member, true);
    }
    fixture.goes(0, false);
    fixture.goes(1, false);
    assert_eq!(fixture.table, [0, 0, 2, 2], "half is not less than half");
    assert_eq!(fixture.goes(2, false), [(0, 2), (1, 2)]);
    assert_eq!(fixture.table, [2, 2, 2, 2]);
    assert!(fixture.pool.status().fail_open);
    assert_eq!(fixture.goes(3, false), []);
    assert_eq!(fixture.goes(0, true), []);
    assert_eq!(fixture.goes(3, true), [(1, 0), (2, 0)]);
    assert!(!fixture.pool.status().fail_open);
}

#[test]
fn a_restart_while_failing_open_changes_nothing() {
    let open = Policy {
        fail_open_below: Some(50),
        ..policy()
    };
    let mut fixture = Fixture::new(open, &[(1, 1); 4], None);
    let changes: Vec<_> = (0..4)
        .flat_map(|member| fixture.goes(member, false))
        .collect();
    assert_eq!(fixture.table, [1, 1, 1, 1]);
    assert!(
        changes.iter().all(|(_, weight)| *weight == 1) || changes.is_empty(),
        "{changes:?}"
    );
}

#[test]
fn the_sorry_server_goes_before_failing_open() {
    let both = Policy {
        fail_open_below: Some(50),
        ..policy()
    };
    let mut fixture = Fixture::new(both, &[(1, 1), (1, 1), (1, 1)], Some(0));
    for member in 0..4 {
        fixture.goes(member, true);
    }
    fixture.goes(0, false);
    fixture.goes(1, false);
    assert_eq!(
        fixture.table,
        [1, 1, 1, 0],
        "a third is up, and the quorum met"
    );
    fixture.goes(2, false);
    assert_eq!(fixture.table, [0, 0, 0, 1]);
    fixture.goes(3, false);
    assert_eq!(fixture.table, [1, 1, 1, 0], "nobody is left: fail open");
}

#[test]
fn slow_start_is_for_servers_that_were_down_or_new() {
    let slow = Policy {
        slow_start: SlowStart::new(SLOW_START, &"wlc".parse().unwrap()),
        ..policy()
    };
    let mut fixture = Fixture::new(slow, &[(80, 0), (80, 80)], None);
    assert_eq!(fixture.goes(0, true), [(0, 10)], "new");
    assert_eq!(fixture.goes(1, true), [], "found with its weight");
    let steps: Vec<_> = [20, 30, 40, 50, 60, 70, 80].map(|w| (0, w)).into();
    assert_eq!(fixture.wait(SLOW_START), steps);
    assert_eq!(fixture.pool.next_deadline(), None);

    fixture.goes(1, false);
    assert_eq!(fixture.goes(1, true), [(1, 10)], "was down");
    fixture.wait(SLOW_START / 2);
    assert_eq!(fixture.table[1], 40);
    assert_eq!(fixture.goes(1, false), [(1, 0)]);
    assert_eq!(
        fixture.wait(SLOW_START),
        [],
        "a server that is down does not rise"
    );
    assert_eq!(fixture.goes(1, true), [(1, 10)], "from the beginning");
}

#[test]
fn a_slow_start_that_is_found_half_done_goes_on_from_there() {
    let slow = Policy {
        slow_start: SlowStart::new(SLOW_START, &"wlc".parse().unwrap()),
        ..policy()
    };
    let found = [(80, 40), (80, 45), (80, 90), (80, 10)];
    let mut fixture = Fixture::new(slow, &found, None);
    assert_eq!(fixture.goes(0, true), [], "one of the steps");
    assert_eq!(fixture.wait(SLOW_START / 7), [(0, 50)]);
    assert_eq!(fixture.wait(SLOW_START), [(0, 60), (0, 70), (0, 80)]);
    assert_eq!(fixture.goes(1, true), [(1, 50)], "between two steps");
    assert_eq!(fixture.wait(SLOW_START), [(1, 60), (1, 70), (1, 80)]);
    assert_eq!(fixture.goes(2, true), [(2, 80)], "more than is configured");
    assert_eq!(fixture.pool.next_deadline(), None);
    fixture.goes(3, false);
    assert_eq!(
        fixture.goes(3, true),
        [(3, 10)],
        "it was down: from the beginning"
    );
}

#[test]
fn slow_start_begins_when_the_pool_lets_the_server_serve() {
    let slow = Policy {
        slow_start: SlowStart::new(SLOW_START, &"wlc".parse().unwrap()),
        quorum: 100,
        ..policy()
    };
    let mut fixture = Fixture::new(slow, &[(80, 0), (80, 0)], Some(1));
    fixture.goes(2, true);
    assert_eq!(fixture.goes(0, true), []);
    assert_eq!(fixture.wait(SLOW_START * 2), []);
    assert_eq!(fixture.goes(1, true), [(0, 10), (1, 10), (2, 0)]);
}

#[test]
fn a_server_that_keeps_falling_must_pass_longer() {
    let damped = Policy {
        flap_damping: true,
        ..policy()
    };
    let mut fixture = Fixture::new(damped, &[(1, 0)], None);
    let mut passes = Vec::new();
    for _ in 0..7 {
        let mut taken = 0;
        while fixture.health(0) != Health::Up {
            fixture.probe(0, true);
            taken += 1;
        }
        passes.push(taken);
        fixture.goes(0, false);
    }
    assert_eq!(passes, [2, 2, 4, 8, 16, 32, 64]);
    fixture.wait(Duration::from_hours(1));
    assert_eq!(fixture.pool.damped_rise(0, fixture.now), None);
    fixture.probe(0, true);
    fixture.probe(0, true);
    assert_eq!(fixture.health(0), Health::Up, "all is forgotten");
}

#[test]
fn a_hold_stops_everything_and_what_was_seen_in_it_is_no_evidence() {
    let mut fixture = Fixture::new(policy(), &[(1, 1), (1, 1)], Some(0));
    for member in 0..3 {
        fixture.goes(member, true);
    }
    fixture.probe(0, false);
    fixture.pool.set_frozen(true, fixture.now);
    for _ in 0..10 {
        assert_eq!(fixture.probe(0, false), []);
        assert_eq!(fixture.probe(1, false), []);
    }
    let in_it = fixture.now;
    fixture.now += Duration::from_secs(1);
    fixture.pool.set_frozen(false, fixture.now);
    assert_eq!(fixture.recompute_weights(), []);
    for _ in 0..5 {
        assert_eq!(fixture.pool.on_outcome(0, false, in_it, fixture.now), None);
    }
    fixture.probe(0, false);
    assert_eq!(fixture.health(0), Health::Up, "the row begins anew");
    assert_eq!(fixture.probe(0, false), [(0, 0)]);
}

#[test]
fn drained_real_server_gets_no_weight_and_counts_in_no_sum() {
    let mut fixture = Fixture::new(policy(), &[(1, 0), (1, 0)], Some(0));
    for member in 0..3 {
        fixture.goes(member, true);
    }
    fixture.pool.set_admin(0, AdminState::Draining);
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);
    fixture.goes(0, false);
    assert_eq!(fixture.goes(0, true), [], "a verdict ends no drain");
    fixture.pool.set_admin(1, AdminState::Drained);
    assert_eq!(
        fixture.recompute_weights(),
        [(1, 0), (2, 1)],
        "nobody is left"
    );
    fixture.pool.set_frozen(true, fixture.now);
    fixture.pool.set_admin(1, AdminState::Enabled);
    assert_eq!(fixture.recompute_weights(), []);
    fixture.pool.set_frozen(false, fixture.now);
    assert_eq!(fixture.recompute_weights(), [(1, 1), (2, 0)]);
}

#[derive(Debug, Clone)]
enum Event {
    Probe(usize, bool),
    Wait(u64),
    Freeze(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => (0..6_usize, any::<bool>()).prop_map(|(member, passed)| Event::Probe(member, passed)),
        2 => (0..60_u64).prop_map(Event::Wait),
        1 => any::<bool>().prop_map(Event::Freeze),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let slow_start = prop_oneof![Just(0), Just(14), Just(100)];
    let open = proptest::option::of(1..=100_u8);
    (slow_start, any::<bool>(), 1..6_u64, 0..3_u64, open).prop_map(
        |(slow_start, flap_damping, quorum, hysteresis, fail_open_below)| Policy {
            slow_start: SlowStart::new(Duration::from_secs(slow_start), &"wlc".parse().unwrap()),
            flap_damping,
            quorum,
            hysteresis: hysteresis.min(quorum - 1),
            fail_open_below,
            ..policy()
        },
    )
}

proptest! {
    #[test]
    fn whatever_happens(
        policy in any_policy(),
        members in proptest::collection::vec((0..20_u32, 0..3_u32), 1..5),
        sorry_server in proptest::option::of(0..2_u32),
        events in proptest::collection::vec(event(), 1..300),
    ) {
        let mut fixture = Fixture::new(policy.clone(), &members, sorry_server);
        let places = fixture.table.len();
        for event in events {
            let (before, status) = (fixture.table.clone(), fixture.pool.status());
            let healths: Vec<_> = (0..places).map(|place| fixture.health(place)).collect();
            match event {
                Event::Probe(place, passed) => {
                    fixture.probe(place, passed);
                }
                Event::Wait(seconds) => {
                    fixture.wait(Duration::from_secs(seconds));
                }
                Event::Freeze(frozen) => {
                    fixture.pool.set_frozen(frozen, fixture.now);
                    fixture.recompute_weights();
                }
            }
            let changed = (0..places).filter(|place| fixture.health(*place) != healths[*place]);
            prop_assert!(changed.count() <= 1);
            for (place, weight) in fixture.table.iter().enumerate() {
                prop_assert_eq!(fixture.pool.wanted(place).unwrap().get(), *weight);
            }
            if fixture.pool.frozen {
                prop_assert_eq!(&fixture.table, &before, "frozen");
                continue;
            }

            let now = fixture.pool.status();
            let known = members.iter().enumerate().all(|(m, _)| fixture.health(m) != Health::Unknown);
            let up = |m: &usize| fixture.health(*m) == Health::Up;
            let configured = |m: usize| u64::from(members[m].0);
            let up_weight: u64 = (0..members.len()).filter(up).map(configured).sum();
            let whole: u64 = (0..members.len()).map(configured).sum();
            let sorry_up = sorry_server.is_some() && fixture.health(members.len()) == Health::Up;
            if known && (up_weight > 0 || sorry_up) {
                prop_assert!(fixture.table.iter().any(|w| *w > 0), "somebody could serve, and none does");
            }
            if let Some(below) = policy.fail_open_below
                && known && !now.sorry_serves && up_weight * 100 < whole * u64::from(below)
            {
                prop_assert!(now.fail_open);
                for (m, (configured, _)) in members.iter().enumerate() {
                    prop_assert_eq!(fixture.table[m], *configured);
                }
            }
            for (m, health) in healths.iter().enumerate().take(members.len()) {
                if fixture.health(m) == Health::Up && *health == Health::Up && status == now {
                    prop_assert!(fixture.table[m] >= before[m], "a weight falls though its server is up");
                }
                prop_assert!(fixture.table[m] <= members[m].0.max(members[m].1));
            }
            // What rises is written first: the table is never empty in between.
            let risen = fixture.table.iter().zip(&before).map(|(after, before)| after.max(before));
            if before.iter().any(|w| *w > 0) {
                prop_assert!(risen.sum::<u32>() > 0);
            }
        }
    }

    #[test]
    fn constant_input_comes_to_rest(
        policy in any_policy(),
        members in proptest::collection::vec((0..20_u32, 0..3_u32), 1..5),
        sorry_server in proptest::option::of(0..2_u32),
        passes in proptest::collection::vec(any::<bool>(), 6),
    ) {
        let mut fixture = Fixture::new(policy, &members, sorry_server);
        for round in 0..60 {
            let (table, status) = (fixture.table.clone(), fixture.pool.status());
            for (place, passed) in passes.iter().enumerate() {
                fixture.probe(place, *passed);
            }
            fixture.wait(Duration::from_secs(5));
            if round >= 30 {
                prop_assert_eq!(&fixture.table, &table);
                prop_assert_eq!(fixture.pool.status(), status);
            }
        }
        prop_assert_eq!(fixture.pool.next_deadline(), None);
    }
}

#[test]
fn advice_scales_the_weight_of_one_that_is_up_until_the_next() {
    let mut fixture = Fixture::new(policy(), &[(10, 0), (1, 0)], None);
    fixture.goes(0, true);
    fixture.goes(1, true);
    let mut advise = |member, advice| {
        let share = fixture.pool.on_advice(member, advice);
        assert_eq!(share.is_some(), !fixture.recompute_weights().is_empty());
        fixture.table[member]
    };
    assert_eq!(advise(0, WeightAdvice::Percent(75)), 7);
    assert_eq!(advise(0, WeightAdvice::Percent(75)), 7);
    assert_eq!(
        advise(1, WeightAdvice::Percent(1)),
        1,
        "not rounded to nothing"
    );
    assert_eq!(advise(1, WeightAdvice::Percent(0)), 0);
    assert_eq!(advise(0, WeightAdvice::Weight(weight(40))), 40);
    assert_eq!(advise(0, WeightAdvice::Drain), 0);
    assert_eq!(advise(0, WeightAdvice::Percent(50)), 5);
    assert_eq!(advise(0, WeightAdvice::Ready), 10);

    assert!(fixture.pool.on_advice(0, WeightAdvice::Drain).is_some());
    assert_eq!(fixture.goes(1, false), [(0, 0)]);
    assert_eq!(fixture.health(0), Health::Up);
    assert_eq!(fixture.goes(1, true), [], "it is still at 0%");
}

#[test]
fn real_server_that_is_down_gets_weight_0_whatever_it_advises() {
    let mut fixture = Fixture::new(policy(), &[(10, 10)], None);
    fixture.goes(0, false);
    fixture.pool.on_advice(0, WeightAdvice::Weight(weight(40)));
    assert_eq!(fixture.recompute_weights(), []);
    assert_eq!(fixture.goes(0, true), [(0, 40)]);
}

#[test]
fn the_sorry_server_serves_when_all_advise_against_themselves() {
    let mut fixture = Fixture::new(policy(), &[(10, 10)], Some(0));
    fixture.goes(0, true);
    fixture.goes(1, true);
    fixture.pool.on_advice(0, WeightAdvice::Drain);
    assert_eq!(fixture.recompute_weights(), [(0, 0), (1, 1)]);
    assert_eq!(fixture.pool.on_advice(1, WeightAdvice::Drain), None);
    fixture.pool.on_advice(0, WeightAdvice::Ready);
    assert_eq!(fixture.recompute_weights(), [(0, 10), (1, 0)]);
}

#[test]
fn advice_holds_on_in_a_new_pool_that_asks_the_same() {
    for (same_kind, expected) in [(true, 5), (false, 10)] {
        let mut fixture = Fixture::new(policy(), &[(10, 10)], None);
        fixture.goes(0, true);
        fixture.pool.on_advice(0, WeightAdvice::Percent(50));
        fixture.recompute_weights();
        let members = [checked(2, weight(10), weight(5))];
        let mut next = Pool::new(policy(), members, None);
        let before = PreviousIndex {
            index: 0,
            asks_same: false,
            same_kind,
        };
        next.take_over(&fixture.pool, &[Some(before)]);
        next.recompute_weights(fixture.now);
        assert_eq!(next.wanted(0), Some(weight(expected)));
    }
}

#[test]
fn a_row_of_the_old_check_is_no_evidence_for_the_new_one() {
    let mut fixture = Fixture::new(policy(), &[(5, 0)], None);
    fixture.goes(0, true);
    assert_eq!(fixture.probe(0, false), [], "one of two");
    let mut next = Fixture::new(policy(), &[(5, 5)], None);
    let before = PreviousIndex {
        index: 0,
        asks_same: false,
        same_kind: false,
    };
    next.pool.take_over(&fixture.pool, &[Some(before)]);
    next.now = fixture.now;
    assert_eq!((next.probe(0, false), next.health(0)), (vec![], Health::Up));
    assert_eq!(next.probe(0, false), [(0, 0)]);
}

#[test]
fn a_drain_begins_though_weights_are_frozen_and_outlives_a_reload() {
    let mut fixture = Fixture::new(policy(), &[(5, 0), (5, 0)], None);
    fixture.goes(0, true);
    fixture.goes(1, true);
    fixture.pool.set_frozen(true, fixture.now);
    fixture.pool.set_admin(0, AdminState::Draining);
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);

    let mut next = Fixture::new(policy(), &[(5, 0), (5, 5)], None);
    let before = |place| {
        Some(PreviousIndex {
            index: place,
            asks_same: true,
            same_kind: true,
        })
    };
    next.pool.take_over(&fixture.pool, &[before(0), before(1)]);
    next.now = fixture.now;
    assert_eq!(next.recompute_weights(), []);
    assert_eq!(next.goes_nowhere(1), [], "still frozen");
    next.pool.set_frozen(false, next.now);
    assert_eq!(next.recompute_weights(), [], "still drained");
}

#[test]
fn undrained_real_server_starts_slowly() {
    let mut slow = policy();
    slow.slow_start = SlowStart::new(SLOW_START, &"wlc".parse().unwrap());
    let mut fixture = Fixture::new(slow, &[(80, 80)], None);
    fixture.goes(0, true);
    fixture.pool.set_admin(0, AdminState::Draining);
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);
    fixture.pool.set_admin(0, AdminState::Enabled);
    assert_eq!(fixture.recompute_weights(), [(0, 10)]);
    fixture.wait(SLOW_START);
    assert_eq!(fixture.table, [80]);
}

#[test]
fn quiesces_a_real_server_during_its_arp_conflict_and_starts_it_slowly_after_that() {
    let slow = Policy {
        slow_start: SlowStart::new(SLOW_START, &"wlc".parse().unwrap()),
        ..policy()
    };
    let mut fixture = Fixture::new(slow, &[(100, 100), (100, 100)], None);
    fixture.goes(0, true);
    fixture.goes(1, true);
    let before = fixture.pool.status();
    assert!(fixture.pool.set_arp_conflict(0, true));
    assert!(!fixture.pool.set_arp_conflict(0, true), "nothing new");
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);
    assert_eq!(fixture.pool.quiesced(0), Some(Quiesced::ArpConflict));
    assert_eq!(fixture.health(0), Health::Up, "no transition");
    assert_eq!(fixture.pool.status(), before);

    assert!(fixture.pool.set_arp_conflict(0, false));
    let first = fixture.recompute_weights();
    assert_eq!(fixture.pool.quiesced(0), None);
    assert!(first.iter().all(|(_, weight)| (1..100).contains(weight)));
    fixture.wait(SLOW_START);
    assert_eq!(fixture.table, [100, 100]);
}

#[test]
fn a_drain_outlives_an_arp_conflict_and_an_arp_conflict_a_drain() {
    let mut fixture = Fixture::new(policy(), &[(5, 5), (5, 5)], None);
    fixture.goes(0, true);
    fixture.goes(1, true);
    fixture.pool.set_admin(0, AdminState::Draining);
    fixture.pool.set_arp_conflict(0, true);
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);
    assert_eq!(fixture.pool.quiesced(0), None, "the operator's word counts");
    fixture.pool.set_arp_conflict(0, false);
    assert_eq!(fixture.recompute_weights(), []);
    fixture.pool.set_arp_conflict(0, true);
    fixture.pool.set_admin(0, AdminState::Enabled);
    assert_eq!(fixture.recompute_weights(), []);
    assert_eq!(fixture.pool.quiesced(0), Some(Quiesced::ArpConflict));
    fixture.pool.set_arp_conflict(0, false);
    assert_eq!(fixture.recompute_weights(), [(0, 5)]);
}

#[test]
fn real_servers_with_arp_conflicts_serve_where_the_rest_cannot() {
    // The last one that could serve.
    let mut fixture = Fixture::new(policy(), &[(5, 5), (5, 5)], None);
    fixture.goes(0, true);
    fixture.goes(1, true);
    fixture.pool.set_arp_conflict(0, true);
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);
    let mut changes = fixture.goes(1, false);
    changes.sort_unstable();
    assert_eq!(changes, [(0, 5), (1, 0)], "in one piece");
    assert_eq!(fixture.goes(1, true), [(0, 0), (1, 5)]);

    // Less than half of the weight is honest.
    let mut fixture = Fixture::new(policy(), &[(5, 5), (5, 5), (5, 5)], None);
    for place in 0..3 {
        fixture.goes(place, true);
    }
    fixture.pool.set_arp_conflict(0, true);
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);
    fixture.pool.set_arp_conflict(1, true);
    assert_eq!(fixture.recompute_weights(), [(0, 5)]);

    // The quorum needs it.
    let quorum = Policy {
        quorum: 6,
        ..policy()
    };
    let mut fixture = Fixture::new(quorum, &[(5, 5), (5, 5)], Some(0));
    fixture.goes(0, true);
    fixture.goes(1, true);
    fixture.pool.set_arp_conflict(0, true);
    assert_eq!(fixture.recompute_weights(), []);
    assert_eq!(fixture.pool.quiesced(0), None);
}

#[test]
fn an_arp_conflict_leaves_the_weight_that_was_found_without_a_verdict() {
    let mut fixture = Fixture::new(policy(), &[(5, 3), (5, 5)], None);
    fixture.goes(1, true);
    fixture.pool.set_arp_conflict(0, true);
    assert_eq!(fixture.recompute_weights(), []);
    assert_eq!(fixture.goes(0, true), [(0, 0)]);
}

#[test]
fn an_arp_conflict_changes_nothing_while_weights_are_frozen() {
    let mut fixture = Fixture::new(policy(), &[(5, 5), (5, 5)], None);
    fixture.goes(0, true);
    fixture.goes(1, true);
    fixture.pool.set_frozen(true, fixture.now);
    fixture.pool.set_arp_conflict(0, true);
    assert_eq!(fixture.recompute_weights(), []);
    fixture.pool.set_frozen(false, fixture.now);
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);
}

impl Fixture {
    fn sets(&mut self, member: usize, weight: Option<&str>) -> Vec<(usize, u32)> {
        let weight: Option<SetWeight> = weight.map(|weight| weight.parse().unwrap());
        self.pool.set_weight(member, weight).unwrap();
        self.recompute_weights()
    }
}

#[test]
fn operators_weight_is_in_place_of_the_configured_one_while_the_real_server_is_up() {
    let mut fixture = Fixture::new(policy(), &[(5, 5), (8, 0), (0, 0)], None);
    for member in 0..3 {
        fixture.goes(member, true);
    }
    assert_eq!(fixture.sets(0, Some("50%")), [(0, 2)], "rounded down");
    assert_eq!(fixture.sets(0, Some("1%")), [(0, 1)], "and not to nothing");
    assert_eq!(fixture.sets(0, Some("12")), [(0, 12)]);
    assert_eq!(fixture.sets(2, Some("50%")), [], "of a weight of 0");
    assert_eq!(fixture.sets(2, Some("3")), [(2, 3)]);
    assert_eq!(fixture.goes(0, false), [(0, 0)]);
    assert_eq!(fixture.sets(0, Some("7")), [], "it is down");
    assert_eq!(fixture.goes(0, true), [(0, 7)]);
    fixture.pool.set_admin(0, AdminState::Draining);
    assert_eq!(fixture.recompute_weights(), [(0, 0)]);
    assert_eq!(fixture.sets(0, Some("9")), [], "it is drained");
    fixture.pool.set_admin(0, AdminState::Enabled);
    assert_eq!(fixture.recompute_weights(), [(0, 9)]);
    assert_eq!(fixture.sets(0, Some("0")), [(0, 0)]);
    assert_eq!(fixture.sets(0, None), [(0, 5)]);
    assert_eq!(
        fixture.pool.set_weight(3, None),
        None,
        "there is no such real server"
    );
}

#[test]
fn operators_weight_goes_before_a_reported_one_but_for_a_report_of_no_connections() {
    let mut fixture = Fixture::new(policy(), &[(10, 0), (10, 0)], None);
    fixture.goes(0, true);
    fixture.goes(1, true);
    let reports = |fixture: &mut Fixture, advice| {
        fixture.pool.on_advice(0, advice);
        fixture.recompute_weights()
    };
    assert_eq!(reports(&mut fixture, WeightAdvice::Percent(50)), [(0, 5)]);
    assert_eq!(fixture.sets(0, Some("80%")), [(0, 8)]);
    assert_eq!(
        fixture.pool.advised(0),
        Some(weight(5)),
        "it is still shown"
    );
    assert_eq!(reports(&mut fixture, WeightAdvice::Weight(weight(3))), []);
    for none in [
        WeightAdvice::Drain,
        WeightAdvice::Percent(0),
        WeightAdvice::Weight(Weight::ZERO),
    ] {
        assert_eq!(reports(&mut fixture, none), [(0, 0)], "{none:?}");
        assert_eq!(fixture.sets(0, Some("9")), [], "{none:?}");
        assert_eq!(
            reports(&mut fixture, WeightAdvice::Ready),
            [(0, 9)],
            "{none:?}"
        );
    }
    reports(&mut fixture, WeightAdvice::Percent(50));
    assert_eq!(
        fixture.sets(0, None),
        [(0, 5)],
        "the report is in effect again"
    );
}

#[test]
fn operators_weight_is_the_end_of_a_slow_start_and_waits_while_weights_are_frozen() {
    let mut slow = policy();
    slow.slow_start = SlowStart::new(SLOW_START, &"wlc".parse().unwrap());
    let mut fixture = Fixture::new(slow, &[(80, 0)], None);
    assert_eq!(fixture.goes(0, true), [(0, 10)]);
    assert_eq!(fixture.sets(0, Some("50%")), [(0, 5)]);
    fixture.wait(SLOW_START);
    assert_eq!(fixture.table, [40]);
    assert_eq!(fixture.sets(0, Some("100%")), [(0, 80)], "at once");
    fixture.pool.set_frozen(true, fixture.now);
    assert_eq!(fixture.sets(0, Some("20")), []);
    fixture.pool.set_frozen(false, fixture.now);
    assert_eq!(fixture.recompute_weights(), [(0, 20)]);
}

#[test]
fn operators_weight_counts_for_the_quorum_and_is_waited_for_by_no_one_who_leaves() {
    let quorum = Policy {
        quorum: 6,
        ..policy()
    };
    let mut fixture = Fixture::new(quorum, &[(5, 5), (5, 5)], Some(0));
    for member in 0..3 {
        fixture.goes(member, true);
    }
    assert_eq!(fixture.sets(0, Some("1")), [(0, 1)]);
    assert!(fixture.pool.status().quorum_met);
    assert_eq!(
        fixture.sets(0, Some("0")),
        [(0, 0), (1, 0), (2, 1)],
        "the sorry server serves"
    );
    assert_eq!(fixture.sets(0, None), [(0, 5), (1, 5), (2, 0)]);

    let mut fixture = Fixture::new(policy(), &[(5, 0), (5, 0)], None);
    fixture.goes(0, true);
    assert!(!fixture.pool.replaces(), "the second has no verdict");
    fixture.sets(1, Some("0"));
    assert!(fixture.pool.replaces());
}

#[test]
fn weight_that_is_up_is_counted_as_for_the_quorum() {
    let mut fixture = Fixture::new(policy(), &[(1, 0), (2, 0)], Some(0));
    let up = |fixture: &Fixture| fixture.pool.status().up_weight;
    assert_eq!(up(&fixture), 0);
    fixture.goes(0, true);
    fixture.goes(2, true);
    assert_eq!(up(&fixture), 1, "a sorry server is none of them");
    fixture.goes(1, true);
    assert_eq!(up(&fixture), 3);
    fixture.sets(1, Some("7"));
    assert_eq!(up(&fixture), 8);
    fixture.pool.set_admin(0, AdminState::Draining);
    fixture.recompute_weights();
    assert_eq!(up(&fixture), 7);
    fixture.goes(1, false);
    assert_eq!(up(&fixture), 0);
}

#[test]
fn decisions_of_operators_alone_replace_nothing_that_leaves() {
    let mut fixture = Fixture::new(policy(), &[(5, 0), (5, 0)], None);
    fixture.goes(0, false);
    fixture.sets(0, Some("0"));
    fixture.sets(1, Some("0"));
    assert!(!fixture.pool.replaces(), "none serves");
    fixture.sets(0, None);
    fixture.sets(1, None);
    fixture.pool.set_admin(0, AdminState::Draining);
    fixture.pool.set_admin(1, AdminState::Drained);
    assert!(!fixture.pool.replaces(), "none serves");
    let none = Fixture::new(policy(), &[(0, 0), (0, 0)], None);
    assert!(none.pool.replaces(), "as configured");
}

#[test]
fn operators_weight_outlives_a_reload_and_a_percentage_is_of_the_new_weight() {
    let mut fixture = Fixture::new(policy(), &[(10, 0), (10, 0)], None);
    fixture.goes(0, true);
    fixture.goes(1, true);
    fixture.sets(0, Some("50%"));
    fixture.sets(1, Some("4"));
    let mut next = Fixture::new(policy(), &[(30, 4), (20, 5)], None);
    let before = |place| {
        Some(PreviousIndex {
            index: place,
            asks_same: true,
            same_kind: true,
        })
    };
    next.pool.take_over(&fixture.pool, &[before(1), before(0)]);
    next.table = vec![4, 5];
    assert_eq!(next.recompute_weights(), [(1, 10)], "50% of 20");
    assert_eq!(next.table, [4, 10]);
}
