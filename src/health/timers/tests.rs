use std::time::Duration;

use super::*;
use crate::runtime::clock;

#[test]
fn the_nearest_comes_first_and_a_new_deadline_takes_the_place_of_the_old() {
    let start = clock::monotonic();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut timers = Timers::new(3);
    timers.set(0, Some(at(5)));
    timers.set(1, Some(at(3)));
    timers.set(2, Some(at(3)));
    timers.set(0, Some(at(1)));
    timers.set(9, Some(at(0)));
    assert_eq!(timers.next(), Some(at(1)));
    assert_eq!(timers.take_due(at(0)), None);
    assert_eq!(timers.take_due(at(1)), Some(0));
    assert_eq!(timers.take_due(at(2)), None);
    timers.set(1, None);
    assert_eq!(timers.take_due(at(9)), Some(2));
    assert_eq!((timers.take_due(at(9)), timers.next()), (None, None));
}
