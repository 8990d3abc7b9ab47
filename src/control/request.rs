//! The operations that an operator can ask for.

use std::fmt;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{Operator, Reason};
use crate::model::{SetWeight, Target};

/// Requests that may wait for the agent: an operator's, one after the other.
/// A further request waits before it is handed in.
const WAITING: usize = 4;

/// What an operator asks of the running agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// Read the configuration again.
    Reload,
    /// No new connections for these real servers.
    Drain {
        targets: Vec<Target>,
        /// In seconds: when what has no connections that end counts as drained.
        deadline: u64,
        reason: Option<Reason>,
    },
    /// Return these real servers to service.
    Undrain { targets: Vec<Target> },
    /// Answer when these real servers are drained, or after so many milliseconds.
    AwaitDrain { targets: Vec<Target>, millis: u64 },
    /// This weight for these real servers in place of the configured one, or with `None`
    /// the configured one again.
    SetWeight {
        targets: Vec<Target>,
        weight: Option<SetWeight>,
    },
}

impl Operation {
    /// Whether the operation changes anything, and is to be logged with who asked.
    pub(crate) fn is_change(&self) -> bool {
        match self {
            Self::Reload | Self::Drain { .. } | Self::Undrain { .. } | Self::SetWeight { .. } => {
                true
            }
            Self::AwaitDrain { .. } => false,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reload => f.write_str("reload"),
            Self::Drain {
                targets,
                deadline,
                reason,
            } => {
                let deadline = humantime::format_duration(Duration::from_secs(*deadline));
                write!(f, "drain {} within {deadline}", listed(targets))?;
                // Quoted, since the line goes on with who asked.
                let quoted = |reason: &Reason| format!("{:?}", reason.to_string());
                reason
                    .iter()
                    .try_for_each(|reason| write!(f, ": {}", quoted(reason)))
            }
            Self::Undrain { targets } => write!(f, "undrain {}", listed(targets)),
            Self::AwaitDrain { targets, .. } => {
                write!(f, "wait for the drain of {}", listed(targets))
            }
            Self::SetWeight {
                targets,
                weight: Some(weight),
            } => write!(f, "set the weight of {} to {weight}", listed(targets)),
            Self::SetWeight {
                targets,
                weight: None,
            } => write!(f, "reset the weight of {}", listed(targets)),
        }
    }
}

/// So many targets are named in a line of the log.
const TARGETS_NAMED: usize = 8;

/// Targets, for people.
pub(crate) fn listed(targets: &[Target]) -> String {
    let named = targets.iter().take(TARGETS_NAMED).map(Target::to_string);
    let mut listed = named.collect::<Vec<_>>().join(", ");
    if targets.len() > TARGETS_NAMED {
        listed = format!("{listed} and {} more", targets.len() - TARGETS_NAMED);
    }
    listed
}

/// An operation, and where it is answered.
#[derive(Debug)]
pub(crate) struct OperationRequest {
    pub(crate) operation: Operation,
    pub(crate) by: Operator,
    pub(crate) answer: oneshot::Sender<OperationResponse>,
}

/// How an operation went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperationResponse {
    /// Whether it is done.
    pub(crate) ok: bool,
    /// Whether it is the configuration that is to blame, if not.
    pub(crate) bad_configuration: bool,
    /// Whether what is waited for has not happened yet.
    #[serde(default)]
    pub(crate) pending: bool,
    /// What was done, or what stood in the way.
    pub(crate) message: String,
}

impl OperationResponse {
    pub(crate) fn done(message: String) -> Self {
        Self {
            ok: true,
            bad_configuration: false,
            pending: false,
            message,
        }
    }

    pub(crate) fn pending(message: String) -> Self {
        Self {
            pending: true,
            ..Self::done(message)
        }
    }

    pub(crate) fn failed(message: String) -> Self {
        Self {
            ok: false,
            bad_configuration: false,
            pending: false,
            message,
        }
    }
}

/// Where requests are handed in.
pub(crate) type Requests = mpsc::Sender<OperationRequest>;

/// Both ends of the way to the agent.
pub(crate) fn requests() -> (Requests, mpsc::Receiver<OperationRequest>) {
    mpsc::channel(WAITING)
}

/// `POST /operation`: answers when it is done.
pub(super) async fn operate(
    State(requests): State<Requests>,
    Extension(operator): Extension<Operator>,
    Json(operation): Json<Operation>,
) -> Result<Json<OperationResponse>, (StatusCode, &'static str)> {
    let ending = (StatusCode::SERVICE_UNAVAILABLE, "The agent is ending.\n");
    let (answer, answered) = oneshot::channel();
    let by = operator.named().await;
    let request = OperationRequest {
        operation,
        by,
        answer,
    };
    requests.send(request).await.map_err(|_| ending)?;
    answered.await.map(Json).map_err(|_| ending)
}
