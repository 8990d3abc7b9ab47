use super::*;

/// What is to be gone by after each probe through a VIP.
fn after(probes: &[Sight]) -> Vec<Option<Sight>> {
    let mut seen = Seen::default();
    let note = |sight: &Sight| {
        seen.note(None, Some(*sight));
        seen.vip
    };
    probes.iter().map(note).collect()
}

#[test]
fn a_single_doubtful_probe_is_no_news_and_two_in_a_row_are() {
    use Sight::{Refused, Unknown, Well};
    let some = |sights: &[Sight]| sights.iter().copied().map(Some).collect::<Vec<_>>();
    for (probes, found) in [
        (&[Well, Unknown, Well, Unknown, Well], [Well; 5]),
        (
            &[Well, Unknown, Unknown, Unknown, Well],
            [Well, Well, Unknown, Unknown, Well],
        ),
        (
            &[Unknown, Unknown, Well, Unknown, Refused],
            [Unknown, Unknown, Well, Well, Refused],
        ),
    ] {
        assert_eq!(after(probes), some(&found), "{probes:?}");
    }
}

#[test]
fn either_way_may_be_in_doubt() {
    let (well, unknown) = (Some(Sight::Well), Some(Sight::Unknown));
    for (before, doubtful) in [
        ((well, well), (well, unknown)),
        ((well, well), (unknown, well)),
        ((well, None), (unknown, None)),
        ((None, well), (None, unknown)),
    ] {
        let mut seen = Seen::default();
        let found = [before, doubtful, doubtful].map(|(plain, vip)| {
            seen.note(plain, vip);
            (seen.plain, seen.vip)
        });
        assert_eq!(found, [before, before, doubtful]);
    }
}

#[test]
fn lost_is_what_refuses_or_does_not_answer_on_the_clients_path() {
    let loss = |plain, vip| {
        let mut seen = Seen::default();
        seen.note(plain, vip);
        seen.loss()
    };
    let unreachable = Some(Loss::Unreachable);
    for (plain, vip, expected) in [
        (None, None, None),
        (Some(Sight::Well), None, None),
        (Some(Sight::Wrong), None, None),
        (Some(Sight::Unknown), None, None),
        (Some(Sight::Refused), None, unreachable),
        (Some(Sight::Silent), None, unreachable),
        (Some(Sight::Filtered), None, unreachable),
        (Some(Sight::Mute), None, unreachable),
        (Some(Sight::NoNeighbour), None, Some(Loss::Gone)),
        // What clients meet counts, where that is known.
        (Some(Sight::Well), Some(Sight::Silent), unreachable),
        (Some(Sight::Silent), Some(Sight::Well), None),
        (
            Some(Sight::NoNeighbour),
            Some(Sight::Silent),
            Some(Loss::Gone),
        ),
        (Some(Sight::NoNeighbour), Some(Sight::Well), None),
        (Some(Sight::Silent), Some(Sight::Unknown), unreachable),
    ] {
        assert_eq!(loss(plain, vip), expected, "{plain:?} {vip:?}");
    }
}
