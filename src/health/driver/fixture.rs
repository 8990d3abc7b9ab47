//! What the tests of the driver share.

use super::*;
use crate::model::ProbeResult;
use crate::probe::{Outcome, probe_targets};
use crate::status::fixture;

/// A driver of this configuration, whose probes are numbered as their targets are.
pub(super) fn driver(config: &Config) -> (Driver, Vec<ProbeTarget>) {
    let names = config.virtual_services.iter().map(|service| &*service.name);
    let metrics = Arc::new(Metrics::new(names).unwrap());
    let snapshot = Snapshot::director(config, "cluster.yaml".into(), SystemTime::UNIX_EPOCH);
    let driver = Driver::new(
        Arc::new(config.clone()),
        subscriptions(config, |_| Arc::default()),
        Weights::new(),
        Arc::new(snapshot),
        metrics,
        Arc::default(),
    );
    (driver, probe_targets(config))
}

/// The probes of a configuration, each with its rate.
pub(super) fn subscriptions(
    config: &Config,
    rate: impl Fn(ProbeId) -> Arc<SharedProbeRate>,
) -> Subscriptions {
    let targets = probe_targets(config);
    let ids = (0..).map(ProbeId).zip(&targets);
    let probes = ids
        .map(|(id, _)| ProbeHandle {
            id,
            rate: rate(id),
            watch: None,
        })
        .collect();
    Subscriptions { probes, targets }
}

/// The driver takes over this configuration.
pub(super) fn reload(driver: &mut Driver, config: &Config, now: Instant) -> ReloadResult {
    let names = config.virtual_services.iter().map(|service| &*service.name);
    let (done, mut result) = tokio::sync::oneshot::channel();
    let change = HealthReload {
        probes: subscriptions(config, |_| Arc::default()),
        found: Weights::new(),
        loaded_at: SystemTime::UNIX_EPOCH,
        metrics: Arc::new(Metrics::new(names).unwrap()),
        weight_updates: Arc::default(),
        done,
        config: Arc::new(config.clone()),
    };
    driver.change_to(change, now);
    result.try_recv().unwrap()
}

/// A probe that began and ended now, and showed nothing but its result.
pub(super) fn report(probe: ProbeId, result: ProbeResult) -> ProbeReport {
    ProbeReport {
        probe,
        outcome: Outcome {
            result,
            detail: String::new(),
            duration: Duration::ZERO,
            advice: None,
            certificate_expiry: None,
            plain: None,
            vip: None,
            fix: None,
        },
        started: clock::monotonic(),
        at: fixture::start(),
    }
}
