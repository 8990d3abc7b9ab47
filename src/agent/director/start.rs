//! The parts of a director that a start builds.

use std::path::Path;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use super::probes::watched_loops;
use crate::agent::conditions;
use crate::agent::decisions::DecisionFile;
use crate::agent::lifecycle::{AgentError, start_events};
use crate::config::Config;
use crate::health::{self, Subscriptions};
use crate::http::AppState;
use crate::kernel::{Ipvs, Kernel, TableKind};
use crate::metrics::Metrics;
use crate::model::{Role, Weights, with_noun};
use crate::notify::Events;
use crate::probe::{Prober, probe_targets};
use crate::reconcile::{InstrumentedIpvs, Reconciler, StateFile, Writing};
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::last_known_time::last_known_time;
use crate::runtime::standstill::Standstill;
use crate::runtime::{clock, systemd};
use crate::status::{ProcessRecord, Snapshot};

/// What is shown and measured from the start on, and where its events go.
pub(super) fn first_generation(
    config: &Config,
    path: &Path,
    (writing, table): (Writing, TableKind),
) -> Result<(AppState, Arc<Events>), AgentError> {
    let services = config.virtual_services.iter();
    let targets = probe_targets(config);
    let view = AppState {
        snapshot: Arc::new(first_snapshot(config, path, writing, table)),
        metrics: Arc::new(Metrics::new(services.map(|service| &*service.name))?),
        liveness: Arc::new(watched_loops(config, &targets)),
        weight_updates: Arc::default(),
    };
    let events = start_events(
        config,
        Role::Director,
        writing,
        &view.metrics,
        &view.snapshot,
    )?;
    let in_kernel = table == TableKind::Kernel;
    conditions::start(&view.snapshot, &events, config, in_kernel);
    conditions::examine_descriptors(&view.snapshot.conditions, &targets);
    Ok((view, events))
}

pub(super) async fn reconciler<T: Ipvs>(
    config: &Config,
    kernel: Kernel<T>,
    writing: Writing,
    view: &AppState,
) -> Result<Reconciler<InstrumentedIpvs<T>>, AgentError> {
    let file = state_file(config, kernel.table);
    let kernel = kernel.map_table(|ipvs| InstrumentedIpvs::new(ipvs, Arc::clone(&view.metrics)));
    let (snapshot, metrics) = (Arc::clone(&view.snapshot), Arc::clone(&view.metrics));
    Ok(Reconciler::load(kernel, file, writing, snapshot, metrics).await?)
}

pub(super) fn health(
    config: &Arc<Config>,
    view: &AppState,
    subscriptions: Subscriptions,
    found: Weights,
) -> health::Driver {
    health::Driver::new(
        Arc::clone(config),
        subscriptions,
        found,
        Arc::clone(&view.snapshot),
        Arc::clone(&view.metrics),
        Arc::clone(&view.weight_updates),
    )
}

/// The prober, which detects faults of this host that concern all probes.
pub(super) async fn prober(config: &Config) -> Result<Prober, AgentError> {
    let standstill = Standstill::watch().map_err(AgentError::Thread)?;
    let prober = Prober::new().watching(standstill);
    let directory = config.state_dir.clone();
    let look = move || last_known_time(&directory);
    let newest = file_work::run_patiently(FileUse::State, &config.state_dir, look).await;
    Ok(prober.with_clock_after(newest?))
}

fn first_snapshot(config: &Config, path: &Path, writing: Writing, table: TableKind) -> Snapshot {
    let now = clock::wall();
    Snapshot::director(config, path.to_owned(), now).of_process(ProcessRecord {
        dry_run: writing == Writing::DryRun,
        table_in_kernel: table == TableKind::Kernel,
        ..ProcessRecord::this(now)
    })
}

fn state_file(config: &Config, table: TableKind) -> StateFile {
    match table {
        TableKind::Kernel => StateFile::new(&config.state_dir, Role::Director),
        TableKind::Memory => StateFile::of_memory(&config.state_dir),
    }
}

pub(super) fn decision_file(config: &Config, table: TableKind) -> DecisionFile {
    match table {
        TableKind::Kernel => DecisionFile::new(&config.state_dir),
        TableKind::Memory => DecisionFile::of_memory(&config.state_dir),
    }
}

pub(super) fn announce_ready(config: &Config, writing: Writing, probes: usize) {
    let summary = summary(config, writing, probes);
    info!("{summary}");
    systemd::ready();
}

fn summary(config: &Config, writing: Writing, probes: usize) -> String {
    let (probes, dry_run) = (with_noun(probes, "probe"), writing.mark());
    format!("director: {}, {probes}{dry_run}", config.summary())
}

/// Every probe in flight needs a descriptor, and the usual soft limit is 1024.
pub(super) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, "the limit of open files stays as it is");
    }
}
