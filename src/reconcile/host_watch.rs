//! What another hand changes on this host is repaired within a second: its
//! addresses and interfaces are heard of, its parameters are looked at.

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

/// From a change to a look: what is changed together is seen together, and a
/// host on which much changes is not looked at more often than this.
const SETTLED: Duration = Duration::from_millis(100);

/// How often kernel parameters, of which nobody tells, are looked at.
const PERIOD: Duration = Duration::from_millis(500);

/// Repairs that may follow each other at once, and how long it takes until one
/// more may: another program that wants it otherwise makes no busy loop.
const REPAIRS: u32 = 10;
const REFILL: Duration = Duration::from_secs(10);

/// While changes are not heard of.
const UNHEARD: &str = "changes by other programs are repaired only by the next full comparison \
     (`resync_interval`)";

/// When to look at this host between two full passes, and how often to repair.
#[derive(Debug)]
pub(super) struct HostWatch {
    changes: HostChanges,
    /// When to look at addresses, since something changed there.
    changed: Option<Instant>,
    /// When to look at parameters.
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

    /// Waits until it is time to look. Cancel-safe.
    pub(super) async fn due(&mut self) {
        loop {
            let next = self.changed.map_or(self.next, |at| at.min(self.next));
            tokio::select! {
                biased;
                () = sleep_until(RuntimeInstant::from_std(next)) => return,
                () = self.changes.changed() => {
                    self.changed.get_or_insert_with(|| clock::monotonic() + SETTLED);
                }
            }
        }
    }

    /// Begins a look; whether addresses are to be looked at as well.
    pub(super) fn begin(&mut self) -> bool {
        let now = clock::monotonic();
        self.next = now + PERIOD;
        let due = self.changed.is_some_and(|at| at <= now);
        if due {
            self.changed = None;
        }
        due
    }

    /// Whether a repair may be made now; else another look follows when it may.
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

/// So many at once, then one in so long.
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

    /// Takes one; `Err` tells when there is one.
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

    /// Whether this host's parameters, and its addresses where `addresses` says
    /// so, are not as desired. What the last pass could not bring about does
    /// not count, unless an address or an interface changed since.
    ///
    /// What cannot be read is found, and said, by the next full pass.
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
            debug!(error = error_chain(&error), "this host was not seen");
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
