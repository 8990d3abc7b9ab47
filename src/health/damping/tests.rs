use proptest::prelude::*;

use super::*;
use crate::runtime::clock;

fn two() -> NonZeroU16 {
    NonZeroU16::new(2).unwrap()
}

#[test]
fn each_fall_after_the_first_doubles_the_rise_up_to_a_bound() {
    let mut now = clock::monotonic();
    let mut damping = Damping::default();
    assert_eq!(damping.rise(two(), now), two());
    let mut rises = Vec::new();
    for _ in 0..300 {
        damping.fell(now);
        rises.push(damping.rise(two(), now).get());
        now += Duration::from_mins(1);
    }
    assert_eq!(rises[..8], [2, 4, 8, 16, 32, 64, 64, 64]);
    assert_eq!(rises[299], 64, "no overflow");
}

#[test]
fn it_forgets_with_time() {
    let start = clock::monotonic();
    let mut damping = Damping::default();
    for _ in 0..4 {
        damping.fell(start);
    }
    let after = |minutes| {
        damping
            .rise(two(), start + Duration::from_mins(minutes))
            .get()
    };
    assert_eq!(
        [0, 4, 5, 10, 15, 20, 10_000].map(after),
        [16, 16, 8, 4, 2, 2, 2]
    );
}

proptest! {
    #[test]
    fn the_rise_is_never_less_than_configured_nor_more_than_32_times_it(
        rise in 1..=1000_u16,
        pauses in proptest::collection::vec(0..2000_u64, 0..40),
    ) {
        let rise = NonZeroU16::new(rise).unwrap();
        let mut now = clock::monotonic();
        let mut damping = Damping::default();
        for pause in pauses {
            let before = damping.rise(rise, now);
            now += Duration::from_secs(pause);
            let later = damping.rise(rise, now);
            prop_assert!(later <= before, "time alone never makes it longer");
            damping.fell(now);
            let fallen = damping.rise(rise, now);
            prop_assert!(fallen >= later);
            prop_assert!(fallen >= rise && fallen.get() <= 32 * rise.get());
        }
    }
}
