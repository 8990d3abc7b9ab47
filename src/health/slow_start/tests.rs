use proptest::prelude::*;

use super::*;
use crate::runtime::clock;

fn slow_start(scheduler: &str, seconds: u64) -> SlowStart {
    SlowStart::new(Duration::from_secs(seconds), &scheduler.parse().unwrap())
}

/// Every weight from the beginning on, by following the deadlines.
fn steps(slow_start: SlowStart, configured: u32) -> Vec<(Duration, u32)> {
    let since = clock::monotonic();
    let configured = Weight::new(configured).unwrap();
    let mut steps = Vec::new();
    let mut now = since;
    loop {
        let (weight, next) = slow_start.weight(configured, since, now);
        steps.push((now - since, weight.get()));
        match next {
            Some(next) => now = next,
            None => return steps,
        }
    }
}

#[test]
fn the_steps_of_the_usual_weights() {
    let weights = |scheduler, configured| -> Vec<_> {
        let steps = steps(slow_start(scheduler, 28), configured);
        steps
            .into_iter()
            .map(|(at, weight)| (at.as_secs(), weight))
            .collect()
    };
    assert_eq!(
        weights("wlc", 100),
        [
            (0, 13),
            (4, 25),
            (8, 38),
            (12, 50),
            (16, 63),
            (20, 75),
            (24, 88),
            (28, 100)
        ]
    );
    assert_eq!(weights("mh", 100), [(0, 34), (14, 67), (28, 100)]);
    assert_eq!(weights("wlc", 2), [(0, 1), (28, 2)]);
    assert_eq!(weights("wlc", 1), [(0, 1)]);
    assert_eq!(weights("wlc", 0), [(0, 0)]);
    assert_eq!(steps(slow_start("wlc", 0), 100), [(Duration::ZERO, 100)]);
}

proptest! {
    #[test]
    fn it_rises_to_the_whole_weight_in_few_steps(
        configured in 0..=Weight::MAX.get(),
        seconds in 1..3600_u64,
        mut looks in proptest::collection::vec(0..4000_u64, 1..50),
    ) {
        let slow_start = slow_start("wlc", seconds);
        let all = steps(slow_start, configured);
        prop_assert!(all.len() <= 8);
        prop_assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].1), "{all:?}");
        prop_assert_eq!(all.last().unwrap().1, configured);
        prop_assert!(all.last().unwrap().0 <= Duration::from_secs(seconds));

        let since = clock::monotonic();
        let configured = Weight::new(configured).unwrap();
        looks.sort_unstable();
        let mut before = Weight::ZERO;
        for look in looks {
            let now = since + Duration::from_secs(look);
            let (weight, next) = slow_start.weight(configured, since, now);
            prop_assert!(weight >= before && weight <= configured);
            prop_assert!(next.is_none_or(|next| next > now));
            prop_assert_eq!(next.is_none(), weight == configured);
            prop_assert!(look < seconds || weight == configured);
            before = weight;
        }
    }
}
