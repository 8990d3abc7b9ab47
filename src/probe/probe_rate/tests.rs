use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::*;
use crate::runtime::clock;

const LONG: Duration = Duration::from_hours(1);

async fn sleep(rate: &SharedProbeRate, until: Instant) -> Woken {
    rate.sleep(pin!(sleep_until(until.into()))).await
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_wakes_in_time_or_when_something_asks_for_it() {
    let rate = SharedProbeRate::default();
    let start = clock::monotonic();
    assert_eq!(sleep(&rate, start + LONG).await, Woken::InTime);
    assert_eq!(clock::monotonic(), start + LONG);

    // What was asked for while nobody slept is not lost.
    rate.bring_forward();
    assert_eq!(sleep(&rate, start + LONG * 2).await, Woken::BroughtForward);
    assert_eq!(clock::monotonic(), start + LONG);
    assert_eq!(sleep(&rate, start + LONG * 2).await, Woken::InTime);
}

#[tokio::test(start_paused = true)]
async fn a_watched_probe_wakes_when_its_real_server_is_up() {
    let start = clock::monotonic();
    for is_watched in [true, false] {
        let rate = SharedProbeRate::new(is_watched);
        rate.set(ProbeRate::Normal);
        let woken = if is_watched { Woken::Up } else { Woken::InTime };
        assert_eq!(sleep(&rate, start + LONG).await, woken);
        rate.set(ProbeRate::Normal);
        assert_eq!(sleep(&rate, start + LONG).await, Woken::InTime);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_wakes_when_the_rate_becomes_urgent_and_only_then() {
    let rate = Arc::new(SharedProbeRate::default());
    let start = clock::monotonic();
    let sleeper = {
        let rate = Arc::clone(&rate);
        tokio::spawn(async move { sleep(&rate, start + LONG).await })
    };
    for (seconds, change) in [
        (1, ProbeRate::Fast),
        (2, ProbeRate::Down),
        (3, ProbeRate::Normal),
        (4, ProbeRate::Fast),
    ] {
        tokio::time::sleep_until((start + Duration::from_secs(seconds)).into()).await;
        assert!(!sleeper.is_finished(), "{seconds}");
        rate.set(change);
        assert_eq!(rate.get(), change);
    }
    assert_eq!(sleeper.await.unwrap(), Woken::MoreUrgent);
    assert_eq!(clock::monotonic(), start + Duration::from_secs(4));
}
