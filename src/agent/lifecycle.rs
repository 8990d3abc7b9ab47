//! The start and the end of the agent in both roles, and its fatal errors.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::config::Config;
use crate::control::BindError;
use crate::http::ListenError;
use crate::metrics::Metrics;
use crate::model::Role;
use crate::notify::{self, Events};
use crate::reconcile::{LockError, ReconcileError, Writing};
use crate::runtime::file_work::FileWorkError;
use crate::runtime::stored_file::StoredFileError;
use crate::status::Snapshot;

/// For all that `on_exit` asks for. systemd itself waits for 90 s.
const EXIT_DEADLINE: Duration = Duration::from_secs(30);

/// For the events that wait when the agent ends: a target that answers takes
/// hundreds in that time, and nobody waits long for one that does not.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// The agent could not start, or had to end.
#[derive(Debug, Error)]
pub(crate) enum AgentError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Control(#[from] BindError),
    #[error(
        "this host's agent of the other role has it; on a host that is director and real server, \
         add to the configuration `real_server: {{ http: {{ listen: 127.0.0.1:9478 }}, control: \
         {{ socket: /run/lvs-agent/real-server.sock }} }}`"
    )]
    OtherRole(#[source] Box<AgentError>),
    #[error(transparent)]
    StateFile(#[from] StoredFileError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    #[error(transparent)]
    File(#[from] FileWorkError),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
    #[error("events cannot be delivered")]
    Events(#[from] notify::StartError),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("the task `{0}` ended, which it never should; the kernel is left as it is")]
    TaskEnded(&'static str),
    #[error("the agent's own code failed; the kernel is left as it is")]
    TaskFailed(#[from] JoinError),
    #[error(
        "what `on_exit` asks for was not done within {}",
        humantime::format_duration(EXIT_DEADLINE)
    )]
    ExitDeadline,
}

/// Starts the delivery of events, except in a dry run: the agent that really
/// writes sends the events.
pub(super) fn start_events(
    config: &Config,
    role: Role,
    writing: Writing,
    metrics: &Metrics,
    snapshot: &Snapshot,
) -> Result<Arc<Events>, notify::StartError> {
    match writing {
        Writing::Real => {
            let stale = Arc::clone(&snapshot.tls_not_read);
            Events::start(&config.notify, role, metrics, stale)
        }
        Writing::DryRun => Ok(Events::none()),
    }
}

/// Ends the agent in order: does what `on_exit` asks for, unless serving
/// failed, then delivers the waiting events, each part within a deadline.
pub(crate) async fn finish<L>(
    events: &Events,
    served: Result<L, AgentError>,
    on_exit: impl AsyncFnOnce(L) -> Result<(), ReconcileError>,
) -> Result<(), AgentError> {
    let ended = match served {
        Ok(reconcile) => match timeout(EXIT_DEADLINE, on_exit(reconcile)).await {
            Ok(done) => done.map_err(AgentError::from),
            Err(_) => Err(AgentError::ExitDeadline),
        },
        Err(error) => Err(error),
    };
    events.finish(LAST_EVENTS).await;
    ended
}
