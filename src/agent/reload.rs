//! The reload of the configuration: reading it, and recording how that went.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use thiserror::Error;
use tracing::{error, info};

use crate::agent::startup_resources::endpoints;
use crate::config::{Config, ConfigErrors};
use crate::control::OperationResponse;
use crate::http::SharedState;
use crate::model::{Condition, ConditionType, Role, Severity};
use crate::notify::{self, Event, EventKind, Events};
use crate::reconcile::ReconcileError;
use crate::runtime::error_chain::error_chain;
use crate::runtime::file_work::{self, FileUse, FileWorkError};
use crate::runtime::{clock, systemd};
use crate::status::Snapshot;

/// The message about a key that is fixed while the agent runs.
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
    /// The kernel cannot be read: as above.
    #[error("nothing is changed, for the kernel cannot be read")]
    Unreadable(#[source] ReconcileError),
    /// The new `notify` cannot be set up: as above.
    #[error("`notify` cannot be changed")]
    Events(#[from] notify::StartError),
    /// The agent is ending.
    #[error("the agent is ending")]
    Ending,
    /// The new configuration is in force, and the kernel is not yet in line with it.
    #[error("the new configuration is in force, but the kernel could not be brought in line")]
    Kernel(#[from] ReconcileError),
}

impl ReloadError {
    /// What may be read by those who may not read the configuration.
    fn public(&self, snapshot: &Snapshot) -> String {
        if let Self::Config(errors) = self {
            let check = snapshot.command_line("check-config");
            format!("{}: `{check}` shows the lines", errors.public())
        } else {
            error_chain(self)
        }
    }

    /// What an operator does about it.
    fn fix(&self, snapshot: &Snapshot) -> String {
        let check = snapshot.command_line("check-config");
        match self {
            Self::Fixed(_) => format!("{check} && systemctl restart {}", snapshot.role.unit()),
            Self::Kernel(_) | Self::Unreadable(_) => snapshot.command_line("doctor"),
            Self::Config(_) | Self::File(_) | Self::Events(_) | Self::Ending => {
                format!("{check} && {}", snapshot.command_line("reload"))
            }
        }
    }

    /// Whether the new configuration is the one that the agent works by now.
    const fn is_in_force(&self) -> bool {
        matches!(self, Self::Kernel(_))
    }
}

/// Reads the configuration file again, and refuses a change of a fixed key.
pub(crate) async fn reload_config(
    path: &Path,
    before: &Config,
    role: Role,
) -> Result<Arc<Config>, ReloadError> {
    systemd::reloading();
    let file = path.to_owned();
    let load = move || Config::load(&file);
    let config = file_work::run_with_accesses(FileUse::Configuration, path, load).await??;
    if endpoints(&config, role).0 != endpoints(before, role).0 {
        Err(ReloadError::Fixed("http.listen"))
    } else if endpoints(&config, role).1 != endpoints(before, role).1 {
        Err(ReloadError::Fixed("control.socket"))
    } else if config.state_dir != before.state_dir {
        Err(ReloadError::Fixed("state_dir"))
    } else {
        Ok(Arc::new(config))
    }
}

/// The result of an operation that an operator asked for.
pub(crate) enum OperationResult {
    /// Of a reload, which `/status` and the metrics show as well.
    Reload(Result<String, ReloadError>),
    /// Of any other operation.
    Other(OperationResponse),
    /// The answer comes later, and nothing else waits for it.
    Later(BoxFuture<'static, OperationResponse>),
}

/// Records the result of a reload in status, log and events, and makes the
/// answer for whoever asked for the operation; `Err` is an answer that comes later.
pub(super) fn record_reload(
    shown: &SharedState,
    events: &Events,
    result: OperationResult,
) -> Result<OperationResponse, BoxFuture<'static, OperationResponse>> {
    let result = match result {
        OperationResult::Reload(result) => result,
        OperationResult::Other(answer) => return Ok(answer),
        OperationResult::Later(answer) => return Err(answer),
    };
    let snapshot = shown.view().snapshot;
    let mut record = snapshot.reload.lock();
    systemd::ready();
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
            Ok(OperationResponse::done(message))
        }
        Err(error) => {
            // Only whoever asked may read the configuration, with its secrets.
            let message = error_chain(&error);
            let public = error.public(&snapshot);
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
                fix: error.fix(&snapshot),
                since: clock::wall(),
            });
            record.error = Some(public);
            let bad_configuration = matches!(error, ReloadError::Config(_) | ReloadError::Fixed(_));
            Ok(OperationResponse {
                bad_configuration,
                ..OperationResponse::failed(message)
            })
        }
    }
}
