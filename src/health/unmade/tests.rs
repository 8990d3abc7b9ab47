use std::time::Duration;

use super::*;
use crate::probe::ProbeResult;

fn note(unmade: &mut Unmade, probe: u32, result: ProbeResult, detail: &str) -> Option<Told> {
    let outcome = Outcome {
        result,
        detail: detail.to_owned(),
        duration: Duration::ZERO,
        advice: None,
        certificate_expiry: None,
        plain: None,
        vip: None,
    };
    unmade.note(ProbeId(probe), &outcome)
}

fn cannot(reason: &str) -> Told {
    Told::Cannot(reason.to_owned())
}

fn again(reason: &str) -> Told {
    Told::Again(reason.to_owned())
}

#[test]
fn a_probe_that_never_can_be_made_hides_no_other_trouble() {
    use ProbeResult::{Internal, Ok, Refused};
    let mut unmade = Unmade::default();
    let user = "there is no user `nosuchuser`";
    assert_eq!(note(&mut unmade, 0, Internal, user), Some(cannot(user)));
    assert_eq!(note(&mut unmade, 1, Internal, user), None);
    for _ in 0..2 {
        let lacking = note(&mut unmade, 2, Internal, OUT_OF_DESCRIPTORS);
        assert_eq!(lacking, Some(cannot(OUT_OF_DESCRIPTORS)));
        let run = std::io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32);
        let run = format!("cannot run /bin/true: {run}");
        assert_eq!(note(&mut unmade, 3, Internal, &run), None);
        assert_eq!(note(&mut unmade, 0, Internal, user), None);
        assert_eq!(note(&mut unmade, 2, Ok, ""), None);
        let over = note(&mut unmade, 3, Refused, "");
        assert_eq!(over, Some(again(OUT_OF_DESCRIPTORS)));
    }
    assert_eq!(note(&mut unmade, 0, Ok, ""), None);
    assert_eq!(note(&mut unmade, 1, Ok, ""), Some(again(user)));
    assert_eq!(note(&mut unmade, 1, Ok, ""), None);
}

#[test]
fn reasons_without_end_are_told_within_bounds() {
    let mut unmade = Unmade::default();
    let mut told = 0;
    for n in 0..100 {
        let detail = format!("one probe, reason {n}");
        told += usize::from(note(&mut unmade, 0, ProbeResult::Internal, &detail).is_some());
    }
    assert_eq!(told, usize::from(MOST_CHANGES));
    for probe in 1..100 {
        let detail = format!("probe {probe}");
        told += usize::from(note(&mut unmade, probe, ProbeResult::Internal, &detail).is_some());
    }
    assert_eq!(told, usize::from(MOST_CHANGES) + MOST_REASONS);
    let lacking = note(&mut unmade, 0, ProbeResult::Internal, OUT_OF_DESCRIPTORS);
    assert_eq!(lacking, Some(cannot(OUT_OF_DESCRIPTORS)));

    unmade.retain(|probe| probe == ProbeId(0));
    assert_eq!((unmade.probes.len(), unmade.reasons.len()), (1, 1));
    let new = note(&mut unmade, 1, ProbeResult::Internal, "probe 1");
    assert_eq!(new, Some(cannot("probe 1")));
}
