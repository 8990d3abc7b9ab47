use super::*;
use crate::clock;

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
