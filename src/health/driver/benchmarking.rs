//! Health, status and metrics, for `tests/bench/library`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{Driver, Subscriptions};
use crate::config::Config;
use crate::diagnosis::PathResult;
use crate::health::input::Input;
use crate::metrics::Metrics;
use crate::model::{ProbeResult, Weights};
use crate::probe::{Outcome, ProbeHandle, ProbeId, ProbeReport, probe_targets};
use crate::runtime::clock;
use crate::status::Snapshot;

/// Takes the reports of all probes of a configuration, one after the other, a second for each
/// turn.
pub struct Health {
    driver: Driver,
    probes: u32,
    next: u32,
    now: Instant,
}

impl Health {
    /// Every real server is up. `None` if two metrics have the same name.
    pub fn new(config: Config) -> Option<Self> {
        let names = config.virtual_services.iter().map(|service| &*service.name);
        let metrics = Arc::new(Metrics::new(names).ok()?);
        let snapshot = Snapshot::director(&config, "cluster.yaml".into(), SystemTime::UNIX_EPOCH);
        let targets = probe_targets(&config);
        let probe = |id| ProbeHandle {
            id,
            rate: Arc::default(),
            watch: None,
        };
        let ids = (0..).map(ProbeId).zip(&targets);
        let probes: Vec<_> = ids.map(|(id, _)| probe(id)).collect();
        let number = u32::try_from(probes.len()).ok()?;
        let driver = Driver::new(
            Arc::new(config),
            Subscriptions { probes, targets },
            Weights::new(),
            Arc::new(snapshot),
            metrics,
            Arc::default(),
        );
        let mut health = Self {
            driver,
            probes: number,
            next: 0,
            now: clock::monotonic(),
        };
        for _ in 0..number * 2 {
            health.report(true);
        }
        Some(health)
    }

    /// Takes the report of the next probe.
    pub fn report(&mut self, passed: bool) {
        let (result, detail, path) = if passed {
            (ProbeResult::Ok, "HTTP 200", PathResult::Passed)
        } else {
            (
                ProbeResult::Refused,
                "connection refused",
                PathResult::Refused,
            )
        };
        self.now += Duration::from_secs(1) / self.probes;
        let outcome = Outcome {
            result,
            detail: detail.to_owned(),
            duration: Duration::from_micros(200),
            advice: None,
            certificate_expiry: None,
            plain: Some(path),
            vip: None,
            fix: None,
        };
        let report = ProbeReport {
            probe: ProbeId(self.next % self.probes),
            outcome,
            started: self.now,
            at: SystemTime::UNIX_EPOCH,
        };
        self.next = self.next.wrapping_add(1);
        self.driver
            .handle(Input::ProbeReport(Arc::new(report)), self.now);
    }
}
