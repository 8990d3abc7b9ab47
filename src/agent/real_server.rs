//! The agent on a real server: the VIPs on lo and the sysctls of direct
//! routing, over the same reconcile as the director's.

mod inspection;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::info;

use crate::agent::conditions;
use crate::agent::lifecycle::{AgentError, finish, start_events};
use crate::agent::reload::{OperationResult, ReloadError, reload_config};
use crate::agent::serve::serve_until_stopped;
use crate::agent::startup_resources::StartupResources;
use crate::agent::tasks::{spawn_joinable, spawn_named};
use crate::config::{Config, RealServerExit};
use crate::control::{Operation, OperationResponse};
use crate::http::{AppState, SharedState};
use crate::kernel::{Kernel, KernelIpvs};
use crate::metrics::Metrics;
use crate::model::Role;
use crate::notify::Events;
use crate::reconcile::{HostChange, RealServerLoop, Reconciler, StateFile, Writing};
use crate::runtime::liveness::{Liveness, Loop};
use crate::runtime::signals::Stop;
use crate::runtime::{clock, systemd};
use crate::status::{LoadedRecord, ProcessRecord, Snapshot};
pub(crate) use inspection::{HostInspection, HostInspector};

/// Why a real server's own agent drains nothing, and sets no weight.
const ON_DIRECTORS: &str = "this is a real server: drain it, or set its weight, on its directors";

/// Runs until a signal ends it.
pub(crate) async fn run(
    config: Arc<Config>,
    path: &Path,
    writing: Writing,
) -> Result<(), AgentError> {
    let acquired = StartupResources::acquire(&config, Role::RealServer, writing, true);
    let (resources, locks) = acquired.await?;
    let snapshot = Arc::new(first_snapshot(&config, path, writing));
    let metrics = Arc::new(Metrics::of_real_server()?);
    let events = start_events(&config, Role::RealServer, writing, &metrics, &snapshot)?;
    conditions::start(&snapshot, &events, &config, true);
    locks.watch(&snapshot.conditions);
    let interval = config.real_server.resync_interval;
    let liveness = Liveness::new(clock::monotonic(), interval, [Loop::Reconcile]);
    let view = AppState {
        snapshot,
        metrics,
        liveness: Arc::new(liveness),
        weight_updates: Arc::default(),
    };
    let reconciler = reconciler(&config, writing, &view, &events).await?;
    let state_file = reconciler.state_file();
    let reconcile = RealServerLoop::start(reconciler, Arc::clone(&config)).await?;
    let (stop, stopping) = Stop::new();
    let (to_reconcile, changes) = mpsc::channel(1);
    let reconcile = reconcile.run(stopping, Arc::clone(&view.liveness), changes);
    let reconcile = spawn_joinable("reconcile", reconcile);

    announce_ready(&view.snapshot, writing);
    let (to_look, configured) = watch::channel(Arc::clone(&config));
    let mut tasks = JoinSet::new();
    let inspection = inspection::watch(Arc::clone(&view.snapshot), configured);
    spawn_named(&mut tasks, "inspection", inspection);
    spawn_named(&mut tasks, "state file", state_file.watch());
    let mut real_server = RealServer {
        path: path.to_owned(),
        config,
        writing,
        view: view.clone(),
        events: Arc::clone(&events),
        to_look,
        to_reconcile,
    };
    let operate = async |operation, _| real_server.operate(operation).await;
    let shown = SharedState::new(view);
    let serving = serve_until_stopped(resources, shown, tasks, reconcile, stop, &events, operate);
    let reconcile = serving.await;
    finish(&events, reconcile, async |reconcile| {
        match real_server.config.real_server.on_exit {
            RealServerExit::Keep => Ok(()),
            RealServerExit::Remove => reconcile.remove_all().await,
        }
    })
    .await
}

/// What a running agent needs in order to take over another configuration.
struct RealServer {
    path: PathBuf,
    config: Arc<Config>,
    writing: Writing,
    view: AppState,
    events: Arc<Events>,
    to_look: watch::Sender<Arc<Config>>,
    to_reconcile: mpsc::Sender<HostChange>,
}

impl RealServer {
    async fn operate(&mut self, operation: Operation) -> OperationResult {
        match operation {
            Operation::Reload => OperationResult::Reload(self.reload().await),
            Operation::Drain { .. }
            | Operation::Undrain { .. }
            | Operation::AwaitDrain { .. }
            | Operation::SetWeight { .. } => {
                OperationResult::Other(OperationResponse::failed(ON_DIRECTORS.to_owned()))
            }
        }
    }

    async fn reload(&mut self) -> Result<String, ReloadError> {
        let config = reload_config(&self.path, &self.config, Role::RealServer).await?;
        // In a dry run the agent that really writes sends the events.
        if self.writing == Writing::Real && config.notify != self.config.notify {
            self.events.configure(&config.notify, &self.view.metrics)?;
        }
        self.view.snapshot.tls_not_read.forget();
        self.config = config;
        let config = &self.config;
        *self.view.snapshot.loaded.lock() =
            LoadedRecord::of(config, Role::RealServer, clock::wall());
        self.to_look.send_replace(Arc::clone(config));
        let interval = config.real_server.resync_interval;
        self.view.liveness.expect(&[Loop::Reconcile], interval);
        let (done, converged) = oneshot::channel();
        let change = HostChange {
            config: Arc::clone(config),
            done,
        };
        let sent = self.to_reconcile.send(change).await;
        sent.map_err(|_| ReloadError::Ending)?;
        converged.await.map_err(|_| ReloadError::Ending)??;
        Ok(format!("reloaded: {}", config.summary()))
    }
}

fn first_snapshot(config: &Config, path: &Path, writing: Writing) -> Snapshot {
    let now = clock::wall();
    let snapshot = Snapshot::real_server(&config.real_server, [], path.to_owned(), now);
    *snapshot.loaded.lock() = LoadedRecord::of(config, Role::RealServer, now);
    snapshot.of_process(ProcessRecord {
        dry_run: writing == Writing::DryRun,
        ..ProcessRecord::this(now)
    })
}

async fn reconciler(
    config: &Config,
    writing: Writing,
    view: &AppState,
    events: &Arc<Events>,
) -> Result<Reconciler<KernelIpvs>, AgentError> {
    let reconciler = Reconciler::load(
        // Nothing is desired of the table of a real server, so nothing asks for it.
        Kernel::with_table(KernelIpvs::new()),
        StateFile::new(&config.state_dir, Role::RealServer),
        writing,
        Arc::clone(&view.snapshot),
        Arc::clone(&view.metrics),
    );
    Ok(reconciler.await?.with_events(Arc::clone(events)))
}

fn announce_ready(snapshot: &Snapshot, writing: Writing) {
    let vips: Vec<_> = snapshot
        .vips
        .lock()
        .keys()
        .map(|(vip, _)| vip.to_string())
        .collect();
    let vips = match vips.as_slice() {
        [] => "no VIP".to_owned(),
        vips => vips.join(", "),
    };
    let summary = format!("real server: {vips}{}", writing.mark());
    info!("{summary}");
    systemd::ready();
}
