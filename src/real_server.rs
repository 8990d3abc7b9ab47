//! The agent on a real server: the VIPs on lo and the sysctls of direct
//! routing, over the same reconcile as the director's.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::info;

use crate::config::{Config, RealServerExit};
use crate::http::Shown;
use crate::kernel::{Kernel, KernelIpvs};
use crate::lifecycle::{AgentError, Doors, finish};
use crate::liveness::{Liveness, Loop};
use crate::metrics::Metrics;
use crate::notify::Events;
use crate::reconcile::{RealServerLoop, Reconciler, StateFile, Writing};
use crate::signals::Stop;
use crate::snapshot::{Mode, Snapshot};
use crate::{clock, service_manager};

/// Runs until a signal ends it.
pub(crate) async fn run(
    config: Arc<Config>,
    path: &Path,
    writing: Writing,
) -> Result<(), AgentError> {
    let lock = (writing == Writing::Real).then_some(Mode::RealServer);
    let doors = Doors::open(&config, lock).await?;

    let role = &config.real_server;
    let snapshot = Arc::new(Snapshot::real_server(
        role,
        [],
        path.to_owned(),
        clock::wall(),
    ));
    let metrics = Arc::new(Metrics::new([])?);
    let events = match writing {
        Writing::Real => Events::start(&config.notify, Mode::RealServer, &metrics)?,
        // The agent that really writes tells.
        Writing::DryRun => Events::none(),
    };
    let liveness = Liveness::new(clock::monotonic(), role.resync_interval, [Loop::Reconcile]);
    let liveness = Arc::new(liveness);
    let reconciler = Reconciler::new(
        // A real server's table is never asked for: nothing is desired of it.
        Kernel::with_table(KernelIpvs::new()),
        StateFile::new(&config.state_dir, Mode::RealServer),
        writing,
        Arc::clone(&snapshot),
        Arc::clone(&metrics),
    )?
    .telling(events);
    let reconcile = RealServerLoop::start(reconciler, Arc::clone(&config)).await?;
    let (stop, stopping) = Stop::new();
    let reconcile = tokio::spawn(reconcile.run(stopping, Arc::clone(&liveness)));

    let vips: Vec<_> = snapshot
        .vips
        .lock()
        .keys()
        .map(|(vip, _)| vip.to_string())
        .collect();
    let vips = if vips.is_empty() {
        "no VIP".to_owned()
    } else {
        vips.join(", ")
    };
    let summary = format!("real server: {vips}");
    info!("{summary}");
    service_manager::ready(&summary);
    let shown = Shown {
        snapshot,
        metrics,
        liveness,
    };
    let reconcile = doors
        .serve_until_stopped(shown, JoinSet::new(), reconcile, stop)
        .await?;
    finish(async {
        match role.on_exit {
            RealServerExit::Keep => Ok(()),
            RealServerExit::Remove => reconcile.remove_all().await,
        }
    })
    .await
}
