use proptest::prelude::*;

use super::*;
use crate::runtime::clock;

const MILLISECOND: Duration = Duration::from_millis(1);

fn every(interval: Duration) -> Intervals {
    Intervals {
        normal: interval,
        fast: interval,
        down: interval,
    }
}

fn phase(schedule: &Schedule, start: Instant) -> u128 {
    (schedule.wake() - start).as_nanos() % schedule.intervals.normal.as_nanos()
}

proptest! {
    #[test]
    fn the_spread_is_flat(count in 1_u32..500, interval in 1_u32..10_000, parts in 1_u32..50) {
        let start = clock::monotonic();
        let interval = MILLISECOND * interval;
        let due: Vec<_> = (0..count)
            .map(|index| Schedule::spread(start, every(interval), index, count).wake())
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
    fn schedule_keeps_its_grid_after_any_delay(
        interval in 10_u32..5_000,
        index in 0_u32..10,
        delays in prop::collection::vec((0_u32..20_000, 0_u32..20_000), 1..50),
    ) {
        let start = clock::monotonic();
        let interval = MILLISECOND * interval;
        let mut schedule = Schedule::spread(start, every(interval), index, 10);
        let first_phase = phase(&schedule, start);
        let mut now = start;
        let mut last_slot = None;
        for (overslept, took) in delays {
            now = now.max(schedule.wake()) + MILLISECOND * overslept;
            let due = schedule.wake();
            if schedule.on_wake(now, ProbeRate::Normal) == WakeAction::Probe {
                let slot = (due - start).as_nanos() / interval.as_nanos();
                prop_assert!(last_slot < Some(slot));
                prop_assert!(now - due <= interval / 2);
                last_slot = Some(slot);
                now += MILLISECOND * took;
                schedule.ended(now, ProbeResult::Ok);
                prop_assert!(schedule.wake() > due);
                prop_assert!(schedule.wake() + interval / 10 >= now);
            } else {
                prop_assert!(schedule.wake() > now);
            }
            prop_assert!(schedule.wake() <= now.max(due) + interval);
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
            let mut schedule = Schedule::spread(start, every(interval), index, 1000);
            schedule.ended(start + MILLISECOND * index, ProbeResult::Ok);
            schedule.wake() <= now && schedule.on_wake(now, ProbeRate::Normal) == WakeAction::Probe
        }).count();
        // A short pause is made up for; after a longer one, what fell due in
        // the last half interval is late by less than that, and made.
        let most = if pause < 1500 { 501 } else { 0 };
        prop_assert!(at_once <= most, "{}", at_once);
    }
}

/// A second of 5,000 probes has 200 wake-ups, and each probe keeps its own interval.
#[test]
fn sleepers_wake_together_and_keep_their_interval() {
    let start = clock::monotonic();
    let interval = Duration::from_secs(1);
    let mut wakes = std::collections::BTreeSet::new();
    for index in 0..5000 {
        let mut schedule = Schedule::spread(start, every(interval), index, 5000);
        let first = schedule.wake_together(schedule.wake());
        let late = first - schedule.wake();
        assert!(late < MILLISECOND * 5, "{late:?}");
        assert_eq!(
            schedule.on_wake(first, ProbeRate::Normal),
            WakeAction::Probe
        );
        schedule.ended(first + MILLISECOND * 900, ProbeResult::Ok);
        assert_eq!(schedule.wake_together(schedule.wake()), first + interval);
        wakes.insert(first);
    }
    assert_eq!(wakes.len(), 201);
    let short = Schedule::spread(start, every(MILLISECOND * 10), 7, 100);
    let late = short.wake_together(short.wake()) - short.wake();
    assert!(late < MILLISECOND / 10, "{late:?}");
}

#[test]
fn a_probe_that_took_the_whole_interval_loses_no_slot() {
    let start = clock::monotonic();
    let interval = Duration::from_secs(1);
    let mut schedule = Schedule::spread(start, every(interval), 0, 1);
    schedule.ended(start + interval + MILLISECOND * 2, ProbeResult::Ok);
    assert_eq!(schedule.wake(), start + interval);
    assert_eq!(
        schedule.on_wake(start + interval + MILLISECOND * 2, ProbeRate::Normal),
        WakeAction::Probe
    );
    schedule.ended(start + interval + MILLISECOND * 3, ProbeResult::Ok);
    assert_eq!(schedule.wake(), start + interval * 2);
    schedule.ended(start + interval * 5 + MILLISECOND * 101, ProbeResult::Ok);
    assert_eq!(schedule.wake(), start + interval * 6);
}

/// When the probes of 20 seconds start, each taking a millisecond, at the pace
/// that `rate` says after so many of them.
fn starts(intervals: Intervals, rate: impl Fn(usize) -> ProbeRate) -> Vec<u64> {
    let start = clock::monotonic();
    let mut schedule = Schedule::spread(start, intervals, 0, 1);
    let mut starts = Vec::new();
    let mut wake = schedule.wake();
    while wake < start + Duration::from_secs(20) {
        match schedule.on_wake(wake, rate(starts.len())) {
            WakeAction::Probe => {
                starts.push(u64::try_from((wake - start).as_millis()).unwrap());
                schedule.ended(wake + MILLISECOND, ProbeResult::Ok);
                wake = schedule.wake();
            }
            WakeAction::Sleep(until) => {
                assert!(until > wake);
                wake = until;
            }
        }
    }
    starts
}

