use std::time::{Duration, SystemTime};

use super::Counters;
use crate::model::{Health, ProbeResult};

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

#[test]
fn each_result_counts_by_itself() {
    let mut counters = Counters::default();
    for (second, result) in (1..).zip(ProbeResult::ALL) {
        for _ in 0..=result.index() {
            counters.count_probe(result, at(second));
        }
    }
    let expected: Vec<_> = (1..=11).collect();
    assert_eq!(counters.probes().to_vec(), expected);
    let first = counters.first_counted();
    assert_eq!((first.passed, first.failed), (Some(at(1)), Some(at(2))));
}

#[test]
fn transitions_count_by_what_the_health_became() {
    let mut counters = Counters::default();
    let changes = [Health::Up, Health::Down, Health::Up, Health::Unknown];
    for (second, to) in (1..).zip(changes) {
        counters.count_transition(to, at(second));
    }
    let counted = (counters.transitions_up(), counters.transitions_down());
    assert_eq!(counted, (2, 1));
    let first = counters.first_counted();
    assert_eq!((first.up, first.down), (Some(at(1)), Some(at(2))));
}

#[test]
fn real_server_that_never_failed_takes_no_memory_for_failures() {
    let mut counters = Counters::default();
    counters.count_probe(ProbeResult::Ok, at(1));
    counters.count_transition(Health::Up, at(1));
    assert_eq!(counters.failures, None);
    assert!(size_of::<Counters>() <= 32);
}
