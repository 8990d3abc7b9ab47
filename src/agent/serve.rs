//! The main loop of both roles: signals, operators' requests, and tasks that
//! must not end.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::agent::conditions;
use crate::agent::lifecycle::AgentError;
use crate::agent::reload::{OperationResult, record_reload};
use crate::agent::service_status;
use crate::agent::startup_resources::StartupResources;
use crate::agent::tasks::spawn_named;
use crate::control::{self, Operation, OperationRequest, OperationResponse, Operator};
use crate::http::{self, ServeError, SharedState};
use crate::notify::Events;
use crate::runtime::error_chain::error_chain;
use crate::runtime::printable::printable;
use crate::runtime::signals::{Hangup, Stop, Terminate};
use crate::runtime::{orphans, systemd};

/// The time that an operation has to end when the agent ends.
const LAST_OPERATION: Duration = Duration::from_secs(1);

/// Serves HTTP and the control socket, beside `tasks`, until a signal comes;
/// then lets `reconcile` finish its current work, and returns its result.
/// Calls `operate` for each reload and each operator's request.
///
/// Fails if a task ends by itself.
pub(crate) async fn serve_until_stopped<L>(
    resources: StartupResources,
    shown: SharedState,
    mut tasks: JoinSet<&'static str>,
    mut reconcile: JoinHandle<L>,
    stop: Stop,
    events: &Events,
    mut operate: impl AsyncFnMut(Operation, Option<Operator>) -> OperationResult,
) -> Result<L, AgentError> {
    let StartupResources {
        mut terminate,
        mut hangup,
        listener,
        socket,
    } = resources;
    let (requests, mut asked) = control::requests();
    let watchdog = systemd::feed_watchdog(shown.view().liveness);
    spawn_named(&mut tasks, "watchdog", watchdog);
    let status = service_status::keep_current(shown.clone());
    spawn_named(&mut tasks, "service status", status);
    spawn_named(&mut tasks, "orphans", orphans::reap());
    let conditions = conditions::watch(shown.clone());
    spawn_named(&mut tasks, "conditions", conditions);
    let control = control::serve(socket, shown.clone(), requests);
    spawn_named(&mut tasks, "control", serving("control", control));
    let http = http::serve(listener, shown.clone());
    spawn_named(&mut tasks, "http", serving("http", http));
    loop {
        let request = tokio::select! {
            request = next_request(&mut terminate, &mut hangup, &mut asked) => request,
            Some(ended) = tasks.join_next() => return Err(AgentError::TaskEnded(ended?)),
            ended = &mut reconcile => {
                ended?;
                return Err(AgentError::TaskEnded("reconcile"));
            }
        };
        let (operation, asked_by) = match request {
            Ok(request) => request,
            Err(signal) => {
                info!("{signal}: ending");
                break;
            }
        };
        let (by, answer) = asked_by.unzip();
        let asked = by.as_ref().map(|by| (operation.clone(), by.to_string()));
        let (result, signal) = until_signal(&mut terminate, operate(operation, by)).await;
        if let Some(result) = result {
            let result = record_reload(&shown, events, result);
            if let (Some((operation, by)), Ok(answer)) = (asked, &result) {
                log_refusal(&operation, &by, answer);
            }
            send_answer(answer, result);
        }
        if let Some(signal) = signal {
            info!("{signal}: ending");
            break;
        }
    }
    systemd::stopping();
    stop.stop();
    Ok(reconcile.await?)
}

async fn serving(endpoint: &str, served: impl Future<Output = ServeError>) {
    let error = served.await;
    error!(
        endpoint,
        error = error_chain(&error),
        "the agent can answer nobody"
    );
}

/// The next operation, with the operator who asks for it and the channel where the
/// operator waits for its answer, or the signal that ends the agent. Cancel-safe.
async fn next_request(
    terminate: &mut Terminate,
    hangup: &mut Hangup,
    asked: &mut mpsc::Receiver<OperationRequest>,
) -> Result<
    (
        Operation,
        Option<(Operator, oneshot::Sender<OperationResponse>)>,
    ),
    &'static str,
> {
    tokio::select! {
        signal = terminate.recv() => Err(signal),
        () = hangup.recv() => {
            info!("SIGHUP: reading the configuration again");
            Ok((Operation::Reload, None))
        }
        Some(OperationRequest { operation, by, answer }) = asked.recv() => {
            if operation.is_change() {
                info!(%operation, %by, "asked by an operator");
            }
            Ok((operation, Some((by, answer))))
        }
    }
}

/// The result of a reload is logged already, without what only the operator may read.
fn log_refusal(operation: &Operation, by: &str, answer: &OperationResponse) {
    if !answer.ok && operation.is_change() && *operation != Operation::Reload {
        let reason = printable(&answer.message);
        warn!(%operation, by, reason, "refused to an operator");
    }
}

/// Sends the answer, now or when it comes. Whoever asked may have gone away,
/// also while the answer is awaited.
fn send_answer(
    to: Option<oneshot::Sender<OperationResponse>>,
    answer: Result<OperationResponse, BoxFuture<'static, OperationResponse>>,
) {
    let Some(mut to) = to else {
        return;
    };
    match answer {
        Ok(answer) => {
            let _ = to.send(answer);
        }
        Err(later) => {
            tokio::spawn(async move {
                let answer = tokio::select! {
                    answer = later => answer,
                    () = to.closed() => return,
                };
                let _ = to.send(answer);
            });
        }
    }
}

/// The result of an operation, and the signal that came meanwhile. After a
/// signal the operation has [`LAST_OPERATION`] to end, because it may wait for
/// a file.
async fn until_signal(
    terminate: &mut Terminate,
    operation: impl Future<Output = OperationResult>,
) -> (Option<OperationResult>, Option<&'static str>) {
    let mut operation = pin!(operation);
    let signal = tokio::select! {
        result = &mut operation => return (Some(result), None),
        signal = terminate.recv() => signal,
    };
    (timeout(LAST_OPERATION, operation).await.ok(), Some(signal))
}
