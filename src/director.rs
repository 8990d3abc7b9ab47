//! The director: what runs, and in what order it starts and ends.
//!
//! ```text
//! probes ──Report──▶ health ──Intent──▶ reconcile ──▶ kernel
//!                       └──────┬────────────┘
//!                          Snapshot ──▶ http, control
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::config::{Config, DirectorExit};
use crate::health::HealthTask;
use crate::http::Shown;
use crate::intent::Intent;
use crate::kernel::{Ipvs, Kernel};
use crate::lifecycle::{AgentError, Doors, finish, named};
use crate::liveness::{Liveness, Loop};
use crate::metrics::Metrics;
use crate::notify::Events;
use crate::probe::{HttpProber, ProbeTarget, probe_targets, spawn_all};
use crate::reconcile::{Counted, DirectorLoop, Reconciler, StateFile, Writing};
use crate::signals::Stop;
use crate::snapshot::{Mode, Snapshot};
use crate::{clock, service_manager};

/// Reports that may wait for health: 50 ms of them at 20,000 probes a second.
/// When health is slower than that, probes wait with theirs and skip their
/// next turn, so nothing piles up.
const REPORTS: usize = 1024;

/// Runs until a signal ends it.
pub(crate) async fn run<T: Ipvs>(
    config: Arc<Config>,
    path: &Path,
    writing: Writing,
    table: T,
) -> Result<(), AgentError> {
    raise_file_limit();
    let writes_kernel = T::IN_KERNEL || config.director.interface.is_some();
    let lock = (writing == Writing::Real && writes_kernel).then_some(Mode::Director);
    let doors = Doors::open(&config, lock).await?;

    let snapshot = Arc::new(Snapshot::director(&config, path.to_owned(), clock::wall()));
    let metrics = Metrics::new(config.virtual_services.iter().map(|service| &*service.name))?;
    let metrics = Arc::new(metrics);
    let events = match writing {
        Writing::Real => Events::start(&config.notify, Mode::Director, &metrics)?,
        // The agent that really writes tells.
        Writing::DryRun => Events::none(),
    };
    let loops = [Loop::Reconcile, Loop::Health];
    let liveness = Liveness::new(clock::monotonic(), config.director.resync_interval, loops);
    let targets = probe_targets(&config);
    let liveness = match report_interval(&targets) {
        Some(interval) => liveness.and(Loop::Probes, clock::monotonic(), interval),
        None => liveness,
    };
    let liveness = Arc::new(liveness);
    let intent = Arc::new(Intent::default());

    let reconciler = Reconciler::new(
        Kernel::with_table(Counted::new(table, Arc::clone(&metrics))),
        StateFile::new(&config.state_dir, Mode::Director),
        writing,
        Arc::clone(&snapshot),
        Arc::clone(&metrics),
    )?
    .telling(Arc::clone(&events));
    let reconcile = DirectorLoop::start(reconciler, &config, Arc::clone(&intent)).await?;
    let (stop, stopping) = Stop::new();
    let reconcile = tokio::spawn(reconcile.run(stopping, Arc::clone(&liveness)));

    let health = HealthTask::new(
        &config,
        &targets,
        Arc::clone(&snapshot),
        Arc::clone(&metrics),
        intent,
    )
    .telling(events);
    let (report, reports) = mpsc::channel(REPORTS);
    liveness.beat(Loop::Probes, clock::monotonic());
    let mut tasks = JoinSet::new();
    tasks.spawn(named("health", health.run(reports, Arc::clone(&liveness))));
    let prober = Arc::new(HttpProber::new()?);
    let specs: Vec<_> = targets.into_iter().map(|target| target.spec).collect();
    let noun = if specs.len() == 1 { "probe" } else { "probes" };
    let summary = format!("director: {}, {} {noun}", config.summary(), specs.len());
    let probing = spawn_all(&prober, specs, &report);

    info!("{summary}");
    service_manager::ready(&summary);
    let shown = Shown {
        snapshot,
        metrics,
        liveness,
    };
    let reconcile = doors
        .serve_until_stopped(shown, tasks, reconcile, stop)
        .await?;
    drop(probing);
    finish(async {
        match config.director.on_exit {
            DirectorExit::Keep => Ok(()),
            DirectorExit::Drain => reconcile.quiesce_all().await,
            DirectorExit::Remove => reconcile.remove_all().await,
        }
    })
    .await
}

/// The longest time in which some probe surely reports, if there are any: that
/// of the most frequent check. Probes are tasks of their own, so that one of
/// them reports shows that all are scheduled.
fn report_interval(targets: &[ProbeTarget]) -> Option<Duration> {
    let checks = targets.iter().map(|target| &target.spec.check);
    checks.map(|check| check.interval + check.timeout).min()
}

/// Every probe in flight needs a descriptor, and the usual soft limit is 1024.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, "the limit of open files stays as it is");
    }
}
