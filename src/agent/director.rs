//! The director: what runs, and in what order it starts and ends.
//!
//! ```text
//! probes ──ProbeReport──▶ health ──WeightUpdates──▶ reconcile ──▶ kernel
//! link, ARP audit ─────▲└──────┬────────────┘
//!                          Snapshot ──▶ http, control
//! ```

mod drains;
mod notes;
mod operate;
mod ways_through_vips;

use std::collections::BTreeSet;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use self::drains::DrainStore;
use crate::agent::conditions;
use crate::agent::drains::{DrainFile, WantedDrain};
use crate::agent::lifecycle::{AgentError, finish, start_events};
use crate::agent::reload::{ReloadError, reload_config};
use crate::agent::serve::serve_until_stopped;
use crate::agent::startup_resources::StartupResources;
use crate::agent::tasks::{spawn_joinable, spawn_named};
use crate::config::{Config, DirectorExit};
use crate::health::weight_updates::WeightUpdates;
use crate::health::{self, LinkInputs, ReloadResult, Subscriptions};
use crate::http::{AppState, SharedState};
use crate::kernel::{Ipvs, Kernel, TableKind};
use crate::link::arp_audit::{self, Announcing, UnresponsiveHosts};
use crate::link::carrier;
use crate::metrics::Metrics;
use crate::model::{ArpConflicts, Weights};
use crate::notify::Events;
use crate::probe::vip_path::{CanaryTarget, MarkRegistry};
use crate::probe::{ProbeTarget, Prober, Probes, probe_targets, vip_path};
use crate::reconcile::{self, DirectorLoop, InstrumentedIpvs, Reconciler, StateFile, Writing};
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::liveness::{Liveness, Loop};
use crate::runtime::newest_file::newest_file;
use crate::runtime::signals::Stop;
use crate::runtime::standstill::Standstill;
use crate::runtime::{clock, systemd};
use crate::status::{Mode, ProcessRecord, Snapshot};

/// Reports that may wait for health: 50 ms of them at 20,000 probes a second.
/// When health is slower than that, probes wait with theirs and skip their
/// next turn, so nothing piles up.
const REPORTS: usize = 1024;

/// Configurations that may wait to be taken over: the next reload begins when
/// the one before has ended.
const CHANGES: usize = 1;

/// Runs until a signal ends it.
pub(crate) async fn run<T: Ipvs>(
    config: Arc<Config>,
    path: &Path,
    writing: Writing,
    kernel: Kernel<T>,
) -> Result<(), AgentError> {
    raise_file_limit();
    let table = kernel.table;
    let in_kernel = table == TableKind::Kernel;
    let probing = prober(&config).await?;
    let acquired = StartupResources::acquire(&config, Mode::Director, writing, in_kernel);
    let (resources, _locks) = acquired.await?;
    let (view, events) = first_generation(&config, path, (writing, table))?;
    let file = drain_file(&config, table);
    let drains = DrainStore::load(&config, file, writing, &view.snapshot.conditions).await?;
    let registry = Arc::new(MarkRegistry::default());
    let reconciler = reconciler(&config, kernel, writing, &view).await?;
    let reconciler = reconciler.with_events(Arc::clone(&events));
    let reconciler = reconciler.with_mark_registry(Arc::clone(&registry));
    let state_file = reconciler.state_file();
    let reconcile =
        DirectorLoop::start(reconciler, &config, Arc::clone(&view.weight_updates)).await?;
    let (found, loads) = (reconcile.found().clone(), reconcile.loads());
    let (stop, stopping) = Stop::new();
    let (to_reconcile, changes) = mpsc::channel(CHANGES);
    let reconcile = reconcile.run(stopping, Arc::clone(&view.liveness), changes);
    let reconcile = spawn_joinable("reconcile", reconcile);
    let mut tasks = JoinSet::new();
    let (paths, canary) = ways_through_vips::start(&mut tasks, &config, registry, table).await;
    let probing = probing.showing(Arc::clone(&view.snapshot.tls_not_read));
    let (report, reports) = mpsc::channel(REPORTS);
    let mut probes = Probes::new(probing.through(paths), report);
    let subscribed = subscribe(&mut probes, &config);
    let health = health(&config, &view, subscribed, found).with_events(Arc::clone(&events));
    let wanted = &drains.decisions;
    let health = health.with_decisions(
        |key| {
            let WantedDrain { deadline, decision } = wanted.drains.get(key)?;
            Some((operate::again(*deadline), decision.clone()))
        },
        |key| wanted.weights.get(key).cloned(),
    );
    let drain_changes = health.drain_changes();
    let (to_health, changes) = mpsc::channel(CHANGES);
    view.liveness.beat(Loop::Probes, clock::monotonic());
    let (link, to_audit) = look_at_the_link(&mut tasks, &config, &view.snapshot, (writing, table));
    let health = health.run(reports, changes, loads, link, Arc::clone(&view.liveness));
    spawn_named(&mut tasks, "health", health);
    let drains = Arc::new(Mutex::new(drains));
    spawn_named(&mut tasks, "drains", drains::keep(Arc::clone(&drains)));
    spawn_named(&mut tasks, "state file", state_file.watch());
    announce_ready(&config, writing, probes.len());
    let director = Director {
        path: path.to_owned(),
        config,
        writing,
        probes,
        to_health,
        drain_changes,
        drains,
        table,
        to_reconcile,
        to_audit,
        canary,
        shown: SharedState::new(view),
        events,
    };
    director.serve(resources, tasks, reconcile, stop).await
}

