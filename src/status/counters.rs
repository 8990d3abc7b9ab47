//! What is counted of the probes and the health of one real server.

use std::time::SystemTime;

use crate::model::{CompactTime, Health, ProbeResult};

/// The counts of one real server since the start of this process.
///
/// Failures are boxed: there may be tens of thousands of real servers, and most never fail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    passed: u32,
    transitions_up: u32,
    first_passed: Option<CompactTime>,
    first_up: Option<CompactTime>,
    failures: Option<Box<Failures>>,
}

/// The counts that few real servers have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Failures {
    /// By [`ProbeResult::index`], without the probes that passed.
    results: [u32; ProbeResult::ALL.len()],
    transitions_down: u32,
    first_failed: Option<CompactTime>,
    first_down: Option<CompactTime>,
}

/// When counters of a real server left 0.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FirstCounted {
    pub(crate) passed: Option<SystemTime>,
    pub(crate) failed: Option<SystemTime>,
    pub(crate) up: Option<SystemTime>,
    pub(crate) down: Option<SystemTime>,
}

impl Counters {
    /// Counts a probe that ended at `at`. After 2^32 a count begins again, as after a restart.
    pub(crate) fn count_probe(&mut self, result: ProbeResult, at: SystemTime) {
        if let Some(count) = self.of_mut(result) {
            *count = count.wrapping_add(1);
        }
        match result.evidence() {
            Some(true) => {
                self.first_passed.get_or_insert_with(|| at.into());
            }
            Some(false) => {
                let failures = self.failures.get_or_insert_default();
                failures.first_failed.get_or_insert_with(|| at.into());
            }
            None => {}
        }
    }

    /// Counts a change of health at `at`.
    pub(crate) fn count_transition(&mut self, to: Health, at: SystemTime) {
        match to {
            Health::Up => {
                self.transitions_up = self.transitions_up.wrapping_add(1);
                self.first_up.get_or_insert_with(|| at.into());
            }
            Health::Down => {
                let failures = self.failures.get_or_insert_default();
                failures.transitions_down = failures.transitions_down.wrapping_add(1);
                failures.first_down.get_or_insert_with(|| at.into());
            }
            Health::Unknown => {}
        }
    }

    fn of_mut(&mut self, result: ProbeResult) -> Option<&mut u32> {
        if result == ProbeResult::Ok {
            return Some(&mut self.passed);
        }
        let failures = self.failures.get_or_insert_default();
        failures.results.get_mut(result.index())
    }

    /// The probes by [`ProbeResult::index`].
    pub(crate) fn probes(&self) -> [u32; ProbeResult::ALL.len()] {
        let failures = self.failures.as_deref();
        let failed = failures.map(|failures| failures.results);
        let mut probes = failed.unwrap_or_default();
        if let Some(passed) = probes.get_mut(ProbeResult::Ok.index()) {
            *passed = self.passed;
        }
        probes
    }

    /// How often the health became up.
    pub(crate) fn transitions_up(&self) -> u64 {
        self.transitions_up.into()
    }

    /// How often the health became down.
    pub(crate) fn transitions_down(&self) -> u64 {
        let failures = self.failures.as_deref();
        failures.map_or(0, |failures| failures.transitions_down.into())
    }

    /// When counters left 0.
    pub(crate) fn first_counted(&self) -> FirstCounted {
        let failures = self.failures.as_deref();
        FirstCounted {
            passed: self.first_passed.map(SystemTime::from),
            failed: failures
                .and_then(|it| it.first_failed)
                .map(SystemTime::from),
            up: self.first_up.map(SystemTime::from),
            down: failures.and_then(|it| it.first_down).map(SystemTime::from),
        }
    }
}

#[cfg(test)]
impl Counters {
    /// Sets the number of probes with a result.
    pub(crate) fn set_probes(&mut self, result: ProbeResult, count: u32) {
        *self.of_mut(result).unwrap() = count;
    }

    /// Sets how often the health became up or down.
    pub(crate) fn set_transitions(&mut self, up: u32, down: u32) {
        self.transitions_up = up;
        self.failures.get_or_insert_default().transitions_down = down;
    }

    /// Sets when failures were first counted.
    pub(crate) fn set_first_failures(&mut self, failed: SystemTime, down: SystemTime) {
        let failures = self.failures.get_or_insert_default();
        failures.first_failed = Some(failed.into());
        failures.first_down = Some(down.into());
    }
}

#[cfg(test)]
mod tests;
