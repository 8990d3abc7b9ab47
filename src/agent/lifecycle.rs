//! What both roles share: opening the doors before the kernel is touched,
//! waiting for the end, and ending in order.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{error, info};

use crate::agent::conditions;
use crate::agent::drains::DrainFileError;
use crate::config::{Config, ConfigErrors, Control, Http};
use crate::control::{self, Answer, BindError, ControlSocket, Operation, Request};
use crate::http::{self, ListenError, SharedState};
use crate::model::{Condition, ConditionType, Severity};
use crate::notify::{self, Event, EventKind, Events};
use crate::reconcile::{LockError, ReconcileError, RoleLock, StateFileError, StateLock, Writing};
use crate::runtime::error_chain::error_chain;
use crate::runtime::file_work::{self, FileUse, FileWorkError};
use crate::runtime::signals::{Hangup, Stop, Terminate};
use crate::runtime::{clock, orphans, panics, systemd};
use crate::status::Mode;

/// For all that `on_exit` asks for. The service manager's own patience is 90 s.
const EXIT_DEADLINE: Duration = Duration::from_secs(30);

/// For an operation that goes on when the agent is to end.
const LAST_OPERATION: Duration = Duration::from_secs(1);

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
    StateFile(#[from] StateFileError),
    #[error(transparent)]
    Drains(#[from] DrainFileError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    #[error(transparent)]
    File(#[from] FileWorkError),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
    #[error("events cannot be told")]
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

/// What a second agent, or a wrong configuration, would find taken: had
/// before the kernel is touched.
pub(crate) struct Doors {
    terminate: Terminate,
    hangup: Hangup,
    listener: TcpListener,
    socket: ControlSocket,
    _locks: (Option<RoleLock>, Option<StateLock>),
}

impl Doors {
    /// Opens those of a role, with its lock where the kernel is to be written,
    /// and that of its state directory where that is.
    pub(crate) async fn open(
        config: &Config,
        mode: Mode,
        writing: Writing,
        in_kernel: bool,
    ) -> Result<Self, AgentError> {
        let terminate = Terminate::new().map_err(AgentError::Signals)?;
        let hangup = Hangup::new().map_err(AgentError::Signals)?;
        let writes = writing == Writing::Real;
        let lock = if writes && in_kernel {
            Some(RoleLock::take(mode).await?)
        } else {
            None
        };
        let (http, control) = endpoints(config, mode);
        let listener = http::bind(http.listen).await;
        let listener = listener.map_err(|error| taken(error.into(), mode))?;
        let socket = control::bind(&control.socket);
        let socket = socket.map_err(|error| taken(error.into(), mode))?;
        let state_lock = if writes {
            Some(StateLock::take(&config.state_dir, mode).await?)
        } else {
            None
        };
        let http = listener.local_addr().unwrap_or(http.listen);
        info!(%http, control = %control.socket.display(), "listening");
        Ok(Self {
            terminate,
            hangup,
            listener,
            socket,
            _locks: (lock, state_lock),
        })
    }

    /// Serves on them, beside `tasks`, until a signal comes; then lets
    /// `reconcile` come to the end of what it is doing, and hands it back.
    /// Meanwhile calls `reload` whenever it is asked for.
    ///
    /// Fails if a task ends by itself.
    pub(crate) async fn serve_until_stopped<L>(
        mut self,
        shown: SharedState,
        mut tasks: JoinSet<&'static str>,
        mut reconcile: JoinHandle<L>,
        stop: Stop,
        events: &Events,
        mut operate: impl AsyncFnMut(Operation) -> Operated,
    ) -> Result<L, AgentError> {
        let (requests, mut asked) = control::requests();
        tasks.spawn(named(
            "watchdog",
            systemd::feed_watchdog(shown.view().liveness),
        ));
        tasks.spawn(named("orphans", orphans::reap()));
        tasks.spawn(named("conditions", conditions::watch(shown.clone())));
        tasks.spawn(named(
            "control",
            control::serve(self.socket, shown.clone(), requests),
        ));
        let router = http::router(shown.clone());
        let http = http::serve(self.listener, move |_| router.clone());
        tasks.spawn(named("http", http));
        loop {
            tokio::select! {
                signal = self.terminate.recv() => {
                    info!("{signal}: ending");
                    break;
                }
                () = self.hangup.recv() => {
                    info!("SIGHUP: reading the configuration again");
                    let operation = operate(Operation::Reload);
                    let (operated, signal) = until_signal(&mut self.terminate, operation).await;
                    if let Some(operated) = operated {
                        settle(&shown, events, operated);
                    }
                    if let Some(signal) = signal {
                        info!("{signal}: ending");
                        break;
                    }
                }
                Some(Request { operation, by, answer }) = asked.recv() => {
                    info!(%operation, %by, "asked by an operator");
                    let operation = operate(operation);
                    let (operated, signal) = until_signal(&mut self.terminate, operation).await;
                    if let Some(operated) = operated {
                        let answered = settle(&shown, events, operated);
                        // Whoever asked may have gone away.
                        let _ = answer.send(answered);
                    }
                    if let Some(signal) = signal {
                        info!("{signal}: ending");
                        break;
                    }
                }
                Some(ended) = tasks.join_next() => return Err(AgentError::TaskEnded(ended?)),
                ended = &mut reconcile => {
                    ended?;
                    return Err(AgentError::TaskEnded("reconcile"));
                }
            }
        }
        systemd::stopping();
        stop.stop();
        Ok(reconcile.await?)
    }
}

/// What comes of an operation, and the signal that came meanwhile. With a
/// signal, the operation has a moment to end: it may wait for a file.
async fn until_signal(
    terminate: &mut Terminate,
    operation: impl Future<Output = Operated>,
) -> (Option<Operated>, Option<&'static str>) {
    let mut operation = pin!(operation);
    let signal = tokio::select! {
        operated = &mut operation => return (Some(operated), None),
        signal = terminate.recv() => signal,
    };
    (timeout(LAST_OPERATION, operation).await.ok(), Some(signal))
}

/// Where the agent of a role is asked.
fn endpoints(config: &Config, mode: Mode) -> (&Http, &Control) {
    match mode {
        Mode::Director => (config.director_http(), config.director_control()),
        Mode::RealServer => (config.real_server_http(), config.real_server_control()),
    }
}

/// Of what the agent of the host's other role has: what lets both run.
fn taken(error: AgentError, mode: Mode) -> AgentError {
    let is_taken = matches!(
        error,
        AgentError::Listen(ListenError::Taken(_)) | AgentError::Control(BindError::InUse(_))
    );
    let other = match mode {
        Mode::Director => Mode::RealServer,
        Mode::RealServer => Mode::Director,
    };
    if is_taken && RoleLock::is_held(other) {
        AgentError::OtherRole(Box::new(error))
    } else {
        error
    }
}

/// What came of an operation.
pub(crate) enum Operated {
    /// Of a reload: shown in status and metrics, too.
    Reload(Result<String, ReloadError>),
    /// Of any other.
    Other(Answer),
}

/// Shows what is to be shown of an operation, and makes the answer to it.
fn settle(shown: &SharedState, events: &Events, operated: Operated) -> Answer {
    let result = match operated {
        Operated::Reload(result) => result,
        Operated::Other(answer) => return answer,
    };
    let snapshot = shown.view().snapshot;
    let mut record = snapshot.reload.lock();
    systemd::ready_again();
    match result {
        Ok(message) => {
            // Notes, each on a line of its own, were logged where they arose.
            let summary = message.lines().next().unwrap_or_default();
            info!("{summary}");
            events.emit(Event::of_agent(EventKind::ReloadSucceeded, summary));
            record.error = None;
            record.last_success = clock::wall();
            let path = snapshot.config_path.display().to_string();
            let kind = ConditionType::ReloadFailed;
            snapshot.conditions.clear(kind, &path);
            Answer::done(message)
        }
        Err(error) => {
            // Only whoever asked may read the configuration, with its secrets.
            let message = error_chain(&error);
            let public = error.public();
            if error.is_in_force() {
                error!("reloaded with an error: {public}");
            } else {
                error!("the configuration is not reloaded: {public}");
            }
            events.emit(Event::of_agent(EventKind::ReloadFailed, &public));
            snapshot.conditions.raise(Condition {
                kind: ConditionType::ReloadFailed,
                subject: snapshot.config_path.display().to_string(),
                severity: Severity::Problem,
                message: public.clone(),
                fix: error.fix(snapshot.mode),
                since: clock::wall(),
            });
            record.error = Some(public);
            let bad_configuration = matches!(error, ReloadError::Config(_) | ReloadError::Fixed(_));
            Answer {
                ok: false,
                bad_configuration,
                message,
            }
        }
    }
}

/// What is said of a key that is fixed while the agent runs.
pub(crate) const FIXED: &str =
    "cannot be changed while the agent runs: restart it, traffic does not notice";

/// Another configuration is not, or not wholly, in force.
#[derive(Debug, Error)]
pub(crate) enum ReloadError {
    /// The file is bad: the configuration of before stays in force.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Nobody knows what is in the file: as above.
    #[error(transparent)]
    File(#[from] FileWorkError),
    /// A key changed that is fixed while the agent runs: as above.
    #[error("`{0}` {fixed}", fixed = FIXED)]
    Fixed(&'static str),
    /// The metrics cannot take the new services: as above.
    #[error("the metrics cannot be changed")]
    Metrics(#[from] prometheus::Error),
    /// The kernel cannot be read: as above.
    #[error("nothing is changed, for the kernel cannot be read")]
    Unreadable(#[source] ReconcileError),
    /// The new `notify` cannot be set up: as above.
    #[error("`notify` cannot be changed")]
    Events(#[from] notify::StartError),
    /// The agent is ending.
    #[error("the agent is ending")]
    Ending,
    /// The new configuration is in force, and the kernel is not yet as it wants it.
    #[error("the new configuration is in force, but the kernel is not as it wants it")]
    Kernel(#[from] ReconcileError),
}

impl ReloadError {
    /// What may be read by those who may not read the configuration.
    fn public(&self) -> String {
        match self {
            Self::Config(errors) => errors.public(),
            Self::File(_)
            | Self::Fixed(_)
            | Self::Metrics(_)
            | Self::Unreadable(_)
            | Self::Events(_)
            | Self::Ending
            | Self::Kernel(_) => error_chain(self),
        }
    }

    /// What an operator does about it.
    fn fix(&self, mode: Mode) -> String {
        match self {
            Self::Fixed(_) => {
                let unit = mode.unit();
                format!("lvs-agent check-config && systemctl restart {unit}")
            }
            Self::Kernel(_) | Self::Unreadable(_) => "lvs-agent doctor".to_owned(),
            Self::Config(_) | Self::File(_) | Self::Metrics(_) | Self::Events(_) | Self::Ending => {
                "lvs-agent check-config && lvs-agent reload".to_owned()
            }
        }
    }

    /// Whether the new configuration is the one that the agent works by now.
    const fn is_in_force(&self) -> bool {
        match self {
            Self::Kernel(_) => true,
            Self::Config(_)
            | Self::File(_)
            | Self::Fixed(_)
            | Self::Metrics(_)
            | Self::Unreadable(_)
            | Self::Events(_)
            | Self::Ending => false,
        }
    }
}

/// Reads the configuration again, and refuses what cannot change.
pub(crate) async fn read_again(
    path: &Path,
    before: &Config,
    mode: Mode,
) -> Result<Arc<Config>, ReloadError> {
    systemd::reloading();
    let file = path.to_owned();
    let load = move || Config::load(&file);
    let config = file_work::run_patiently(FileUse::Configuration, path, load).await??;
    if endpoints(&config, mode).0 != endpoints(before, mode).0 {
        Err(ReloadError::Fixed("http.listen"))
    } else if endpoints(&config, mode).1 != endpoints(before, mode).1 {
        Err(ReloadError::Fixed("control.socket"))
    } else if config.state_dir != before.state_dir {
        Err(ReloadError::Fixed("state_dir"))
    } else {
        Ok(Arc::new(config))
    }
}

/// Ends in order, with what serving came to: does what `on_exit` asks for,
/// unless it failed, and lets the events that wait be delivered, each within a
/// deadline.
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

/// A task that tells its name when it ends, also where that is by a panic.
pub(crate) async fn named<F: Future>(name: &'static str, task: F) -> &'static str {
    telling(name, task).await;
    name
}

/// A task whose name is told where it ends by a panic.
pub(crate) async fn telling<F: Future>(name: &'static str, task: F) -> F::Output {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(output) => output,
        Err(panic) => {
            let message = panics::message(&*panic);
            error!("the task `{name}` panicked, and the agent ends: {message}");
            resume_unwind(panic)
        }
    }
}

#[cfg(test)]
mod tests;
