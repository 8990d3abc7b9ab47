use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error as ThisError;

use crate::http::status::StatusResponse;

/// How long the agent may take to answer: it reads what is there already.
const PATIENCE: Duration = Duration::from_secs(5);

/// A control socket that gave no answer.
#[derive(Debug, ThisError)]
pub(crate) enum ControlError {
    /// There is no file of that name.
    #[error("there is no control socket {}: is lvs-agent running?", .0.display())]
    NoSocket(PathBuf),
    /// There is, but nobody listens: the agent was killed.
    #[error("nobody listens on the control socket {}: lvs-agent is not running", .0.display())]
    NobodyListens(PathBuf),
    /// It belongs to another user.
    #[error("no permission to open the control socket {}: run as root", .0.display())]
    NotPermitted(PathBuf),
    /// The agent accepted, and said nothing.
    #[error(
        "lvs-agent did not answer on {} within {}",
        .0.display(),
        humantime::format_duration(PATIENCE)
    )]
    NoAnswer(PathBuf),
    /// Whoever listens is not an lvs-agent that this one understands.
    #[error("the answer on {} is not understood: {what}", path.display())]
    NotUnderstood {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Anything else.
    #[error("cannot ask on the control socket {}", path.display())]
    Exchange {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
}

/// The status of the agent whose control socket this is.
pub(crate) async fn get_status(path: &Path) -> Result<StatusResponse, ControlError> {
    let exchange = async {
        let client = reqwest::Client::builder()
            .unix_socket(path)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        let response = client.get("http://localhost/status").send().await?;
        let status = response.status();
        Ok((status, response.bytes().await?))
    };
    let (status, body) = exchange
        .await
        .map_err(|cause| explain(path.to_owned(), cause))?;
    let not_understood = |what| ControlError::NotUnderstood {
        path: path.to_owned(),
        what,
    };
    if status != reqwest::StatusCode::OK {
        return Err(not_understood(format!("HTTP {status}")));
    }
    serde_json::from_slice(&body).map_err(|error| not_understood(error.to_string()))
}

fn explain(path: PathBuf, cause: reqwest::Error) -> ControlError {
    if cause.is_timeout() {
        return ControlError::NoAnswer(path);
    }
    let mut source = cause.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if error.kind() == io::ErrorKind::NotFound {
                return ControlError::NoSocket(path);
            } else if error.kind() == io::ErrorKind::ConnectionRefused {
                return ControlError::NobodyListens(path);
            } else if error.kind() == io::ErrorKind::PermissionDenied {
                return ControlError::NotPermitted(path);
            }
        }
        source = error.source();
    }
    ControlError::Exchange { path, cause }
}
