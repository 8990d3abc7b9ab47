//! The director: what runs, and in what order it starts and ends. The [crate] documentation
//! shows what flows between the tasks.

mod decisions;
mod link;
mod notes;
mod operate;
mod probes;
mod reload;
mod start;
mod vip_probes;
mod workers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use self::decisions::{DecisionStore, EndedDrains};
use self::link::watch_link;
use self::probes::subscribe;
use self::start::{
    announce_ready, decision_file, first_generation, health, prober, raise_file_limit, reconciler,
};
use self::workers::Workers;
use crate::agent::decisions::WantedDrain;
use crate::agent::lifecycle::{AgentError, finish};
use crate::agent::reload::ReloadError;
use crate::agent::serve::serve_until_stopped;
use crate::agent::startup_resources::StartupResources;
use crate::agent::tasks::{spawn_joinable, spawn_named};
use crate::config::{Config, DirectorExit};
use crate::health;
use crate::http::SharedState;
use crate::kernel::{Ipvs, Kernel, TableKind};
use crate::model::Role;
use crate::notify::Events;
use crate::probe::ProbeTasks;
use crate::probe::vip_path::{CanaryTarget, MarkRegistry};
use crate::reconcile::{self, DirectorLoop, Writing};
use crate::runtime::clock;
use crate::runtime::liveness::Loop;
use crate::runtime::resting_worker::RestingWorker;
use crate::runtime::signals::Stop;

/// Reports that may wait for health: 50 ms of them at 20,000 probes a second.
/// When health is slower than that, probes wait with theirs and skip their
/// next turn, so nothing piles up.
const REPORTS: usize = 1024;

/// Requests that may wait for health, and for reconcile: operations are carried out one after the
/// other, and each of their requests is answered before the next one is sent.
const REQUESTS: usize = 1;

/// Runs until a signal ends it.
pub(crate) async fn run<T: Ipvs>(
    config: Arc<Config>,
    path: &Path,
    writing: Writing,
    kernel: Kernel<T>,
    second_worker: Option<RestingWorker>,
) -> Result<(), AgentError> {
    raise_file_limit();
    let table = kernel.table;
    let in_kernel = table == TableKind::Kernel;
    let probing = prober(&config).await?;
    let acquired = StartupResources::acquire(&config, Role::Director, writing, in_kernel);
    let (resources, locks) = acquired.await?;
    let (view, events) = first_generation(&config, path, (writing, table))?;
    locks.watch(&view.snapshot.conditions);
    let file = decision_file(&config, table);
    let store = DecisionStore::load(&config, file, writing, &view.snapshot.conditions).await?;
    let registry = Arc::new(MarkRegistry::default());
    let reconciler = reconciler(&config, kernel, writing, &view).await?;
    let reconciler = reconciler.with_events(Arc::clone(&events));
    let reconciler = reconciler.with_mark_registry(Arc::clone(&registry));
    let state_file = reconciler.state_file();
    let mut reconcile =
        DirectorLoop::start(reconciler, &config, Arc::clone(&view.weight_updates)).await?;
    let (found, loads) = (reconcile.take_found(), reconcile.loads());
    let (stop, stopping) = Stop::new();
    let (to_reconcile, requests) = mpsc::channel(REQUESTS);
    let reconcile = reconcile.run(stopping, Arc::clone(&view.liveness), requests);
    let reconcile = spawn_joinable("reconcile", reconcile);
    let mut tasks = JoinSet::new();
    let (paths, canary) = vip_probes::start(&mut tasks, &config, registry, table).await;
    let probing = probing.showing(Arc::clone(&view.snapshot.tls_not_read));
    let (report, reports) = mpsc::channel(REPORTS);
    let mut probes = ProbeTasks::new(probing.through(paths), report);
    let subscribed = subscribe(&mut probes, &config);
    let mut workers = Workers::with(second_worker);
    workers.provide_for(&config, &subscribed.targets);
    let health = health(&config, &view, subscribed, found).with_events(Arc::clone(&events));
    let wanted = &store.decisions;
    let health = health.with_decisions(
        |key| {
            let WantedDrain { deadline, decision } = wanted.drains.get(key)?;
            Some((operate::again(*deadline), decision.clone()))
        },
        |key| wanted.weights.get(key).cloned(),
    );
    let drain_changes = health.drain_changes();
    let (to_health, requests) = mpsc::channel(REQUESTS);
    view.liveness.beat(Loop::Probes, clock::monotonic());
    let (link, to_audit) = watch_link(&mut tasks, &config, &view.snapshot, (writing, table));
    let health = health.run(reports, requests, loads, link, Arc::clone(&view.liveness));
    spawn_named(&mut tasks, "health", health);
    let ended_drains = Arc::clone(&store.ended_drains);
    let decisions = Arc::new(Mutex::new(store));
    spawn_named(
        &mut tasks,
        "drains",
        decisions::keep(Arc::clone(&decisions)),
    );
    spawn_named(&mut tasks, "state file", state_file.watch());
    announce_ready(&config, writing, probes.len());
    let director = Director {
        path: path.to_owned(),
        config,
        writing,
        workers,
        probes,
        to_health,
        drain_changes,
        decisions,
        ended_drains,
        table,
        to_reconcile,
        to_audit,
        canary,
        shown: SharedState::new(view),
        events,
    };
    director.serve(resources, tasks, reconcile, stop).await
}

/// A running director: the channels by which its tasks get another configuration.
struct Director {
    path: PathBuf,
    config: Arc<Config>,
    writing: Writing,
    workers: Workers,
    probes: ProbeTasks,
    to_health: mpsc::Sender<health::HealthRequest>,
    /// Changes when health has shown another state of a drain.
    drain_changes: watch::Sender<()>,
    decisions: Arc<Mutex<DecisionStore>>,
    ended_drains: EndedDrains,
    table: TableKind,
    to_reconcile: mpsc::Sender<reconcile::ReconcileRequest>,
    to_audit: watch::Sender<Arc<Config>>,
    /// Where canaries are sent.
    canary: watch::Sender<Vec<CanaryTarget>>,
    shown: SharedState,
    events: Arc<Events>,
}

impl Director {
    /// Serves until a signal comes, and then does what `on_exit` asks for.
    async fn serve<T: Ipvs>(
        mut self,
        resources: StartupResources,
        tasks: JoinSet<&'static str>,
        reconcile: JoinHandle<DirectorLoop<T>>,
        stop: Stop,
    ) -> Result<(), AgentError> {
        let (shown, events) = (self.shown.clone(), Arc::clone(&self.events));
        let operate = async |operation, by: Option<_>| self.operate(operation, by.as_ref()).await;
        let serving =
            serve_until_stopped(resources, shown, tasks, reconcile, stop, &events, operate);
        let reconcile = serving.await;
        let Self { config, probes, .. } = self;
        drop(probes);
        finish(&events, reconcile, async |reconcile| {
            match config.director.on_exit {
                DirectorExit::Keep => Ok(()),
                DirectorExit::Drain => reconcile.quiesce_all().await,
                DirectorExit::Remove => reconcile.remove_all().await,
            }
        })
        .await
    }

    async fn ask(&self, request: reconcile::ReconcileRequest) -> Result<(), ReloadError> {
        let sent = self.to_reconcile.send(request).await;
        sent.map_err(|_| ReloadError::Ending)
    }
}
