//! The agent on a real server: the VIPs on lo and the sysctls of direct
//! routing, over the same reconcile as the director's.

mod look;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::info;

use crate::agent::conditions;
use crate::agent::lifecycle::{
    AgentError, Doors, Operated, ReloadError, finish, named, read_again, telling,
};
use crate::config::{Config, RealServerExit};
use crate::control::{Answer, Operation};
use crate::http::{AppState, SharedState};
use crate::kernel::{Kernel, KernelIpvs};
use crate::metrics::Metrics;
use crate::notify::Events;
use crate::reconcile::{HostChange, RealServerLoop, Reconciler, StateFile, Writing};
use crate::runtime::liveness::{Liveness, Loop};
use crate::runtime::signals::Stop;
use crate::runtime::{clock, systemd};
use crate::status::{LoadedRecord, Mode, ProcessRecord, Snapshot};
pub(crate) use look::{Eyes, Seen};

/// Runs until a signal ends it.
pub(crate) async fn run(
    config: Arc<Config>,
    path: &Path,
    writing: Writing,
) -> Result<(), AgentError> {
    let doors = Doors::open(&config, Mode::RealServer, writing, true).await?;

    let mut config = config;
    let role = &config.real_server;
    let now = clock::wall();
    let snapshot = Snapshot::real_server(role, [], path.to_owned(), now);
    *snapshot.loaded.lock() = LoadedRecord::of(&config, now);
    let snapshot = Arc::new(snapshot.of_process(ProcessRecord {
        dry_run: writing == Writing::DryRun,
        ..ProcessRecord::this(now)
    }));
    let metrics = Arc::new(Metrics::new([])?);
    let events = match writing {
        Writing::Real => Events::start(&config.notify, Mode::RealServer, &metrics)?,
        // The agent that really writes tells.
        Writing::DryRun => Events::none(),
    };
    conditions::start::<KernelIpvs>(&snapshot, &events, &config);
    let liveness = Liveness::new(clock::monotonic(), role.resync_interval, [Loop::Reconcile]);
    let liveness = Arc::new(liveness);
    let reconciler = Reconciler::load(
        // A real server's table is never asked for: nothing is desired of it.
        Kernel::with_table(KernelIpvs::new()),
        StateFile::new(&config.state_dir, Mode::RealServer),
        writing,
        Arc::clone(&snapshot),
        Arc::clone(&metrics),
    )
    .await?
    .telling(Arc::clone(&events));
    let reconcile = RealServerLoop::start(reconciler, Arc::clone(&config)).await?;
    let (stop, stopping) = Stop::new();
    let (to_reconcile, changes) = mpsc::channel(1);
    let reconcile = reconcile.run(stopping, Arc::clone(&liveness), changes);
    let reconcile = tokio::spawn(telling("reconcile", reconcile));

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
    systemd::ready(&summary);
    let (newest, configured) = watch::channel(Arc::clone(&config));
    let mut tasks = JoinSet::new();
    tasks.spawn(named(
        "look",
        look::watch(Arc::clone(&snapshot), configured),
    ));
    let shown = SharedState::new(AppState {
        snapshot,
        metrics,
        liveness,
        intent: Arc::default(),
    });
    let path = path.to_owned();
    let view = shown.view();
    let mut reload = async || {
        let again = read_again(&path, &config, Mode::RealServer).await?;
        // The agent that really writes tells of events.
        if writing == Writing::Real && again.notify != config.notify {
            events.configure(&again.notify, &view.metrics)?;
        }
        config = again;
        *view.snapshot.loaded.lock() = LoadedRecord::of(&config, clock::wall());
        newest.send_replace(Arc::clone(&config));
        view.liveness
            .expect(&[Loop::Reconcile], config.real_server.resync_interval);
        let (done, converged) = oneshot::channel();
        let change = HostChange {
            config: Arc::clone(&config),
            done,
        };
        to_reconcile
            .send(change)
            .await
            .map_err(|_| ReloadError::Ending)?;
        converged.await.map_err(|_| ReloadError::Ending)??;
        Ok(format!("reloaded: {}", config.summary()))
    };
    let operate = async |operation: Operation| match operation {
        Operation::Reload => Operated::Reload(reload().await),
        Operation::Drain { .. } | Operation::Undrain { .. } => Operated::Other(Answer::failed(
            "this is a real server: drain it on its directors".to_owned(),
        )),
    };
    let reconcile = doors
        .serve_until_stopped(shown, tasks, reconcile, stop, &events, operate)
        .await;
    finish(&events, reconcile, async |reconcile| {
        match config.real_server.on_exit {
            RealServerExit::Keep => Ok(()),
            RealServerExit::Remove => reconcile.remove_all().await,
        }
    })
    .await
}
