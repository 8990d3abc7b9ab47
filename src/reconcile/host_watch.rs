//! Repair of changes by other programs on this host within a second: the kernel
//! notifies of addresses and interfaces, and parameters are read regularly.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::{Instant as RuntimeInstant, sleep_until};
use tracing::debug;

use super::{Reconciler, Writing};
use crate::config::Config;
use crate::kernel::{Cause, HostChanges, Ipvs, KernelError};
use crate::plan::{State, Subject};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;

/// From a notification to the comparison: changes that are made together are seen
/// together, and a busy host is not compared more often than this.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// How often kernel parameters are read, for which there are no notifications.
const PERIOD: Duration = Duration::from_millis(500);

/// The number of repairs without a pause, and the time until one more is allowed:
/// another program with other intentions causes no busy loop.
const REPAIRS: u32 = 10;
const REFILL: Duration = Duration::from_secs(10);

/// Without notifications of changes.
const UNHEARD: &str = "changes by other programs are repaired only by the next full comparison \
     (`resync_interval`)";

/// When to compare this host between two full passes, and how often to repair.
#[derive(Debug)]
pub(super) struct HostWatch {
    changes: HostChanges,
    /// When to compare addresses, after a notification.
    changed: Option<Instant>,
    /// When to compare parameters.
    next: Instant,
    budget: Budget,
}

impl HostWatch {
    /// Opens nothing yet.
    pub(super) fn new() -> Self {
        let now = clock::monotonic();
        Self {
            changes: HostChanges::new(UNHEARD),
            changed: None,
            next: now + PERIOD,
            budget: Budget::new(now),
        }
    }

    /// Waits until the next comparison. Cancel-safe.
    pub(super) async fn due(&mut self) {
        loop {
            let next = self.changed.map_or(self.next, |at| at.min(self.next));
            tokio::select! {
                biased;
                () = sleep_until(RuntimeInstant::from_std(next)) => return,
                () = self.changes.changed() => {
                    self.changed.get_or_insert_with(|| clock::monotonic() + DEBOUNCE);
                }
            }
        }
    }

    /// Begins a comparison; returns whether to compare addresses as well.
    pub(super) fn begin(&mut self) -> bool {
        let now = clock::monotonic();
        self.next = now + PERIOD;
        let due = self.changed.is_some_and(|at| at <= now);
        if due {
            self.changed = None;
        }
        due
    }

    /// Whether a repair is allowed now; otherwise the next comparison follows when it is.
    pub(super) fn may_repair(&mut self) -> bool {
        let now = clock::monotonic();
        match self.budget.take(now) {
            Ok(()) => true,
            Err(at) => {
                self.next = at;
                self.changed = Some(at);
                false
            }
        }
    }
}

/// A number of repairs at once, then one after each pause.
#[derive(Debug)]
struct Budget {
    left: u32,
    refilled: Instant,
}

impl Budget {
    const fn new(now: Instant) -> Self {
        Self {
            left: REPAIRS,
            refilled: now,
        }
    }

    /// Takes one repair; `Err` is the time of the next one.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        while self.left < REPAIRS && now >= self.refilled + REFILL {
            self.left += 1;
            self.refilled += REFILL;
        }
        if self.left == REPAIRS {
            self.refilled = now;
        }
        if self.left == 0 {
            return Err(self.refilled + REFILL);
        }
        self.left -= 1;
        Ok(())
    }
}

impl<T: Ipvs> Reconciler<T> {
    /// Refuses another name of the link.
    pub(super) async fn check_link(&mut self, config: &Config) -> Result<(), KernelError> {
        match &config.director.link {
            Some(link) => self.kernel.addresses.check_name(link).await,
            None => Ok(()),
        }
    }

    /// Whether this host's parameters, and with `addresses` its addresses, differ from
    /// the desired ones. Failed steps of the last pass do not count, unless an
    /// address or an interface changed since.
    ///
    /// The next full pass reports what cannot be read.
    pub(super) async fn host_differs(&mut self, desired: &State, addresses: bool) -> bool {
        if self.writing == Writing::DryRun {
            return false;
        }
        let differs = self.parameters_differ(desired, addresses);
        let differs = match differs {
            Ok(false) if addresses => self.addresses_differ(desired).await,
            found => found,
        };
        differs.unwrap_or_else(|error| {
            debug!(error = error_chain(&error), "this host could not be read");
            false
        })
    }

    fn parameters_differ(&self, desired: &State, with_failed: bool) -> Result<bool, KernelError> {
        for (key, value) in &desired.sysctls {
            let differs = self.kernel.sysctls.read(key)?.as_ref() != Some(value);
            let failed = self.failed.contains(&Subject::Sysctl(key.clone()));
            if differs && (with_failed || !failed) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn addresses_differ(&mut self, desired: &State) -> Result<bool, KernelError> {
        let interfaces: BTreeSet<_> = desired.addresses.iter().map(|a| &a.interface).collect();
        for interface in interfaces {
            let listed = match self.kernel.addresses.list(interface).await {
                Ok(listed) => listed,
                Err(KernelError {
                    cause: Cause::NoInterface(_),
                    ..
                }) => return Ok(true),
                Err(error) => return Err(error),
            };
            let mut here = desired.addresses.iter();
            let missing = here.any(|address| {
                address.interface == *interface
                    && !listed.contains_key(&(address.address, address.prefix_length()))
            });
            if missing {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_repairs_at_once_and_then_one_in_ten_seconds() {
        let start = clock::monotonic();
        let mut budget = Budget::new(start);
        for _ in 0..10 {
            assert_eq!(budget.take(start), Ok(()));
        }
        let next = start + REFILL;
        assert_eq!(budget.take(start), Err(next));
        assert_eq!(budget.take(next), Ok(()));
        assert_eq!(budget.take(next), Err(next + REFILL));
        let later = next + REFILL * 100;
        for _ in 0..10 {
            assert_eq!(budget.take(later), Ok(()), "all of them are back");
        }
        assert!(budget.take(later).is_err());
    }
}
