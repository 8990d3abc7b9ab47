use std::time::Duration;

use super::*;
use crate::runtime::clock;

fn note(
    errors: &mut ProbeErrorLog,
    probe: u32,
    result: ProbeResult,
    detail: &str,
) -> Option<ProbeErrorChange> {
    note_at(errors, probe, result, detail, clock::monotonic())
}

fn note_at(
    errors: &mut ProbeErrorLog,
    probe: u32,
    result: ProbeResult,
    detail: &str,
    now: Instant,
) -> Option<ProbeErrorChange> {
    let outcome = Outcome {
        result,
        detail: detail.to_owned(),
        duration: Duration::ZERO,
        advice: None,
        certificate_expiry: None,
        plain: None,
        vip: None,
        fix: None,
    };
    errors.note(ProbeId(probe), &outcome, now)
}

fn cannot(reason: &str) -> ProbeErrorChange {
    ProbeErrorChange::Began(reason.to_owned())
}

fn again(reason: &str) -> ProbeErrorChange {
    ProbeErrorChange::Ended(reason.to_owned())
}

#[test]
fn a_probe_that_never_can_be_made_hides_no_other_trouble() {
    use ProbeResult::{Internal, Ok, Refused};
    let mut errors = ProbeErrorLog::default();
    let user = "there is no user `nosuchuser`";
    assert_eq!(note(&mut errors, 0, Internal, user), Some(cannot(user)));
    assert_eq!(note(&mut errors, 1, Internal, user), None);
    for _ in 0..2 {
        let lacking = note(&mut errors, 2, Internal, OUT_OF_DESCRIPTORS);
        assert_eq!(lacking, Some(cannot(OUT_OF_DESCRIPTORS)));
        let run = std::io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32);
        let run = format!("cannot run /bin/true: {run}");
        assert_eq!(note(&mut errors, 3, Internal, &run), None);
        assert_eq!(note(&mut errors, 0, Internal, user), None);
        assert_eq!(note(&mut errors, 2, Ok, ""), None);
        let over = note(&mut errors, 3, Refused, "");
        assert_eq!(over, Some(again(OUT_OF_DESCRIPTORS)));
    }
    assert_eq!(note(&mut errors, 0, Ok, ""), None);
    assert_eq!(note(&mut errors, 1, Ok, ""), Some(again(user)));
    assert_eq!(note(&mut errors, 1, Ok, ""), None);
}

#[test]
fn reasons_without_end_are_told_within_bounds() {
    let mut errors = ProbeErrorLog::default();
    let mut changes = 0;
    for n in 0..100 {
        let detail = format!("one probe, reason {n}");
        changes += usize::from(note(&mut errors, 0, ProbeResult::Internal, &detail).is_some());
    }
    assert_eq!(changes, usize::from(MOST_CHANGES));
    for probe in 1..100 {
        let detail = format!("probe {probe}");
        changes += usize::from(note(&mut errors, probe, ProbeResult::Internal, &detail).is_some());
    }
    assert_eq!(changes, usize::from(MOST_CHANGES) + MOST_REASONS);
    let lacking = note(&mut errors, 0, ProbeResult::Internal, OUT_OF_DESCRIPTORS);
    assert_eq!(lacking, Some(cannot(OUT_OF_DESCRIPTORS)));

    errors.retain(|probe| probe == ProbeId(0));
    assert_eq!((errors.probes.len(), errors.reasons.len()), (1, 1));
    let new = note(&mut errors, 1, ProbeResult::Internal, "probe 1");
    assert_eq!(new, Some(cannot("probe 1")));
}

