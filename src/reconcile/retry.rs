//! Waits between passes.

use std::time::Duration;

/// The wait before the next full pass: the resync interval after success, less
/// after a failure, doubling up to the resync interval.
#[derive(Debug)]
pub(crate) struct Retry {
    resync_interval: Duration,
    failures: u32,
}

/// The first wait after a failure: long enough for a module to load or an
/// interface to return, and too short to be noticed.
const FIRST: Duration = Duration::from_millis(250);

impl Retry {
    pub(crate) fn new(resync_interval: Duration) -> Self {
        Self {
            resync_interval,
            failures: 0,
        }
    }

    /// The wait after a pass.
    pub(crate) fn after(&mut self, succeeded: bool) -> Duration {
        if succeeded {
            self.failures = 0;
            return self.resync_interval;
        }
        let wait = FIRST.saturating_mul(2u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        wait.min(self.resync_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_resync_interval_and_start_over() {
        let mut retry = Retry::new(Duration::from_secs(2));
        let waits: Vec<_> = (0..40).map(|_| retry.after(false).as_millis()).collect();
        assert_eq!(waits[..5], [250, 500, 1000, 2000, 2000]);
        assert_eq!(waits[39], 2000, "no overflow");
        assert_eq!(retry.after(true).as_millis(), 2000);
        assert_eq!(retry.after(false).as_millis(), 250);
    }
}
