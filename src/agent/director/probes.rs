//! The probes of a configuration, and how often their tasks report.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::health::Subscriptions;
use crate::probe::{ProbeTarget, ProbeTasks, probe_targets};
use crate::runtime::clock;
use crate::runtime::liveness::{Liveness, Loop};

/// Makes the configuration's probes those that run.
pub(super) fn subscribe(probes: &mut ProbeTasks, config: &Config) -> Subscriptions {
    let mut targets = probe_targets(config);
    let handles = probes.change_to(&targets);
    // A probe that goes on has one specification in memory.
    for (target, spec) in targets.iter_mut().zip(probes.specs()) {
        target.spec = Arc::clone(spec);
    }
    Subscriptions {
        probes: handles,
        targets,
    }
}

pub(super) fn watched_loops(config: &Config, targets: &[ProbeTarget]) -> Liveness {
    let (now, loops) = (clock::monotonic(), [Loop::Reconcile, Loop::Health]);
    let liveness = Liveness::new(now, config.director.resync_interval, loops);
    match report_interval(targets) {
        Some(interval) => liveness.and(Loop::Probes, now, interval),
        None => liveness,
    }
}

/// How often the probe loops report that they turn, if there are any: the longest
/// time from report to report of the most frequent check. `health::probe_loops`
/// watches each probe by itself.
pub(super) fn report_interval(targets: &[ProbeTarget]) -> Option<Duration> {
    let checks = targets.iter().map(|target| &target.spec.check);
    checks
        .map(|check| check.longest_interval() + check.longest_probe())
        .min()
}