/// What is logged of one probe every half a second in these many seconds, where
/// `result` tells of each what came of it, and at which half.
fn changes_in(
    seconds: u32,
    result: impl Fn(u32) -> (ProbeResult, &'static str),
) -> Vec<(u32, ProbeErrorChange)> {
    let (start, mut errors) = (clock::monotonic(), ProbeErrorLog::default());
    let mut changes = Vec::new();
    for half in 0..seconds * 2 {
        let now = start + Duration::from_millis(500) * half;
        while let Some((probe, due)) = errors.take_due(now) {
            assert_eq!(probe, ProbeId(7));
            changes.push((half, due));
        }
        let (result, detail) = result(half);
        let new = note_at(&mut errors, 7, result, detail, now);
        changes.extend(new.map(|new| (half, new)));
    }
    changes
}

const NOT_COUNTED: &str = "not counted";

#[test]
fn one_unreliable_result_is_not_logged_and_two_are() {
    use ProbeResult::{Ok, Unverified};
    let one_of_two = changes_in(60, |half| match half % 2 {
        0 => (Unverified, NOT_COUNTED),
        _ => (Ok, ""),
    });
    assert_eq!(one_of_two, []);
    let two = changes_in(5, |half| match half {
        3 | 4 => (Unverified, NOT_COUNTED),
        _ => (Ok, ""),
    });
    assert_eq!(two, [(4, cannot(NOT_COUNTED)), (5, again(NOT_COUNTED))]);
    // Without file descriptors, the first is.
    let lacking = changes_in(1, |_| (Unverified, TOO_MANY_OPEN_FILES));
    assert_eq!(lacking, [(0, cannot(OUT_OF_DESCRIPTORS))]);
}

#[test]
fn intermittent_reason_is_logged_once_a_minute_and_at_its_end() {
    use ProbeResult::{Ok, Unverified};
    let flapping = |until: u32, then: ProbeResult| {
        changes_in(200, move |half| match (half < until, half % 6) {
            (true, 0..3) => (Unverified, NOT_COUNTED),
            (true, _) => (Ok, ""),
            (false, _) => (then, NOT_COUNTED),
        })
    };
    let two_minutes = [
        (1, cannot(NOT_COUNTED)),
        (3, again(NOT_COUNTED)),
        (121, cannot(NOT_COUNTED)),
        (123, again(NOT_COUNTED)),
    ];
    assert_eq!(flapping(180, Ok), two_minutes);
    let stays = flapping(180, Unverified);
    assert_eq!(stays[..4], two_minutes);
    assert_eq!(stays[4..], [(241, cannot(NOT_COUNTED))]);
}

/// One that changes its reason as it comes and goes is logged no more often.
#[test]
fn another_reason_of_the_same_probe_waits_and_the_logged_reason_ends() {
    use ProbeResult::{Ok, Unverified};
    let changes = changes_in(60, |half| match half {
        0..4 => (Unverified, NOT_COUNTED),
        4..8 => (Unverified, "no canary"),
        8 => (Ok, ""),
        _ if half % 3 == 0 => (Ok, ""),
        _ if half % 2 == 0 => (Unverified, "no canary"),
        _ => (Unverified, "no service"),
    });
    assert_eq!(changes, [(1, cannot(NOT_COUNTED)), (8, again(NOT_COUNTED))]);
    let changes = changes_in(70, |half| match half {
        0..4 => (Unverified, NOT_COUNTED),
        _ => (Unverified, "no canary"),
    });
    assert_eq!(
        changes,
        [(1, cannot(NOT_COUNTED)), (121, cannot("no canary"))]
    );
}

#[test]
fn probes_that_share_a_reason_wait_together() {
    use ProbeResult::{Ok, Unverified};
    let (start, mut errors) = (clock::monotonic(), ProbeErrorLog::default());
    let mut changes = Vec::new();
    for second in 0..59 {
        let now = start + Duration::from_secs(second);
        let result = if second % 4 < 2 { Unverified } else { Ok };
        for probe in 0..50 {
            changes.extend(note_at(&mut errors, probe, result, NOT_COUNTED, now));
        }
        assert_eq!(errors.take_due(now), None);
    }
    assert_eq!(changes, [cannot(NOT_COUNTED), again(NOT_COUNTED)]);
    for later in 59..70 {
        let now = start + Duration::from_secs(later);
        for probe in 10..50 {
            changes.extend(note_at(&mut errors, probe, Unverified, NOT_COUNTED, now));
        }
        changes.extend(errors.take_due(now).map(|(_, changes)| changes));
    }
    assert_eq!(changes[2..], [cannot(NOT_COUNTED)]);
    assert!(errors.silent.probes.len() < 3, "they do not pile up");
}
