use std::time::{Duration, SystemTime};

use super::CompactTime;

#[test]
fn keeps_the_nanoseconds_of_a_time() {
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_767_323_046, 123_456_789);
    assert_eq!(SystemTime::from(CompactTime::from(time)), time);
}

#[test]
fn time_that_is_too_early_or_too_late_is_the_nearest_one() {
    let again = |time| SystemTime::from(CompactTime::from(time));
    let first = SystemTime::UNIX_EPOCH + Duration::from_nanos(1);
    assert_eq!(
        again(SystemTime::UNIX_EPOCH - Duration::from_hours(1)),
        first
    );
    let last = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::MAX);
    assert_eq!(again(last + Duration::from_hours(1)), last);
}

#[test]
fn time_that_may_be_missing_takes_eight_bytes() {
    assert_eq!(size_of::<Option<CompactTime>>(), 8);
}