/// What is shown and measured from the start on, and where its events go.
fn first_generation(
    config: &Config,
    path: &Path,
    (writing, table): (Writing, TableKind),
) -> Result<(AppState, Arc<Events>), AgentError> {
    let services = config.virtual_services.iter();
    let view = AppState {
        snapshot: Arc::new(first_snapshot(config, path, writing, table)),
        metrics: Arc::new(Metrics::new(services.map(|service| &*service.name))?),
        liveness: Arc::new(watched_loops(config)),
        weight_updates: Arc::default(),
    };
    let events = start_events(
        config,
        Mode::Director,
        writing,
        &view.metrics,
        &view.snapshot,
    )?;
    let in_kernel = table == TableKind::Kernel;
    conditions::start(&view.snapshot, &events, config, in_kernel);
    Ok((view, events))
}

async fn reconciler<T: Ipvs>(
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

fn health(
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

fn first_snapshot(config: &Config, path: &Path, writing: Writing, table: TableKind) -> Snapshot {
    let now = clock::wall();
    Snapshot::director(config, path.to_owned(), now).of_process(ProcessRecord {
        dry_run: writing == Writing::DryRun,
        table_in_kernel: table == TableKind::Kernel,
        ..ProcessRecord::this(now)
    })
}

/// Heedful of this host's own faults that concern all probes.
async fn prober(config: &Config) -> Result<Prober, AgentError> {
    let standstill = Standstill::watch().map_err(AgentError::Thread)?;
    let prober = Prober::new().watching(standstill);
    let directory = config.state_dir.clone();
    let look = move || newest_file(&directory);
    let newest = file_work::run_patiently(FileUse::State, &config.state_dir, look).await;
    Ok(prober.with_clock_after(newest?))
}

/// The ends by which a running director is given another configuration.
struct Director {
    path: PathBuf,
    config: Arc<Config>,
    writing: Writing,
    probes: Probes,
    to_health: mpsc::Sender<health::Request>,
    /// Changes when health has shown another state of a drain.
    drain_changes: watch::Sender<()>,
    drains: Arc<Mutex<DrainStore>>,
    table: TableKind,
    to_reconcile: mpsc::Sender<reconcile::Request>,
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

    async fn ask(&self, request: reconcile::Request) -> Result<(), ReloadError> {
        let sent = self.to_reconcile.send(request).await;
        sent.map_err(|_| ReloadError::Ending)
    }

    /// Takes the file over if it is whole and valid: first the probes, then
    /// health, then, with what health knows, the kernel.
    async fn reload(&mut self) -> Result<String, ReloadError> {
        let config = reload_config(&self.path, &self.config, Mode::Director).await?;
        let view = self.shown.view();
        let names = config.virtual_services.iter().map(|service| &*service.name);
        let metrics = Arc::new(view.metrics.for_services(names)?);
        let weight_updates = Arc::new(WeightUpdates::default());
        let found = {
            let (found, answer) = oneshot::channel();
            let config = Arc::clone(&config);
            self.ask(reconcile::Request::Look { config, found }).await?;
            let found = answer.await.map_err(|_| ReloadError::Ending)?;
            found.map_err(ReloadError::Unreadable)?
        };

        // Only the agent that really writes sends events.
        if self.writing == Writing::Real && config.notify != self.config.notify {
            self.events.configure(&config.notify, &metrics)?;
        }
        // From here on nothing refuses the new configuration.
        let (done, health_done) = oneshot::channel();
        let change = health::Change {
            config: Arc::clone(&config),
            probes: subscribe(&mut self.probes, &config),
            found,
            loaded_at: clock::wall(),
            metrics: Arc::clone(&metrics),
            weight_updates: Arc::clone(&weight_updates),
            done,
        };
        let sent = self.to_health.send(health::Request::Change(change)).await;
        sent.map_err(|_| ReloadError::Ending)?;
        let ReloadResult {
            snapshot,
            weights,
            removed,
        } = health_done.await.map_err(|_| ReloadError::Ending)?;

        self.canary.send_replace(vip_path::canary_targets(&config));
        let before = mem::replace(&mut self.config, Arc::clone(&config));
        let ended = {
            let mut drains = self.drains.lock().await;
            drains.forget_unconfigured(&before, &config).await
        };
        view.liveness.expect(
            &[Loop::Reconcile, Loop::Health],
            config.director.resync_interval,
        );
        if let Some(interval) = report_interval(&probe_targets(&config)) {
            view.liveness.expect(&[Loop::Probes], interval);
        }
        self.shown.show(AppState {
            snapshot: Arc::clone(&snapshot),
            metrics: Arc::clone(&metrics),
            liveness: view.liveness,
            weight_updates: Arc::clone(&weight_updates),
        });
        snapshot.tls_not_read.forget();
        self.drain_changes.send_replace(());
        let (director, in_kernel) = (Mode::Director, self.table == TableKind::Kernel);
        conditions::examine_capabilities(&snapshot.conditions, &config, director, in_kernel);
        self.to_audit.send_replace(Arc::clone(&config));
        let (done, reconcile_done) = oneshot::channel();
        self.ask(reconcile::Request::Change(reconcile::Change {
            config,
            weights,
            removed,
            snapshot,
            metrics,
            weight_updates,
            done,
        }))
        .await?;
        let steps = reconcile_done.await.map_err(|_| ReloadError::Ending)??;
        let changes = if steps == 1 { "change" } else { "changes" };
        let made = match (self.writing, self.table) {
            (Writing::Real, TableKind::Kernel) => "in the kernel",
            (Writing::Real, TableKind::Memory) => "in the table in memory",
            (Writing::DryRun, _) => "pending, which a dry run does not make",
        };
        let notes = ended.iter().map(|ended| format!("\nnote: {ended}"));
        Ok(format!(
            "reloaded: {}; {steps} {changes} {made}{}",
            self.config.summary(),
            notes.collect::<String>()
        ))
    }
}

/// Starts the tasks that look at the director's own link; the ARP audit is
/// given further configurations by what is returned. Probes go over the link also
/// with a table inside this process, which may be a trial on a host without it.
fn look_at_the_link(
    tasks: &mut JoinSet<&'static str>,
    config: &Arc<Config>,
    snapshot: &Snapshot,
    (writing, table): (Writing, TableKind),
) -> (LinkInputs, watch::Sender<Arc<Config>>) {
    let (trouble, link) = watch::channel(None);
    let (to_audit, audited) = watch::channel(Arc::clone(config));
    let watched = carrier::watch(audited.clone(), trouble, table == TableKind::Memory);
    spawn_named(tasks, "link", watched);
    let (found, arp_conflicts) = watch::channel(ArpConflicts::new());
    let (unresponsive, not_answering) = watch::channel(BTreeSet::new());
    let (there, present) = watch::channel(BTreeSet::new());
    let silence = UnresponsiveHosts {
        unresponsive: not_answering,
        present: there,
    };
    let announcing = match (writing, table) {
        (Writing::Real, TableKind::Kernel) => Announcing::Vips,
        (Writing::Real, TableKind::Memory) | (Writing::DryRun, _) => Announcing::Nothing,
    };
    let record = Arc::clone(&snapshot.arp);
    let audit = arp_audit::run(audited, announcing, link.clone(), record, found, silence);
    spawn_named(tasks, "ARP audit", audit);
    let link_inputs = LinkInputs {
        link,
        arp_conflicts,
        unresponsive,
        present,
    };
    (link_inputs, to_audit)
}

fn state_file(config: &Config, table: TableKind) -> StateFile {
    match table {
        TableKind::Kernel => StateFile::new(&config.state_dir, Mode::Director),
        TableKind::Memory => StateFile::of_memory(&config.state_dir),
    }
}

fn drain_file(config: &Config, table: TableKind) -> DrainFile {
    match table {
        TableKind::Kernel => DrainFile::new(&config.state_dir),
        TableKind::Memory => DrainFile::of_memory(&config.state_dir),
    }
}

/// Makes the configuration's probes those that run.
fn subscribe(probes: &mut Probes, config: &Config) -> Subscriptions {
    let targets = probe_targets(config);
    let probes = probes.change_to(&targets);
    Subscriptions { probes, targets }
}

fn announce_ready(config: &Config, writing: Writing, probes: usize) {
    let summary = summary(config, writing, probes);
    info!("{summary}");
    systemd::ready();
}

fn summary(config: &Config, writing: Writing, probes: usize) -> String {
    let noun = if probes == 1 { "probe" } else { "probes" };
    let dry_run = writing.mark();
    format!("director: {}, {probes} {noun}{dry_run}", config.summary())
}

fn watched_loops(config: &Config) -> Liveness {
    let (now, loops) = (clock::monotonic(), [Loop::Reconcile, Loop::Health]);
    let liveness = Liveness::new(now, config.director.resync_interval, loops);
    match report_interval(&probe_targets(config)) {
        Some(interval) => liveness.and(Loop::Probes, now, interval),
        None => liveness,
    }
}

/// How often the probe loops report that they turn, if there are any: the longest
/// time from report to report of the most frequent check. `health::probe_loops`
/// watches each probe by itself.
fn report_interval(targets: &[ProbeTarget]) -> Option<Duration> {
    let checks = targets.iter().map(|target| &target.spec.check);
    checks
        .map(|check| check.longest_interval() + check.longest_probe())
        .min()
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
