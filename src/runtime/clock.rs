//! The one place that reads a clock. Everything else takes time as an argument.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads a clock"
)]

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// Now, on the monotonic clock; in tests with paused time, the runtime's.
pub(crate) fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time since this host started, in suspension or not, whatever its clock is set to.
pub(crate) fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// Now, on the wall clock: for people, for timestamps in metrics, and for what
/// certificates say of it; never to decide what a duration can.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
