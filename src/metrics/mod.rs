//! What Prometheus scrapes: counters and histograms of this process's own,
//! and at scrape time the latest values of the snapshot.

mod exposition;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use crate::status::Snapshot;

/// The content type of [`Metrics::exposition`].
pub(crate) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Upper bounds in seconds, around the usual time-outs of probes.
const PROBE_BUCKETS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Upper bounds in seconds, around the usual `fall` times `interval`.
const DETECTION_BUCKETS: [f64; 8] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0];
/// Upper bounds in seconds, from a few services to tables of thousands.
const RECONCILE_BUCKETS: [f64; 8] = [0.001, 0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0];

/// A command to the IPVS table: the label `command` of `lvs_ipvs_operations_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IpvsCommand {
    /// Dump the virtual services.
    GetServices,
    /// Look for virtual services that the dump lacks.
    GetService,
    /// Dump the real servers of one virtual service.
    GetDestinations,
    /// Read the time-outs.
    GetConfig,
    /// Add a virtual service.
    NewService,
    /// Change a virtual service.
    SetService,
    /// Remove a virtual service.
    DelService,
    /// Add a real server.
    NewDest,
    /// Change a real server.
    SetDest,
    /// Remove a real server.
    DelDest,
    /// Change a time-out.
    SetConfig,
}

impl IpvsCommand {
    const ALL: [Self; 11] = [
        Self::GetServices,
        Self::GetService,
        Self::GetDestinations,
        Self::GetConfig,
        Self::NewService,
        Self::SetService,
        Self::DelService,
        Self::NewDest,
        Self::SetDest,
        Self::DelDest,
        Self::SetConfig,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::GetServices => "get_services",
            Self::GetService => "get_service",
            Self::GetDestinations => "get_destinations",
            Self::GetConfig => "get_config",
            Self::NewService => "new_service",
            Self::SetService => "set_service",
            Self::DelService => "del_service",
            Self::NewDest => "new_dest",
            Self::SetDest => "set_dest",
            Self::DelDest => "del_dest",
            Self::SetConfig => "set_config",
        }
    }
}

/// How the kernel differed from what this agent had left there: the label
/// `kind` of `lvs_ipvs_drift_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DriftKind {
    /// A virtual service was gone.
    ServiceMissing,
    /// A virtual service had other properties.
    ServiceChanged,
    /// A real server was gone.
    RealServerMissing,
    /// A real server had another weight or forwarding.
    RealServerChanged,
    /// One of our virtual services had a real server that is not configured.
    RealServerExtra,
    /// A VIP was gone from its interface.
    AddressMissing,
    /// A kernel parameter had another value.
    SysctlChanged,
    /// A time-out of the table had another value.
    TimeoutChanged,
}

impl DriftKind {
    const ALL: [Self; 8] = [
        Self::ServiceMissing,
        Self::ServiceChanged,
        Self::RealServerMissing,
        Self::RealServerChanged,
        Self::RealServerExtra,
        Self::AddressMissing,
        Self::SysctlChanged,
        Self::TimeoutChanged,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceMissing => "service_missing",
            Self::ServiceChanged => "service_changed",
            Self::RealServerMissing => "real_server_missing",
            Self::RealServerChanged => "real_server_changed",
            Self::RealServerExtra => "real_server_extra",
            Self::AddressMissing => "address_missing",
            Self::SysctlChanged => "sysctl_changed",
            Self::TimeoutChanged => "timeout_changed",
        }
    }
}

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
    by_service: ServiceHistogramVecs,
    /// By the place of the virtual service in the configuration.
    names: Vec<String>,
    /// By the place of the virtual service in the configuration.
    services: Vec<ServiceHistograms>,
    /// By [`IpvsCommand`]: done, failed.
    ipvs_operations: Vec<[IntCounter; 2]>,
    /// By [`DriftKind`].
    drift: Vec<IntCounter>,
    reconcile_duration: Histogram,
    notifications: IntCounterVec,
}

#[derive(Debug)]
struct ServiceHistograms {
    probe_duration: Histogram,
    detection: Histogram,
}

/// The histograms that have the virtual service as their label.
#[derive(Debug, Clone)]
struct ServiceHistogramVecs {
    probe_duration: HistogramVec,
    detection: HistogramVec,
}

