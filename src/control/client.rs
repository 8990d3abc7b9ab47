//! The side of the control socket that the subcommands use.

use std::error::Error;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;

use super::{Operation, OperationResponse};
use crate::config::Control;
use crate::net::tls::{TlsError, http_client};
use crate::runtime::printable::printable;
use crate::runtime::shell_word;
use crate::status::document::{Filter, SCHEMA, StatusResponse};

/// How long the agent may take to answer: it reads what is there already.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an operation may take: a reload reads a file and writes the kernel.
const OPERATION_PATIENCE: Duration = Duration::from_mins(2);

const STATUS: &str = "status";

/// What reading and writing find where the other side has ended.
const ENDS: [io::ErrorKind; 4] = [
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::UnexpectedEof,
];

/// What every status begins with.
#[derive(Deserialize)]
struct Head {
    schema: u32,
    version: String,
}

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A control socket that gave no answer.
#[derive(Debug, ThisError)]
pub(crate) enum ControlError {
    /// There is no file of that name.
    #[error("there is no control socket {}: is lvs-agent running?", .0.display())]
    NoSocket(PathBuf),
    /// There is, but nobody listens: the agent was killed.
    #[error("nobody listens on the control socket {}: lvs-agent is not running", .0.display())]
    NobodyListens(PathBuf),
    /// Another file has the name.
    #[error("{} is not a socket: name the control socket of lvs-agent, or remove that file", .0.display())]
    NotASocket(PathBuf),
    /// The socket belongs to another user.
    #[error("no permission to open the control socket {}: run as root", .0.display())]
    NotPermitted(PathBuf),
    /// The agent accepted, and said nothing.
    #[error(
        "lvs-agent did not answer on {} within {}",
        .path.display(),
        humantime::format_duration(*.patience)
    )]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The agent accepted, and was gone before the whole answer was there.
    #[error("{}", ended(path, *is_operation))]
    Ended {
        /// The socket.
        path: PathBuf,
        /// Whether the agent was asked to do something.
        is_operation: bool,
    },
    /// Whoever listens is not an lvs-agent that this one understands.
    #[error("the answer on {} is not understood: {what}", path.display())]
    NotUnderstood {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The agent has nothing of what is asked for, or refuses the question, and says so.
    #[error("{0}")]
    Refused(String),
    /// An lvs-agent of another version, whose answers this one does not understand.
    #[error(
        "the lvs-agent that answers on {} has version {version}, which this one, of version {}, \
         does not understand: use the lvs-agent of that version", path.display(), OWN_VERSION
    )]
    OtherVersion {
        /// The socket.
        path: PathBuf,
        /// The version of whoever answers.
        version: String,
    },
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Client(#[from] TlsError),
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

/// What is known after the end of an agent that had been asked, and what to do.
fn ended(path: &Path, is_operation: bool) -> String {
    let socket = path.display();
    if !is_operation {
        return format!(
            "the agent ended before it answered on {socket}: ask again when the agent runs"
        );
    }
    let option = if path == Path::new(Control::DEFAULT_SOCKET) {
        String::new()
    } else {
        format!(" --socket {}", shell_word::quoted(&socket.to_string()))
    };
    format!(
        "the agent ended before it answered on {socket}: the operation may have been carried out \
         wholly, in part or not at all; when the agent runs, `lvs-agent status{option}` shows what \
         is in effect"
    )
}

/// The part of the status that the filter asks for, of the agent whose control socket this is.
pub(crate) async fn get_status(
    path: &Path,
    filter: &Filter,
) -> Result<StatusResponse, ControlError> {
    let query = filter.query();
    let resource = if query.is_empty() {
        STATUS.to_owned()
    } else {
        format!("{STATUS}?{query}")
    };
    let status: StatusResponse = exchange(path, None, &resource, PATIENCE).await?;
    // Whatever else is missing has a default.
    if status.mode.is_empty() {
        return Err(ControlError::NotUnderstood {
            path: path.to_owned(),
            what: "it is not the status of an lvs-agent".to_owned(),
        });
    }
    Ok(status)
}

/// Asks an operation of the agent whose control socket this is.
pub(crate) async fn operate(
    path: &Path,
    operation: &Operation,
) -> Result<OperationResponse, ControlError> {
    let body = serde_json::to_string(operation).map_err(|error| ControlError::NotUnderstood {
        path: path.to_owned(),
        what: error.to_string(),
    })?;
    let answer = exchange(path, Some(body), "operation", OPERATION_PATIENCE).await;
    answer.map_err(|error| match (error, operation) {
        // To wait changes nothing.
        (ControlError::Ended { path, .. }, Operation::AwaitDrain { .. }) => ControlError::Ended {
            path,
            is_operation: false,
        },
        (error, _) => error,
    })
}

async fn exchange<T: DeserializeOwned>(
    path: &Path,
    body: Option<String>,
    resource: &str,
    patience: Duration,
) -> Result<T, ControlError> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let error = match exchange_once(path, body, resource, patience).await {
        Err(error @ ControlError::NotUnderstood { .. }) => error,
        answer => return answer,
    };
    match exchange_once(path, None, STATUS, PATIENCE).await {
        Ok(Version { version }) if version != OWN_VERSION => Err(ControlError::OtherVersion {
            path: path.to_owned(),
            version,
        }),
        Ok(_) | Err(_) => Err(error),
    }
}

