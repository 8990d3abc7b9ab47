//! What both roles share: opening the doors before the kernel is touched,
//! waiting for the end, and ending in order.

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{error, info};

use crate::clock;
use crate::config::{Config, ConfigErrors};
use crate::control::{self, BindError, ControlSocket, Reloaded, Request};
use crate::error_chain::error_chain;
use crate::http::{self, ListenError, Shown};
use crate::notify;
use crate::reconcile::{LockError, ReconcileError, RoleLock, StateFileError};
use crate::signals::{Hangup, Stop, Terminate};
use crate::snapshot::Mode;

/// For all that `on_exit` asks for. The service manager's own patience is 90 s.
const EXIT_DEADLINE: Duration = Duration::from_secs(30);

/// The agent could not start, or had to end.
#[derive(Debug, Error)]
pub(crate) enum AgentError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Control(#[from] BindError),
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
    #[error("the HTTP client of the probes cannot be set up")]
    Prober(#[from] reqwest::Error),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    #[error("the task `{0}` ended, which it never should; the kernel is left as it is")]
    TaskEnded(&'static str),
    #[error("a task failed; the kernel is left as it is")]
    TaskFailed(#[from] JoinError),
    #[error(
        "what `on_exit` asks for was not done within {}",
        humantime::format_duration(EXIT_DEADLINE)
    )]
    ExitDeadline,
}

/// What a second agent, or a wrong configuration, would find taken: had
/// before the kernel is touched.
pub(crate) struct Doors {
    terminate: Terminate,
    hangup: Hangup,
    listener: TcpListener,
    socket: ControlSocket,
    _lock: Option<RoleLock>,
}

impl Doors {
    /// Opens them, with the role's lock where the kernel is to be written.
    pub(crate) async fn open(config: &Config, lock: Option<Mode>) -> Result<Self, AgentError> {
        let terminate = Terminate::new().map_err(AgentError::Signals)?;
        let hangup = Hangup::new().map_err(AgentError::Signals)?;
        let lock = match lock {
            Some(mode) => Some(RoleLock::take(mode).await?),
            None => None,
        };
        let listener = http::bind(config.http.listen).await?;
        let socket = control::bind(&config.control.socket)?;
        Ok(Self {
            terminate,
            hangup,
            listener,
            socket,
            _lock: lock,
        })
    }

    /// Serves on them, beside `tasks`, until a signal comes; then lets
    /// `reconcile` come to the end of what it is doing, and hands it back.
    /// Meanwhile calls `reload` whenever it is asked for.
    ///
    /// Fails if a task ends by itself.
    pub(crate) async fn serve_until_stopped<L>(
        mut self,
        shown: Shown,
        mut tasks: JoinSet<&'static str>,
        mut reconcile: JoinHandle<L>,
        stop: Stop,
        mut reload: impl AsyncFnMut() -> Result<String, ReloadError>,
    ) -> Result<L, AgentError> {
        let (requests, mut asked) = control::requests();
        tasks.spawn(named(
            "control",
            control::serve(self.socket, shown.clone(), requests),
        ));
        tasks.spawn(named(
            "http",
            http::serve(self.listener, http::router(shown.clone())),
        ));
        loop {
            tokio::select! {
                signal = self.terminate.recv() => {
                    info!("{signal}: ending");
                    break;
                }
                () = self.hangup.recv() => {
                    info!("SIGHUP: reading the configuration again");
                    reloaded(&shown, reload().await);
                }
                Some(Request::Reload(answer)) = asked.recv() => {
                    info!("asked to read the configuration again");
                    // Whoever asked may have gone away.
                    let _ = answer.send(reloaded(&shown, reload().await));
                }
                Some(ended) = tasks.join_next() => return Err(AgentError::TaskEnded(ended?)),
                ended = &mut reconcile => {
                    ended?;
                    return Err(AgentError::TaskEnded("reconcile"));
                }
            }
        }
        notify::stopping();
        stop.stop();
        Ok(reconcile.await?)
    }
}

/// Shows how a reload went, and tells whoever asked.
fn reloaded(shown: &Shown, result: Result<String, ReloadError>) -> Reloaded {
    let snapshot = shown.view().snapshot;
    let mut record = snapshot.reload.lock();
    notify::ready_again();
    match result {
        Ok(message) => {
            info!("{message}");
            record.error = None;
            record.last_success = clock::wall();
            Reloaded {
                ok: true,
                bad_configuration: false,
                message,
            }
        }
        Err(error) => {
            let message = error_chain(&error);
            error!("the configuration is not reloaded: {message}");
            record.error = Some(message.clone());
            let bad_configuration = matches!(error, ReloadError::Config(_) | ReloadError::Fixed(_));
            Reloaded {
                ok: false,
                bad_configuration,
                message,
            }
        }
    }
}

/// Another configuration is not, or not wholly, in force.
#[derive(Debug, Error)]
pub(crate) enum ReloadError {
    /// The file is bad: the configuration of before stays in force.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A key changed that is fixed while the agent runs: as above.
    #[error("`{0}` cannot be changed while the agent runs: restart it, traffic does not notice")]
    Fixed(&'static str),
    /// The metrics cannot take the new services: as above.
    #[error("the metrics cannot be changed")]
    Metrics(#[from] prometheus::Error),
    /// The kernel cannot be read: as above.
    #[error("nothing is changed, for the kernel cannot be read")]
    Unreadable(#[source] ReconcileError),
    /// The agent is ending.
    #[error("the agent is ending")]
    Ending,
    /// The new configuration is in force, and the kernel is not yet as it wants it.
    #[error("the new configuration is in force, but the kernel is not as it wants it")]
    Kernel(#[from] ReconcileError),
}

/// Reads the configuration again, and refuses what cannot change.
pub(crate) fn read_again(path: &Path, before: &Config) -> Result<Arc<Config>, ReloadError> {
    notify::reloading();
    let config = Config::load(path)?;
    if config.http != before.http {
        Err(ReloadError::Fixed("http.listen"))
    } else if config.control != before.control {
        Err(ReloadError::Fixed("control.socket"))
    } else if config.state_dir != before.state_dir {
        Err(ReloadError::Fixed("state_dir"))
    } else {
        Ok(Arc::new(config))
    }
}

/// Does what `on_exit` asks for, within a deadline.
pub(crate) async fn finish(
    on_exit: impl Future<Output = Result<(), ReconcileError>>,
) -> Result<(), AgentError> {
    timeout(EXIT_DEADLINE, on_exit)
        .await
        .map_err(|_| AgentError::ExitDeadline)??;
    Ok(())
}

/// A task that tells its name when it ends.
pub(crate) async fn named<F: Future>(name: &'static str, task: F) -> &'static str {
    task.await;
    name
}