impl ServiceHistogramVecs {
    fn of(&self, names: &[&str]) -> Result<Vec<ServiceHistograms>, prometheus::Error> {
        let services = names.iter().map(|name| {
            Ok(ServiceHistograms {
                probe_duration: self.probe_duration.get_metric_with_label_values(&[name])?,
                detection: self.detection.get_metric_with_label_values(&[name])?,
            })
        });
        services.collect()
    }

    fn remove(&self, name: &str) -> Result<(), prometheus::Error> {
        self.probe_duration.remove_label_values(&[name])?;
        self.detection.remove_label_values(&[name])
    }
}

impl Metrics {
    /// For the virtual services of these names, in the configuration's order.
    ///
    /// Fails only if two metrics of this file were given the same name.
    pub(crate) fn new<'a>(
        services: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let histogram =
            |name, help, buckets: &[f64]| HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let by_service = ServiceHistogramVecs {
            probe_duration: register(
                &registry,
                HistogramVec::new(
                    histogram(
                        "lvs_probe_duration_seconds",
                        "How long probes took, from connecting to the verdict.",
                        &PROBE_BUCKETS,
                    ),
                    &["service"],
                )?,
            )?,
            detection: register(
                &registry,
                HistogramVec::new(
                    histogram(
                        "lvs_detection_seconds",
                        "From the start of the first failed probe to the weight being written.",
                        &DETECTION_BUCKETS,
                    ),
                    &["service"],
                )?,
            )?,
        };

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
        let ipvs_operations = IpvsCommand::ALL.into_iter().map(|command| {
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
                    "lvs_ipvs_drift_total",
                    "Differences found in the kernel that this agent had not made.",
                ),
                &["kind"],
            )?,
        )?;
        let drift = DriftKind::ALL
            .into_iter()
            .map(|kind| drift_total.get_metric_with_label_values(&[kind.as_str()]));
        let drift = drift.collect::<Result<_, prometheus::Error>>()?;

        let reconcile_duration = register(
            &registry,
            Histogram::with_opts(histogram(
                "lvs_reconcile_duration_seconds",
                "How long it took to compare the kernel with the configuration and to repair it.",
                &RECONCILE_BUCKETS,
            ))?,
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

        let names: Vec<_> = services.into_iter().collect();
        Ok(Self {
            registry,
            services: by_service.of(&names)?,
            names: names.into_iter().map(str::to_owned).collect(),
            by_service,
            ipvs_operations,
            drift,
            reconcile_duration,
            notifications,
        })
    }

    /// The same metrics for other virtual services: what both have goes on
    /// counting, and the series of those that are gone go.
    pub(crate) fn for_services<'a>(
        &self,
        services: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, prometheus::Error> {
        let names: Vec<_> = services.into_iter().collect();
        let kept: BTreeSet<_> = names.iter().copied().collect();
        for gone in self
            .names
            .iter()
            .filter(|name| !kept.contains(name.as_str()))
        {
            self.by_service.remove(gone)?;
        }
        Ok(Self {
            registry: self.registry.clone(),
            services: self.by_service.of(&names)?,
            names: names.into_iter().map(str::to_owned).collect(),
            by_service: self.by_service.clone(),
            ipvs_operations: self.ipvs_operations.clone(),
            drift: self.drift.clone(),
            reconcile_duration: self.reconcile_duration.clone(),
            notifications: self.notifications.clone(),
        })
    }

    /// A probe of a real server of the virtual service at place `service` has ended.
    pub(crate) fn probe_finished(&self, service: usize, took: Duration) {
        if let Some(service) = self.services.get(service) {
            service.probe_duration.observe(took.as_secs_f64());
        }
    }

    /// The weight of a failed real server of the virtual service at place
    /// `service` was written `after` its first failed probe had started.
    pub(crate) fn detected(&self, service: usize, after: Duration) {
        if let Some(service) = self.services.get(service) {
            service.detection.observe(after.as_secs_f64());
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
        if let Some(counter) = self.drift.get(kind as usize) {
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

    /// All metrics as Prometheus's text format 0.0.4, piece by piece, each
    /// rendered when it is asked for.
    pub(crate) fn exposition(
        &self,
        snapshot: Arc<Snapshot>,
    ) -> impl Iterator<Item = String> + Send + use<> {
        exposition::Exposition::new(self.registry.gather(), snapshot)
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
