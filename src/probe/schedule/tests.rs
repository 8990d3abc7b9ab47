use proptest::prelude::*;

use super::*;
use crate::clock;

const MILLISECOND: Duration = Duration::from_millis(1);

fn phase(schedule: &Schedule, start: Instant) -> u128 {
    (schedule.due() - start).as_nanos() % schedule.interval.as_nanos()
}

proptest! {
    #[test]
    fn the_spread_is_flat(count in 1_u32..500, interval in 1_u32..10_000, parts in 1_u32..50) {
        let start = clock::monotonic();
        let interval = MILLISECOND * interval;
        let due: Vec<_> = (0..count)
            .map(|index| Schedule::spread(start, interval, index, count).due())
            .collect();
        prop_assert_eq!(due[0], start);
        prop_assert!(due.iter().all(|due| *due < start + interval));
        let window = interval / parts;
        for part in 0..parts {
            let from = start + window * part;
            let within = due.iter().filter(|due| (from..from + window).contains(*due)).count();
            prop_assert!(within <= (count.div_ceil(parts) + 1) as usize, "{}", within);
        }
    }

    /// However long sleeps and probes take, no slot of the grid has two
    /// probes, none starts more than half an interval late, and the phase stays.
    #[test]
    fn whatever_delays_it_the_grid_holds(
        interval in 10_u32..5_000,
        index in 0_u32..10,
        delays in prop::collection::vec((0_u32..20_000, 0_u32..20_000), 1..50),
    ) {
        let start = clock::monotonic();
        let interval = MILLISECOND * interval;
        let mut schedule = Schedule::spread(start, interval, index, 10);
        let first_phase = phase(&schedule, start);
        let mut now = start;
        let mut last_slot = None;
        for (overslept, took) in delays {
            now = now.max(schedule.due()) + MILLISECOND * overslept;
            let due = schedule.due();
            if schedule.woke(now) {
                let slot = (due - start).as_nanos() / interval.as_nanos();
                prop_assert!(last_slot < Some(slot));
                prop_assert!(now - due <= interval / 2);
                last_slot = Some(slot);
                now += MILLISECOND * took;
                schedule.ended(now);
                prop_assert!(schedule.due() > due);
                prop_assert!(schedule.due() + interval / 10 >= now);
            } else {
                prop_assert!(schedule.due() > now);
            }
            prop_assert!(schedule.due() <= now.max(due) + interval);
            prop_assert_eq!(phase(&schedule, start), first_phase);
        }
    }

    /// A suspended machine wakes all tasks at once; the probes stay spread.
    #[test]
    fn a_pause_makes_no_burst(pause in 0_u32..100_000) {
        let start = clock::monotonic();
        let interval = MILLISECOND * 1000;
        let now = start + MILLISECOND * (1000 + pause);
        let at_once = (0..1000).filter(|&index| {
            let mut schedule = Schedule::spread(start, interval, index, 1000);
            schedule.ended(start + MILLISECOND * index);
            schedule.due() <= now && schedule.woke(now)
        }).count();
        // A short pause is made up for; after a longer one, what fell due in
        // the last half interval is late by less than that, and made.
        let most = if pause < 1500 { 501 } else { 0 };
        prop_assert!(at_once <= most, "{}", at_once);
    }
}

#[test]
fn a_probe_that_took_the_whole_interval_loses_no_slot() {
    let start = clock::monotonic();
    let interval = Duration::from_secs(1);
    let mut schedule = Schedule::spread(start, interval, 0, 1);
    schedule.ended(start + interval + MILLISECOND * 2);
    assert_eq!(schedule.due(), start + interval);
    assert!(schedule.woke(start + interval + MILLISECOND * 2));
    schedule.ended(start + interval + MILLISECOND * 3);
    assert_eq!(schedule.due(), start + interval * 2);
    schedule.ended(start + interval * 5 + MILLISECOND * 101);
    assert_eq!(schedule.due(), start + interval * 6);
}