#[test]
fn the_pace_decides_which_interval_holds_and_the_steady_grid_stays() {
    let intervals = Intervals {
        normal: Duration::from_secs(2),
        fast: MILLISECOND * 300,
        down: Duration::from_secs(5),
    };
    let normal = starts(intervals, |_| ProbeRate::Normal);
    assert_eq!(normal, (0..10).map(|slot| slot * 2000).collect::<Vec<_>>());
    assert_eq!(
        starts(intervals, |_| ProbeRate::Down),
        [0, 5000, 10_000, 15_000]
    );
    let doubtful = starts(intervals, |made| match made {
        3..=4 => ProbeRate::Fast,
        _ => ProbeRate::Normal,
    });
    assert_eq!(doubtful[..6], [0, 2000, 4000, 4300, 4600, 6000]);
    let fell = starts(intervals, |made| match made {
        0 => ProbeRate::Normal,
        1..=3 => ProbeRate::Fast,
        _ => ProbeRate::Down,
    });
    assert_eq!(fell[..6], [0, 300, 600, 900, 5900, 10_900]);
}

/// The last of many with a long interval is not told only at the end of it.
#[test]
fn all_are_asked_within_one_interval_of_doubt_and_steadily_on_their_grid() {
    let start = clock::monotonic();
    let intervals = Intervals {
        fast: MILLISECOND * 100,
        ..every(Duration::from_hours(1))
    };
    for index in 0..4 {
        let mut schedule = Schedule::spread(start, intervals, index, 4);
        let first = schedule.wake();
        assert_eq!(first, start + MILLISECOND * 25 * index);
        assert_eq!(schedule.on_wake(first, ProbeRate::Fast), WakeAction::Probe);
        schedule.ended(first + MILLISECOND, ProbeResult::Ok);
        let next = schedule.wake();
        assert_eq!(next, first + MILLISECOND * 100);
        let quarter = Duration::from_mins(15);
        let slot = if index == 0 { 4 } else { index };
        let normal = WakeAction::Sleep(start + quarter * slot);
        assert_eq!(schedule.on_wake(next, ProbeRate::Normal), normal);
    }
}

/// At the fast pace a suspended machine makes no burst either.
#[test]
fn a_pause_in_doubt_makes_no_burst() {
    let start = clock::monotonic();
    let intervals = Intervals {
        fast: MILLISECOND * 200,
        ..every(Duration::from_secs(1))
    };
    let now = start + Duration::from_mins(1);
    let mut next: Vec<_> = (0..1000)
        .map(|index| {
            let mut schedule = Schedule::spread(start, intervals, index, 1000);
            schedule.ended(schedule.wake(), ProbeResult::Ok);
            match schedule.on_wake(now, ProbeRate::Fast) {
                WakeAction::Probe => panic!("made, after a minute"),
                WakeAction::Sleep(until) => until,
            }
        })
        .collect();
    next.sort();
    next.dedup();
    assert!(next.len() >= 200, "{}", next.len());
    assert!(
        next.iter()
            .all(|next| (now..=now + MILLISECOND * 200).contains(next))
    );
}

#[test]
fn a_probe_brought_forward_is_made_at_once_and_moves_nothing_of_the_grid() {
    let start = clock::monotonic();
    let mut schedule = Schedule::spread(start, every(Duration::from_secs(30)), 0, 1);
    assert_eq!(
        schedule.on_wake(start, ProbeRate::Normal),
        WakeAction::Probe
    );
    schedule.ended(start + MILLISECOND, ProbeResult::Ok);

    let end = start + MILLISECOND * 4321;
    schedule.bring_forward(end);
    assert_eq!(schedule.wake(), end);
    assert_eq!(schedule.wake_together(end), end);
    assert_eq!(schedule.on_wake(end, ProbeRate::Normal), WakeAction::Probe);
    schedule.ended(end + MILLISECOND, ProbeResult::Ok);
    assert_eq!(schedule.wake(), start + Duration::from_secs(30));

    // The same with a server that is gone: three failures within 25 ms, then the pace of one
    // that is down.
    schedule.bring_forward(end);
    let mut failures = Vec::new();
    let mut rate = ProbeRate::Normal;
    let mut wake = schedule.wake();
    while failures.len() < 4 {
        match schedule.on_wake(wake, rate) {
            WakeAction::Sleep(until) => wake = until,
            WakeAction::Probe => {
                failures.push((wake - end).as_millis());
                schedule.ended(wake + MILLISECOND, ProbeResult::Refused);
                rate = match failures.len() {
                    1 | 2 => ProbeRate::Fast,
                    _ => ProbeRate::Down,
                };
                wake = schedule.wake();
            }
        }
    }
    assert_eq!(failures, [11, 22, 33, 25_679]);
}

proptest! {
    /// Probes ahead of the schedule come beside those of the grid, which stay where they are.
    #[test]
    fn ends_of_connections_leave_the_grid_as_it_is(
        ends in prop::collection::vec(1_u32..5_000, 0..20),
        fails in prop::collection::vec(any::<bool>(), 100),
    ) {
        let start = clock::monotonic();
        let interval = Duration::from_secs(1);
        let mut schedule = Schedule::spread(start, every(interval), 0, 1);
        let mut ends: Vec<_> = ends.into_iter().map(|end| start + MILLISECOND * end).collect();
        ends.sort();
        ends.reverse();
        let (mut now, mut regular, mut made) = (start, 0_u32, 0_usize);
        while now < start + interval * 5 {
            while ends.last().is_some_and(|end| *end <= now) {
                ends.pop();
                schedule.bring_forward(now);
            }
            if schedule.wake() <= now
                && schedule.on_wake(now, ProbeRate::Normal) == WakeAction::Probe
            {
                if now == start + interval * regular {
                    regular += 1;
                }
                made += 1;
                let failed = fails.get(made).copied().unwrap_or(false);
                let result = if failed { ProbeResult::Refused } else { ProbeResult::Ok };
                schedule.ended(now, result);
            }
            now += MILLISECOND;
        }
        prop_assert_eq!(regular, 5);
    }
}
