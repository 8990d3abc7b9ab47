use proptest::prelude::*;

use super::*;
use crate::runtime::clock;

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn end_of_a_connection_makes_one_probe_if_it_passes() {
    let ended = clock::monotonic();
    let now = ended + MILLISECOND * 500;
    let mut probes = BroughtForward::default();
    probes.begin(now, Some(ended));
    assert_eq!(probes.next(), Some(now));
    assert!(probes.on_wake(now, ProbeRate::Normal));
    probes.ended(now + MILLISECOND, ProbeResult::Ok);
    assert_eq!(probes, BroughtForward::default());
}

#[test]
fn refused_probes_follow_each_other_until_the_verdict() {
    let mut now = clock::monotonic();
    let mut probes = BroughtForward::default();
    probes.begin(now, None);
    for number in 1..=3 {
        assert_eq!(probes.next(), Some(now), "{number}");
        assert!(probes.on_wake(now, ProbeRate::Fast), "{number}");
        probes.ended(now, ProbeResult::Refused);
        assert!(!probes.on_wake(now + MILLISECOND * 9, ProbeRate::Fast));
        now += PAUSE;
    }
    assert!(!probes.on_wake(now, ProbeRate::Down));
    assert_eq!(probes, BroughtForward::default());
}

#[test]
fn an_answer_and_silence_are_followed_by_the_schedule() {
    for result in [
        ProbeResult::Status,
        ProbeResult::Timeout,
        ProbeResult::Internal,
    ] {
        let now = clock::monotonic();
        let mut probes = BroughtForward::default();
        probes.begin(now, None);
        assert!(probes.on_wake(now, ProbeRate::Normal));
        probes.ended(now, result);
        assert_eq!(probes.next(), None, "{result:?}");
    }
}

#[test]
fn a_probe_of_the_schedule_does_not_stand_for_the_one_asked_for() {
    let now = clock::monotonic();
    let mut probes = BroughtForward::default();
    // The last probe ended just now, so the probe that is brought forward waits a moment.
    probes.begin(now, Some(now));
    assert_eq!(probes.next(), Some(now + PAUSE));
    probes.ended(now + MILLISECOND * 5, ProbeResult::Ok);
    assert!(probes.on_wake(now + PAUSE, ProbeRate::Normal));
}

fn result() -> impl Strategy<Value = ProbeResult> {
    (0..ProbeResult::ALL.len()).prop_map(|index| ProbeResult::ALL[index])
}

proptest! {
    /// Whatever comes, each end makes at most one probe and those that may follow it, and none
    /// starts right after another.
    #[test]
    fn early_probes_are_bounded_and_apart(
        steps in prop::collection::vec((0_u32..30, prop::bool::weighted(0.05), result(), 0_u8..3), 1..300),
    ) {
        let mut now = clock::monotonic();
        let mut probes = BroughtForward::default();
        let (mut ends, mut made) = (0_usize, 0_usize);
        let mut ended = None;
        for (wait, is_end, result, rate) in steps {
            now += MILLISECOND * wait;
            if is_end {
                probes.begin(now, ended);
                ends += 1;
            }
            let rate = [ProbeRate::Normal, ProbeRate::Fast, ProbeRate::Down][usize::from(rate)];
            if probes.on_wake(now, rate) {
                made += 1;
                prop_assert!(ended.is_none_or(|ended| now >= ended + PAUSE));
                now += MILLISECOND;
                probes.ended(now, result);
                ended = Some(now);
            }
            prop_assert!(made <= ends * (1 + usize::from(FOLLOWING)));
        }
        if ends == 0 {
            prop_assert_eq!(made, 0);
        }
    }
}
