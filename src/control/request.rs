use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the agent: an operator's, one after the other.
/// One more is told that the agent is busy by having to wait for its turn.
const WAITING: usize = 4;

/// What an operator asks of the running agent.
#[derive(Debug)]
pub(crate) enum Request {
    /// Read the configuration again.
    Reload(oneshot::Sender<Reloaded>),
}

/// How a reload went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// Whether the new configuration is in force.
    pub(crate) ok: bool,
    /// Whether it is the file that is to blame, if not.
    pub(crate) bad_configuration: bool,
    /// What was done, or what stood in the way.
    pub(crate) message: String,
}

/// Where requests are handed in.
pub(crate) type Requests = mpsc::Sender<Request>;

/// Both ends of the way to the agent.
pub(crate) fn requests() -> (Requests, mpsc::Receiver<Request>) {
    mpsc::channel(WAITING)
}

/// `POST /reload`: answers when it is done.
pub(super) async fn reload(
    State(requests): State<Requests>,
) -> Result<Json<Reloaded>, (StatusCode, &'static str)> {
    let ending = (StatusCode::SERVICE_UNAVAILABLE, "The agent is ending.\n");
    let (answer, answered) = oneshot::channel();
    requests
        .send(Request::Reload(answer))
        .await
        .map_err(|_| ending)?;
    answered.await.map(Json).map_err(|_| ending)
}
