use super::*;

/// The result that counts after each probe through a VIP.
fn after(probes: &[PathResult]) -> Vec<Option<PathResult>> {
    let mut observation = Observation::default();
    let note = |path_result: &PathResult| {
        observation.note(None, Some(*path_result));
        observation.vip
    };
    probes.iter().map(note).collect()
}

#[test]
fn one_unreliable_probe_is_ignored_and_two_in_a_row_count() {
    use PathResult::{Passed, Refused, Unknown};
    let some =
        |path_results: &[PathResult]| path_results.iter().copied().map(Some).collect::<Vec<_>>();
    for (probes, found) in [
        (&[Passed, Unknown, Passed, Unknown, Passed], [Passed; 5]),
        (
            &[Passed, Unknown, Unknown, Unknown, Passed],
            [Passed, Passed, Unknown, Unknown, Passed],
        ),
        (
            &[Unknown, Unknown, Passed, Unknown, Refused],
            [Unknown, Unknown, Passed, Passed, Refused],
        ),
    ] {
        assert_eq!(after(probes), some(&found), "{probes:?}");
    }
}

#[test]
fn unreliable_result_of_either_path_is_ignored_once() {
    let (well, unknown) = (Some(PathResult::Passed), Some(PathResult::Unknown));
    for (before, unreliable) in [
        ((well, well), (well, unknown)),
        ((well, well), (unknown, well)),
        ((well, None), (unknown, None)),
        ((None, well), (None, unknown)),
    ] {
        let mut observation = Observation::default();
        let found = [before, unreliable, unreliable].map(|(plain, vip)| {
            observation.note(plain, vip);
            (observation.plain, observation.vip)
        });
        assert_eq!(found, [before, before, unreliable]);
    }
}

#[test]
fn loss_follows_the_path_of_clients() {
    let loss = |plain, vip| {
        let mut observation = Observation::default();
        observation.note(plain, vip);
        observation.unavailability()
    };
    let unreachable = Some(Unavailability::Unreachable);
    for (plain, vip, expected) in [
        (None, None, None),
        (Some(PathResult::Passed), None, None),
        (Some(PathResult::WrongAnswer), None, None),
        (Some(PathResult::Unknown), None, None),
        (Some(PathResult::Refused), None, unreachable),
        (Some(PathResult::NoReply), None, unreachable),
        (Some(PathResult::Filtered), None, unreachable),
        (Some(PathResult::NoDatagramReply), None, unreachable),
        (
            Some(PathResult::NoNeighbour),
            None,
            Some(Unavailability::Gone),
        ),
        // What clients meet counts, where that is known.
        (
            Some(PathResult::Passed),
            Some(PathResult::NoReply),
            unreachable,
        ),
        (Some(PathResult::NoReply), Some(PathResult::Passed), None),
        (
            Some(PathResult::NoNeighbour),
            Some(PathResult::NoReply),
            Some(Unavailability::Gone),
        ),
        (
            Some(PathResult::NoNeighbour),
            Some(PathResult::Passed),
            None,
        ),
        (
            Some(PathResult::NoReply),
            Some(PathResult::Unknown),
            unreachable,
        ),
    ] {
        assert_eq!(loss(plain, vip), expected, "{plain:?} {vip:?}");
    }
}
