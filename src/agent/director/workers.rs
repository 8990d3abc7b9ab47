//! How many threads carry out the tasks of a director.

use std::time::Duration;

use crate::config::Config;
use crate::probe::{ProbeTarget, processor_time};
use crate::runtime::resting_worker::RestingWorker;

/// Probes that take more processor time in each second get a second worker.
const LARGEST_TIME: Duration = Duration::from_millis(250);

/// A table of more real servers, whose comparison holds up probes, gets a second worker.
const LARGEST_TABLE: usize = 2_000;

/// The workers for probes, health and reconcile: two from the first configuration on that needs
/// both, and one before. Two that have little to do wake each other for each probe, which takes
/// nearly twice the processor time of one with 500 probes a second (tests/bench).
pub(super) struct Workers {
    second: Option<RestingWorker>,
}

impl Workers {
    pub(super) const fn with(second: Option<RestingWorker>) -> Self {
        Self { second }
    }

    /// Ends the rest of the second worker if this configuration, with these probes, needs both.
    pub(super) fn provide_for(&mut self, config: &Config, targets: &[ProbeTarget]) {
        if needs_second(config, targets) && self.second.take().is_some() {
            tracing::debug!("a second thread carries out probes from now on");
        }
    }
}

fn needs_second(config: &Config, targets: &[ProbeTarget]) -> bool {
    let services = config.virtual_services.iter();
    let table: usize = services.map(|service| service.real_servers.len()).sum();
    table > LARGEST_TABLE || processor_time(targets) > LARGEST_TIME
}

#[cfg(test)]
mod tests;
