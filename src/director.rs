//! The director: what runs, and in what order it starts and ends.
//!
//! ```text
//! probes ──Report──▶ health ──Intent──▶ reconcile ──▶ kernel
//!                       └──────┬────────────┘
//!                          Snapshot ──▶ http, control
//! ```

use std::path::Path;
use std::sync::Arc;

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
use crate::probe::{Prober, probe_targets, spawn_all};
use crate::reconcile::{Counted, DirectorLoop, Reconciler, StateFile, Writing};
use crate::signals::Stop;
use crate::snapshot::{Mode, Snapshot};
use crate::{clock, notify};

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
    let loops = [Loop::Reconcile, Loop::Health];
    let liveness = Liveness::new(clock::monotonic(), config.director.resync_interval, loops);
    let liveness = Arc::new(liveness);
    let intent = Arc::new(Intent::default());

    let reconciler = Reconciler::new(
        Kernel::with_table(Counted::new(table, Arc::clone(&metrics))),
        StateFile::new(&config.state_dir, Mode::Director),
        writing,
        Arc::clone(&snapshot),
        Arc::clone(&metrics),
    )?;
    let reconcile = DirectorLoop::start(reconciler, &config, Arc::clone(&intent)).await?;
    let (stop, stopping) = Stop::new();
    let reconcile = tokio::spawn(reconcile.run(stopping, Arc::clone(&liveness)));

    let targets = probe_targets(&config);
    let health = HealthTask::new(
        &config,
        &targets,
        Arc::clone(&snapshot),
        Arc::clone(&metrics),
        intent,
    );
    let (report, reports) = mpsc::channel(REPORTS);
    let mut tasks = JoinSet::new();
    tasks.spawn(named("health", health.run(reports, Arc::clone(&liveness))));
    let prober = Arc::new(Prober::new());
    let specs: Vec<_> = targets.into_iter().map(|target| target.spec).collect();
    let summary = format!("director: {}, {} probes", config.summary(), specs.len());
    let probing = spawn_all(&prober, specs, &report);

    info!("{summary}");
    notify::ready(&summary);
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
