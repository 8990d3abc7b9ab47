use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::runtime::clock;

#[test]
fn a_verdict_takes_a_whole_row() {
    let start = clock::monotonic();
    let mut machine = machine(2, 3);
    assert_eq!(machine.on_outcome(true, start), None);
    let up = machine.on_outcome(true, start).unwrap();
    assert_eq!(
        (up.from, up.to, up.outcomes),
        (Health::Unknown, Health::Up, 2)
    );
    assert_eq!(
        machine.on_outcome(true, start),
        None,
        "no second transition to up"
    );

    let failed = |n: u64| start + Duration::from_secs(n);
    assert_eq!(machine.on_outcome(false, failed(1)), None);
    assert_eq!(
        machine.on_outcome(true, failed(2)),
        None,
        "a pass breaks the row"
    );
    assert_eq!(machine.on_outcome(false, failed(3)), None);
    assert_eq!(machine.on_outcome(false, failed(4)), None);
    let down = machine.on_outcome(false, failed(5)).unwrap();
    assert_eq!(
        (down.from, down.to, down.outcomes),
        (Health::Up, Health::Down, 3)
    );
    assert_eq!(
        down.first_failure,
        Some(failed(3)),
        "the row's first failure, not an older one"
    );
}

#[test]
fn passes_before_a_reload_count_after_it_by_the_new_rise() {
    let start = clock::monotonic();
    let mut down = machine(3, 1);
    down.on_outcome(false, start);
    down.on_outcome(true, start);
    let mut again = machine(2, 1).continuing(&down);
    assert_eq!(again.health(), Health::Down);
    assert_eq!(again.on_outcome(true, start).unwrap().to, Health::Up);
}

#[test]
fn a_changed_check_starts_over_in_the_present_state() {
    let start = clock::monotonic();
    let mut down = machine(1, 2);
    down.on_outcome(false, start);
    down.on_outcome(false, start);
    let mut again = machine(2, 1).with_verdict_of(&down);
    assert_eq!(again.health(), Health::Down);
    assert_eq!(
        again.on_outcome(true, start),
        None,
        "one pass of the two that it takes now"
    );
    assert_eq!(again.on_outcome(true, start).unwrap().to, Health::Up);
}

#[test]
fn the_weight_follows_the_verdict() {
    let [zero, one, five] = [0, 1, 5].map(|n| Weight::new(n).unwrap());
    assert_eq!(weight(Health::Up, five, zero), five);
    assert_eq!(weight(Health::Down, five, one), zero);
    assert_eq!(weight(Health::Unknown, five, one), one, "adopted: stays");
    assert_eq!(
        weight(Health::Unknown, five, zero),
        zero,
        "new: must pass first"
    );
    assert_eq!(
        weight(Health::Unknown, zero, one),
        zero,
        "configured to be quiesced"
    );
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(rise in 1u16..5, fall in 1u16..5, outcomes: Vec<bool>) {
        let start = clock::monotonic();
        let mut machine = machine(rise, fall);
        for seen in 1..=outcomes.len() {
            let before = machine.health;
            let began = start + Duration::from_secs(seen as u64);
            let transition = machine.on_outcome(outcomes[seen - 1], began);
            let after = naive(&outcomes[..seen], usize::from(rise), usize::from(fall));
            prop_assert_eq!(machine.health, after);
            prop_assert_eq!(transition.is_some(), before != after);
            if let Some(Transition { to: Health::Down, first_failure, .. }) = transition {
                let streak = outcomes[..seen].iter().rev().take_while(|passed| !**passed).count();
                let first = start + Duration::from_secs((seen - streak + 1) as u64);
                prop_assert_eq!(first_failure, Some(first));
            }
        }
    }
}

/// The verdict found by looking at the whole history: the newest place where
/// the last `rise` outcomes passed, or the last `fall` failed.
fn naive(history: &[bool], rise: usize, fall: usize) -> Health {
    for end in (1..=history.len()).rev() {
        let all = |length: usize, passed: bool| {
            end >= length
                && history[end - length..end]
                    .iter()
                    .all(|outcome| *outcome == passed)
        };
        if all(rise, true) {
            return Health::Up;
        }
        if all(fall, false) {
            return Health::Down;
        }
    }
    Health::Unknown
}

fn machine(rise: u16, fall: u16) -> Machine {
    Machine::new(
        NonZeroU16::new(rise).unwrap(),
        NonZeroU16::new(fall).unwrap(),
    )
}

#[test]
fn doubt_lasts_from_the_first_outcome_that_disagrees_to_the_verdict() {
    let now = clock::monotonic();
    let mut machine = machine(2, 2);
    assert_eq!(machine.rate(), ProbeRate::Fast);
    let paces = [
        (true, ProbeRate::Fast),
        (true, ProbeRate::Normal),
        (false, ProbeRate::Fast),
        (true, ProbeRate::Normal),
        (false, ProbeRate::Fast),
        (false, ProbeRate::Down),
        (true, ProbeRate::Fast),
        (false, ProbeRate::Down),
    ];
    for (passed, rate) in paces {
        machine.on_outcome(passed, now);
        assert_eq!(machine.rate(), rate);
    }
}
