use super::*;
use crate::config::CheckKind;
use crate::status::fixture;

#[test]
fn one_silent_probe_among_many_is_found() {
    let second = Duration::from_secs(1);
    let check = Check {
        interval: second,
        fast_interval: second,
        down_interval: second * 2,
        timeout: second,
        ..fixture::check(CheckKind::Http(fixture::http_check()))
    };
    let start = crate::runtime::clock::monotonic();
    let ids: Vec<_> = (0..100).map(ProbeId).collect();
    let mut loops = ProbeLoops::new(ids.iter().map(|id| (*id, &check)), start);
    let silent = ProbeId(42);
    let all_but_one = |loops: &mut ProbeLoops, now| {
        for id in ids.iter().filter(|id| **id != silent) {
            loops.reported(*id, now);
        }
    };
    let bound = second * 14;
    all_but_one(&mut loops, start + bound);
    assert_eq!(loops.check(start + bound), Some(Stuck::default()));
    let later = start + bound + second;
    assert_eq!(loops.check(start + bound + second / 2), None);
    let one = |new| Some(Stuck { number: 1, new });
    assert_eq!(loops.check(later), one(Some((silent, bound + second))));
    // It is told once, and is stuck for as long as it is silent.
    assert_eq!(loops.check(later + second), one(None));
    loops.reported(silent, later + second);
    assert_eq!(loops.check(later + second * 2), Some(Stuck::default()));
}
