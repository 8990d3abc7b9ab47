use std::num::NonZeroU16;
use std::time::Duration;

use super::*;
use crate::health::pool::policy::{FailureRule, Streaks};
use crate::health::pool::{MemberPolicy, Policy};
use crate::health::slow_start::SlowStart;
use crate::runtime::clock;

const RESET: FailureRule = FailureRule {
    resets_from: Some(Unavailability::Unreachable),
    ..FailureRule::QUIESCE
};
const GONE: FailureRule = FailureRule {
    resets_from: Some(Unavailability::Gone),
    ..FailureRule::QUIESCE
};
const REMOVE: FailureRule = FailureRule {
    removes: true,
    even_the_last: true,
    ..FailureRule::QUIESCE
};

/// A pool of two with weight 1, `rise` and `fall` 1, and what it was told to do.
fn pool(on_failure: FailureRule, sorry_server: bool) -> Pool {
    let one = NonZeroU16::MIN;
    let policy = Policy {
        slow_start: SlowStart::new(Duration::ZERO, &"wlc".parse().unwrap()),
        flap_damping: false,
        quorum: 1,
        hysteresis: 0,
        fail_open_below: None,
        on_failure,
    };
    let member = |found| MemberPolicy {
        streaks: Some(Streaks {
            rise: one,
            fall: one,
        }),
        configured: Weight::ONE,
        found,
    };
    let sorry_server = sorry_server.then(|| member(Weight::ZERO));
    let mut pool = Pool::new(policy, [member(Weight::ONE); 2], sorry_server);
    let places = if pool.sorry_server.is_some() { 3 } else { 2 };
    for place in 0..places {
        assert_eq!(probe(&mut pool, place, Ok(())), []);
    }
    pool
}

fn probe(
    pool: &mut Pool,
    place: usize,
    outcome: Result<(), Option<Unavailability>>,
) -> Vec<(usize, Handling)> {
    let now = clock::monotonic();
    pool.set_unavailability(place, outcome.err().flatten(), now);
    pool.on_outcome(place, outcome.is_ok(), now, now);
    pool.recompute_weights(now);
    pool.take_handling()
}

const BADLY: Result<(), Option<Unavailability>> = Err(None);
const UNREACHABLE: Result<(), Option<Unavailability>> = Err(Some(Unavailability::Unreachable));
const LOST: Result<(), Option<Unavailability>> = Err(Some(Unavailability::Gone));

#[test]
fn only_what_is_lost_is_reset_and_once_while_it_is_down() {
    for (rule, outcome, resets) in [
        (FailureRule::QUIESCE, LOST, false),
        (RESET, BADLY, false),
        (RESET, UNREACHABLE, true),
        (RESET, LOST, true),
        (GONE, BADLY, false),
        (GONE, UNREACHABLE, false),
        (GONE, LOST, true),
    ] {
        let mut pool = pool(rule, false);
        let expected = if resets {
            vec![(0, Handling::Reset)]
        } else {
            vec![]
        };
        assert_eq!(
            probe(&mut pool, 0, outcome),
            expected,
            "{rule:?} {outcome:?}"
        );
        assert_eq!(probe(&mut pool, 0, outcome), []);
        assert!(!pool.is_removed(0), "it is put back at once");
        assert_eq!(probe(&mut pool, 0, Ok(())), []);
        assert_eq!(probe(&mut pool, 0, outcome), expected, "again");
    }
}

#[test]
fn what_is_seen_later_counts_as_well() {
    let mut pool = pool(GONE, false);
    assert_eq!(probe(&mut pool, 0, UNREACHABLE), []);
    assert!(pool.set_unavailability(0, Some(Unavailability::Gone), clock::monotonic()));
    assert_eq!(pool.take_handling(), [(0, Handling::Reset)]);
}

#[test]
fn the_last_keeps_its_clients_until_somebody_replaces_it_unless_asked() {
    let mut pool_of_two = pool(RESET, false);
    assert_eq!(
        probe(&mut pool_of_two, 0, UNREACHABLE),
        [(0, Handling::Reset)]
    );
    assert_eq!(probe(&mut pool_of_two, 1, UNREACHABLE), []);
    assert_eq!(probe(&mut pool_of_two, 0, Ok(())), [(1, Handling::Reset)]);

    let asked = FailureRule {
        even_the_last: true,
        ..RESET
    };
    let mut asked = pool(asked, false);
    assert_eq!(probe(&mut asked, 0, UNREACHABLE), [(0, Handling::Reset)]);
    assert_eq!(probe(&mut asked, 1, UNREACHABLE), [(1, Handling::Reset)]);

    let mut sorry = pool(RESET, true);
    assert_eq!(probe(&mut sorry, 0, UNREACHABLE), [(0, Handling::Reset)]);
    let last = probe(&mut sorry, 1, UNREACHABLE);
    assert_eq!(last, [(1, Handling::Reset)], "the sorry server replaces it");
}

#[test]
fn nothing_is_cut_while_held_or_for_a_drain() {
    let now = clock::monotonic();
    let mut pool_of_two = pool(RESET, false);
    pool_of_two.set_frozen(true, now);
    assert_eq!(probe(&mut pool_of_two, 0, LOST), []);
    pool_of_two.set_frozen(false, now);
    pool_of_two.recompute_weights(now);
    assert_eq!(pool_of_two.take_handling(), [], "verdicts begin anew");

    let mut held_late = pool(RESET, false);
    held_late.set_unavailability(0, Some(Unavailability::Gone), now);
    held_late.on_outcome(0, false, now, now);
    held_late.recompute_weights(now);
    held_late.set_frozen(true, now);
    assert_eq!(held_late.take_handling(), [], "held after the verdict");

    for rule in [RESET, GONE, REMOVE] {
        for outcome in [BADLY, UNREACHABLE, LOST] {
            let mut draining = pool(rule, false);
            draining.set_admin(0, AdminState::Draining);
            draining.recompute_weights(now);
            assert_eq!(draining.take_handling(), []);
            assert_eq!(probe(&mut draining, 0, outcome), [], "{rule:?} {outcome:?}");
            assert!(!draining.is_removed(0), "{rule:?} {outcome:?}");
        }
    }
}

#[test]
fn removed_real_server_is_out_of_the_table_until_it_serves() {
    let mut pool = pool(REMOVE, false);
    assert_eq!(probe(&mut pool, 0, BADLY), [(0, Handling::Remove)]);
    assert!(pool.is_removed(0) && !pool.is_removed(1));
    assert_eq!(probe(&mut pool, 0, Ok(())), []);
    assert!(!pool.is_removed(0));
}
