use super::*;
use crate::runtime::clock;

#[test]
fn many_ends_at_once_make_a_bounded_number_of_probes() {
    let mut now = clock::monotonic();
    let mut budget = Budget::default();
    let all = |budget: &mut Budget, now| (0..20_000).filter(|_| budget.take(now)).count();
    assert_eq!(all(&mut budget, now), 1000);
    now += AGAIN / 2;
    assert_eq!(all(&mut budget, now), 0);
    now += AGAIN / 2;
    assert_eq!(all(&mut budget, now), 1);
    now += Duration::from_millis(250);
    assert_eq!(all(&mut budget, now), 250);
    now += Duration::from_hours(24 * 365);
    assert_eq!(all(&mut budget, now), 1000);
}