async fn exchange_once<T: DeserializeOwned>(
    path: &Path,
    body: Option<String>,
    resource: &str,
    patience: Duration,
) -> Result<T, ControlError> {
    let client = http_client(None)?;
    let is_operation = body.is_some();
    let exchange = async {
        let client = client
            .unix_socket(path)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(patience)
            .build()?;
        let url = format!("http://localhost/{resource}");
        let request = match body {
            None => client.get(url),
            Some(body) => client
                .post(url)
                .header("content-type", "application/json")
                .body(body),
        };
        let response = request.send().await?;
        let status = response.status();
        Ok((status, response.bytes().await?))
    };
    let (status, body) = exchange
        .await
        .map_err(|cause| explain(path.to_owned(), patience, is_operation, cause))?;
    let not_understood = |what| ControlError::NotUnderstood {
        path: path.to_owned(),
        what,
    };
    let refusals = [
        reqwest::StatusCode::NOT_FOUND,
        reqwest::StatusCode::BAD_REQUEST,
    ];
    if refusals.contains(&status) && resource.contains('?') {
        let text = printable(String::from_utf8_lossy(&body).trim_end());
        return Err(ControlError::Refused(text));
    }
    if status == reqwest::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
        let text = "the names of the targets are too long for one question: name fewer, a whole \
                    service by `NAME/*`, or none for all";
        return Err(ControlError::Refused(text.to_owned()));
    }
    if status != reqwest::StatusCode::OK {
        return Err(not_understood(format!("HTTP {status}")));
    }
    if resource.starts_with(STATUS)
        && let Ok(Head { schema, version }) = serde_json::from_slice(&body)
        && schema > SCHEMA
    {
        // A newer status may be understood by chance, and mean something else.
        return Err(ControlError::OtherVersion {
            path: path.to_owned(),
            version,
        });
    }
    serde_json::from_slice(&body).map_err(|error| not_understood(error.to_string()))
}

fn explain(
    path: PathBuf,
    patience: Duration,
    is_operation: bool,
    cause: reqwest::Error,
) -> ControlError {
    if cause.is_timeout() {
        return ControlError::NoAnswer { path, patience };
    }
    let mut source = cause.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if error.kind() == io::ErrorKind::NotFound {
                return ControlError::NoSocket(path);
            } else if error.kind() == io::ErrorKind::ConnectionRefused {
                // connect(2) says the same of a file that is no socket (unix(7)).
                let found = std::fs::metadata(&path);
                if found.is_ok_and(|found| !found.file_type().is_socket()) {
                    return ControlError::NotASocket(path);
                }
                return ControlError::NobodyListens(path);
            } else if error.kind() == io::ErrorKind::PermissionDenied {
                return ControlError::NotPermitted(path);
            } else if ENDS.contains(&error.kind()) {
                return ControlError::Ended { path, is_operation };
            }
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
                return ControlError::Ended { path, is_operation };
            } else if error.is_parse() {
                let what = "it is not HTTP".to_owned();
                return ControlError::NotUnderstood { path, what };
            }
        }
        source = error.source();
    }
    ControlError::Exchange { path, cause }
}
