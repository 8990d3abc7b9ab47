//! One file a subcommand; [`run`] picks it.

mod check_config;
mod cleanup;
mod plan;
mod run;
mod status;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use thiserror::Error;

use crate::cli::{Cli, Command};
use crate::config::{Config, ConfigErrors};
use crate::control::ControlError;
use crate::director::DirectorError;
use crate::kernel::KernelError;
use crate::real_server::RealServerError;
use crate::reconcile::{LockError, ReconcileError, StateFileError};

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing is left to say: exit code 0.
    Well,
    /// `plan` found changes: exit code 3.
    Found,
}

/// A command failed; `main` prints it, with its sources, as the last words.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The configuration is bad: exit code 2.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The log cannot be set up as wished: exit code 2.
    #[error(transparent)]
    Telemetry(#[from] crate::telemetry::TelemetryError),
    /// The runtime or a stream of this process failed.
    #[error("this process cannot go on")]
    Io(#[from] io::Error),
    /// The director failed.
    #[error(transparent)]
    Director(#[from] Box<DirectorError>),
    /// The agent on a real server failed.
    #[error(transparent)]
    RealServer(#[from] Box<RealServerError>),
    /// The kernel could not be read.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The kernel could not be read or written.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// The state file could not be read.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// Another agent runs here.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The running agent could not be asked.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl CommandError {
    /// 2 for what the caller gave, 1 for all else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Telemetry(_) => ExitCode::from(2),
            Self::Io(_)
            | Self::Director(_)
            | Self::RealServer(_)
            | Self::Kernel(_)
            | Self::Reconcile(_)
            | Self::StateFile(_)
            | Self::Lock(_)
            | Self::Control(_) => ExitCode::FAILURE,
        }
    }
}

/// Carries out what the command line asks for.
///
/// # Errors
///
/// What stood in the way; see [`CommandError`].
pub fn run(cli: Cli) -> Result<ExitCode, CommandError> {
    let done = match cli.command {
        Command::Run(arguments) => runtime()?.block_on(run::run(arguments))?,
        Command::CheckConfig(file) => check_config::run(&file.path)?,
        Command::Plan(arguments) => runtime()?.block_on(plan::run(arguments))?,
        Command::Status(arguments) => runtime()?.block_on(status::run(arguments))?,
        Command::Cleanup(arguments) => runtime()?.block_on(cleanup::run(arguments))?,
    };
    Ok(match done {
        Done::Well => ExitCode::SUCCESS,
        Done::Found => ExitCode::from(3),
    })
}

/// Two workers: what 20,000 probes a second need, and no more on a big machine.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn load(path: &Path) -> Result<Arc<Config>, ConfigErrors> {
    Config::load(path).map(Arc::new)
}
