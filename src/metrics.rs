//! What Prometheus scrapes: counters and histograms of this process's own,
//! and at scrape time the latest values of the snapshot.

mod exposition;
mod histograms;
mod labels;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

pub(crate) use self::exposition::Format;
use self::histograms::ServiceHistograms;
pub(crate) use self::labels::{DriftKind, IpvsCommand};
use crate::status::Snapshot;

/// Upper bounds in seconds, from a few services to tables of thousands.
const RECONCILE_BUCKETS: [f64; 8] = [0.001, 0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0];

/// How messages to one target of events ended: `lvs_notifications_total`.
#[derive(Debug, Clone)]
pub(crate) struct NotificationCounters {
    /// The target took it.
    pub(crate) delivered: IntCounter,
    /// Every attempt failed.
    pub(crate) failed: IntCounter,
    /// It had to make room for newer ones, or its target went.
    pub(crate) dropped: IntCounter,
}

const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";
const DROPPED: &str = "dropped";

/// The counters and histograms that tasks write as they go.
///
/// Every series exists from the start, and is found by its place: writing one
/// looks up no label.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// By the place of the virtual service in the configuration.
    services: Arc<[Arc<ServiceHistograms>]>,
    /// By [`IpvsCommand`]: done, failed; empty on a real server.
    ipvs_operations: Vec<[IntCounter; 2]>,
    /// Of the kinds that there can be in this role.
    drift: BTreeMap<DriftKind, IntCounter>,
    reconcile_duration: Histogram,
    notifications: IntCounterVec,
}

impl Metrics {
    /// Of a director with the virtual services of these names, in the configuration's order.
    ///
    /// Fails only if two metrics of this file were given the same name.
    pub(crate) fn new<'a>(
        services: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, prometheus::Error> {
        Self::with_labels(services, &IpvsCommand::ALL, &DriftKind::ALL)
    }

    /// Of a real server, which has no table.
    pub(crate) fn of_real_server() -> Result<Self, prometheus::Error> {
        Self::with_labels([], &[], &DriftKind::OF_REAL_SERVER)
    }

    fn with_labels<'a>(
        services: impl IntoIterator<Item = &'a str>,
        commands: &[IpvsCommand],
        drift_kinds: &[DriftKind],
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let operations = register(
            &registry,
            IntCounterVec::new(
                Opts::new(
                    "lvs_ipvs_operations_total",
                    "Commands to the IPVS table, by how they ended.",
                ),
                &["command", "result"],
            )?,
        )?;
        let ipvs_operations = commands.iter().map(|command| {
            Ok([
                operations.get_metric_with_label_values(&[command.as_str(), "ok"])?,
                operations.get_metric_with_label_values(&[command.as_str(), "error"])?,
            ])
        });
        let ipvs_operations = ipvs_operations.collect::<Result<_, prometheus::Error>>()?;

        let drift_total = register(
            &registry,
            IntCounterVec::new(
                Opts::new(
                    "lvs_drift_total",
                    "Differences found in the kernel that this agent had not made.",
                ),
                &["kind"],
            )?,
        )?;
        let drift = drift_kinds.iter().map(|kind| {
            let counter = drift_total.get_metric_with_label_values(&[kind.as_str()])?;
            Ok((*kind, counter))
        });
        let drift = drift.collect::<Result<_, prometheus::Error>>()?;

        let reconcile_duration = register(
            &registry,
            Histogram::with_opts(
                HistogramOpts::new(
                    "lvs_reconcile_duration_seconds",
                    "How long it took to compare the kernel with the configuration and to repair \
                     it.",
                )
                .buckets(RECONCILE_BUCKETS.to_vec()),
            )?,
        )?;
        let notifications = register(
            &registry,
            IntCounterVec::new(
                Opts::new(
                    "lvs_notifications_total",
                    "Events told to a target, by its name in `notify`, and how that ended.",
                ),
                &["target", "result"],
            )?,
        )?;
        register_process(&registry)?;

        let services = services.into_iter();
        let services = services.map(|name| Arc::new(ServiceHistograms::new(name)));
        Ok(Self {
            registry,
            services: services.collect(),
            ipvs_operations,
            drift,
            reconcile_duration,
            notifications,
        })
    }

    /// The same metrics for other virtual services: what both have goes on
    /// counting, and the series of those that are gone go.
    pub(crate) fn for_services<'a>(&self, services: impl IntoIterator<Item = &'a str>) -> Self {
        let known = self
            .services
            .iter()
            .map(|service| (&*service.name, service));
        let known: BTreeMap<_, _> = known.collect();
        let services = services.into_iter().map(|name| match known.get(name) {
            Some(service) => Arc::clone(service),
            None => Arc::new(ServiceHistograms::new(name)),
        });
        Self {
            registry: self.registry.clone(),
            services: services.collect(),
            ipvs_operations: self.ipvs_operations.clone(),
            drift: self.drift.clone(),
            reconcile_duration: self.reconcile_duration.clone(),
            notifications: self.notifications.clone(),
        }
    }

    /// A probe of a real server of the virtual service at place `service` has ended.
    pub(crate) fn probe_finished(&self, service: usize, took: Duration) {
        if let Some(service) = self.services.get(service) {
            service.probe_duration.observe(took);
        }
    }

    /// The weight of a failed real server of the virtual service at place
    /// `service` was written `after` its first failed probe had started.
    pub(crate) fn detected(&self, service: usize, after: Duration) {
        if let Some(service) = self.services.get(service) {
            service.detection.observe(after);
        }
    }

    /// The kernel, or the embedded table, answered a command.
    pub(crate) fn ipvs_operation(&self, command: IpvsCommand, ok: bool) {
        if let Some([done, failed]) = self.ipvs_operations.get(command as usize) {
            if ok { done } else { failed }.inc();
        }
    }

    /// The kernel differed from what this agent had left there.
    pub(crate) fn drift(&self, kind: DriftKind) {
        if let Some(counter) = self.drift.get(&kind) {
            counter.inc();
        }
    }

    /// The counters of the target of events with this name.
    pub(crate) fn notifications(
        &self,
        target: &str,
    ) -> Result<NotificationCounters, prometheus::Error> {
        let counter = |result: &str| {
            let labels = [target, result];
            self.notifications.get_metric_with_label_values(&labels)
        };
        Ok(NotificationCounters {
            delivered: counter(DELIVERED)?,
            failed: counter(FAILED)?,
            dropped: counter(DROPPED)?,
        })
    }

    /// There is no target of events with this name any more.
    pub(crate) fn forget_notifications(&self, target: &str) {
        for result in [DELIVERED, FAILED, DROPPED] {
            // One that never was is gone as well.
            let _ = self.notifications.remove_label_values(&[target, result]);
        }
    }

    /// A reconcile has ended, with success or without.
    pub(crate) fn reconciled(&self, took: Duration) {
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// All metrics at this time, or with `only` those of the virtual services at those places,
    /// piece by piece, each rendered when it is asked for.
    pub(crate) fn exposition(
        &self,
        snapshot: Arc<Snapshot>,
        format: Format,
        only: Option<Vec<usize>>,
        now: SystemTime,
    ) -> impl Iterator<Item = String> + Send + use<> {
        let (own, services) = (self.registry.gather(), Arc::clone(&self.services));
        exposition::Exposition::new(own, services, snapshot, format, only, now)
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn register_process(registry: &Registry) -> Result<(), prometheus::Error> {
    registry.register(Box::new(ProcessCollector::for_self()))
}

#[cfg(test)]
mod tests;
