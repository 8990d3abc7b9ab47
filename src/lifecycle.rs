//! What both roles share: opening the doors before the kernel is touched,
//! waiting for the end, and ending in order.

use std::future::Future;
use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::info;

use crate::config::Config;
use crate::control::{self, BindError, ControlSocket};
use crate::http::{self, ListenError, Shown};
use crate::notify;
use crate::reconcile::{LockError, ReconcileError, RoleLock, StateFileError};
use crate::signals::{Stop, Terminate};
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
    listener: TcpListener,
    socket: ControlSocket,
    _lock: Option<RoleLock>,
}

impl Doors {
    /// Opens them, with the role's lock where the kernel is to be written.
    pub(crate) async fn open(config: &Config, lock: Option<Mode>) -> Result<Self, AgentError> {
        let terminate = Terminate::new().map_err(AgentError::Signals)?;
        let lock = lock.map(RoleLock::take).transpose()?;
        let listener = http::bind(config.http.listen).await?;
        let socket = control::bind(&config.control.socket)?;
        Ok(Self {
            terminate,
            listener,
            socket,
            _lock: lock,
        })
    }

    /// Serves on them, beside `tasks`, until a signal comes; then lets
    /// `reconcile` come to the end of what it is doing, and hands it back.
    ///
    /// Fails if a task ends by itself.
    pub(crate) async fn serve_until_stopped<L>(
        mut self,
        shown: Shown,
        mut tasks: JoinSet<&'static str>,
        mut reconcile: JoinHandle<L>,
        stop: Stop,
    ) -> Result<L, AgentError> {
        tasks.spawn(named("control", control::serve(self.socket, shown.clone())));
        tasks.spawn(named(
            "http",
            http::serve(self.listener, http::router(shown)),
        ));
        tokio::select! {
            signal = self.terminate.recv() => info!("{signal}: ending"),
            Some(ended) = tasks.join_next() => return Err(AgentError::TaskEnded(ended?)),
            ended = &mut reconcile => {
                ended?;
                return Err(AgentError::TaskEnded("reconcile"));
            }
        }
        notify::stopping();
        stop.stop();
        Ok(reconcile.await?)
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
