use super::*;
use crate::runtime::clock;

#[test]
fn a_silent_loop_is_named() {
    let start = clock::monotonic();
    let second = Duration::from_secs(1);
    let liveness = Liveness::new(start, second * 10, [Loop::Reconcile, Loop::Health]);
    assert_eq!(liveness.stuck(start + second * 35), []);
    liveness.beat(Loop::Health, start + second * 30);
    let stuck = Stuck {
        which: Loop::Reconcile,
        silence: second * 36,
    };
    assert_eq!(liveness.stuck(start + second * 36), [stuck]);
    liveness.beat(Loop::Reconcile, start + second * 36);
    assert_eq!(liveness.stuck(start + second * 37), []);
}

#[test]
fn each_loop_has_a_bound_of_its_own() {
    let start = clock::monotonic();
    let second = Duration::from_secs(1);
    let liveness = Liveness::new(start, second * 10, [Loop::Reconcile]);
    let liveness = liveness.and(Loop::Probes, start, second);
    let stuck = liveness.stuck(start + second * 9);
    let named: Vec<_> = stuck.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["the probe loop has not turned for 9s"]);
}
