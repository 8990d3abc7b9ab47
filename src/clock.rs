//! The one place that reads a clock. Everything else takes time as an argument.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads a clock"
)]

use std::time::{Instant, SystemTime};

/// Now, on the monotonic clock; in tests with paused time, the runtime's.
pub(crate) fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Now, on the wall clock: for people and for timestamps in metrics, never to decide.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
