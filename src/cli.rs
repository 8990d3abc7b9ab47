//! The subcommands, one file each. [`run()`] carries out the one of the command line; beside it are
//! the failures of commands with their exit codes, the runtime, and the search for the control
//! socket of the running agent.

mod arguments;
mod check_config;
mod cleanup;
mod completions;
mod doctor;
mod drain;
mod import;
mod man;
mod plan;
mod reload;
mod run;
mod schema;
mod status;
mod terminal;

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use serde::Serialize;
use thiserror::Error;

use crate::agent::lifecycle::AgentError;
use crate::config::{Config, ConfigErrors, Control, Sockets};
use crate::control::{self, ControlError, Operation};
use crate::doctor::GatherError;
use crate::import::ImportError;
use crate::kernel::KernelError;
use crate::model::Role;
use crate::reconcile::{LockError, ReconcileError};
use crate::runtime::error_chain::error_chain;
use crate::runtime::inheritance;
use crate::runtime::logging::LoggingError;
use crate::runtime::stored_file::StoredFileError;
use crate::status::command_line;
pub use arguments::Cli;
use arguments::{Command, ControlSocket};
use status::StatusError;

/// The time that background threads have to end after a command: a thread
/// whose file system hangs never ends.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// The exit status of a command that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExitStatus {
    /// Exit code 0.
    Success,
    /// `plan` found changes, `doctor` a problem, `status` something that is down: exit code 3.
    Findings,
}

/// A command failed; `main` prints its [message](Self::message).
#[derive(Debug, Error)]
#[error(transparent)]
pub struct CommandError(#[from] CommandFailure);

#[derive(Debug, Error)]
enum CommandFailure {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Logging(#[from] LoggingError),
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
    #[error("cannot write {}", path.display())]
    ManualPage { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("cannot write JSON to standard output")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    #[error(transparent)]
    StateFile(#[from] StoredFileError),
    #[error(transparent)]
    Gather(#[from] GatherError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Status(#[from] StatusError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("{0}")]
    BadConfiguration(String),
    #[error("{0}")]
    Usage(&'static str),
    #[error("{0}")]
    Operation(String),
    /// The log or standard output has the failure already.
    #[error(transparent)]
    AlreadyReported(Box<CommandFailure>),
}

impl CommandFailure {
    /// The failure with its sources, after the name of the program. An error in
    /// a file begins with the file's name instead, where editors look for the
    /// name.
    fn message(&self) -> String {
        let message = error_chain(self);
        let names_a_file = matches!(
            self,
            Self::Config(_) | Self::BadConfiguration(_) | Self::Import(_)
        );
        if names_a_file {
            message
        } else {
            format!("lvs-agent: {message}")
        }
    }

    /// 2 for bad usage or bad configuration, 1 for any other failure.
    fn exit_code(&self) -> ExitCode {
        if let Self::AlreadyReported(failure) = self {
            return failure.exit_code();
        }
        let is_bad_input = matches!(
            self,
            Self::Config(_) | Self::Logging(_) | Self::BadConfiguration(_) | Self::Usage(_)
        ) || matches!(self, Self::Import(error) if !error.is_unreadable());
        if is_bad_input {
            ExitCode::from(2)
        } else {
            ExitCode::FAILURE
        }
    }
}

impl CommandError {
    /// 2 for bad usage or bad configuration, 1 for any other failure.
    pub fn exit_code(&self) -> ExitCode {
        self.0.exit_code()
    }

    /// The message with its sources; `None` if the log or standard output has
    /// the message already.
    pub fn message(&self) -> Option<String> {
        let reported = matches!(self.0, CommandFailure::AlreadyReported(_));
        (!reported).then(|| self.0.message())
    }

    /// Whether the reader of standard output has closed it, as `head` does.
    pub fn is_broken_pipe(&self) -> bool {
        let mut next: Option<&(dyn Error + 'static)> = Some(&self.0);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return error.kind() == io::ErrorKind::BrokenPipe;
            }
            next = error.source();
        }
        false
    }
}

/// Carries out the command line of this process. A command line that is wrong ends the process.
///
/// # Errors
///
/// The failure of the command; see [`CommandError::exit_code`].
pub fn main() -> Result<ExitCode, CommandError> {
    match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => {
            let written = help.print().and_then(|()| io::stdout().flush());
            written.map_err(CommandFailure::Output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Carries out what the command line asks for.
///
/// # Errors
///
/// The failure of the command; see [`CommandError::exit_code`].
pub fn run(cli: Cli) -> Result<ExitCode, CommandError> {
    let done = match cli.command {
        Command::Run(arguments) => run::run(arguments)?,
        Command::CheckConfig(arguments) => check_config::run(&arguments)?,
        Command::Schema => schema::run()?,
        Command::Completions(arguments) => completions::run(&arguments)?,
        Command::Man(arguments) => man::run(&arguments)?,
        Command::Plan(arguments) => block_on(plan::run(arguments))?,
        Command::Drain(arguments) => block_on(drain::run(arguments))?,
        Command::Undrain(arguments) => block_on(drain::undo(arguments))?,
        Command::Weight(arguments) => block_on(drain::set_weight(arguments))?,
        Command::Reload(arguments) => block_on(reload::run(arguments))?,
        Command::Status(arguments) => block_on(status::run(arguments))?,
        Command::Cleanup(arguments) => block_on(cleanup::run(arguments))?,
        Command::Doctor(arguments) => block_on(doctor::run(arguments))?,
        Command::Import(arguments) => import::run(&arguments)?,
    };
    Ok(match done {
        ExitStatus::Success => ExitCode::SUCCESS,
        ExitStatus::Findings => ExitCode::from(3),
    })
}

/// Carries out an asynchronous command, to its end.
fn block_on(
    command: impl Future<Output = Result<ExitStatus, CommandFailure>>,
) -> Result<ExitStatus, CommandFailure> {
    let runtime = runtime()?;
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_CALLS);
    result
}

/// Two workers: what 20,000 probes a second need, and no more on a big machine. `run` lets one of
/// them rest while the probes are few.
fn runtime() -> Result<tokio::runtime::Runtime, CommandFailure> {
    // Its threads, which start programs, have what this one has.
    let kept = inheritance::keep_capabilities();
    kept.map_err(|error| CommandFailure::Runtime(error.into()))?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandFailure::Runtime)
}

/// Prints a document as JSON, with a line break at its end.
fn write_json(out: &mut impl io::Write, document: &impl Serialize) -> Result<(), CommandFailure> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)?;
    Ok(())
}

/// Asks an operation of the running agent, and says what it did.
async fn operate(socket: &Path, operation: &Operation) -> Result<(), CommandFailure> {
    let answer = control::operate(socket, operation).await?;
    if answer.ok {
        writeln!(io::stdout(), "{}", answer.message)?;
        Ok(())
    } else if answer.bad_configuration {
        Err(CommandFailure::BadConfiguration(answer.message))
    } else {
        Err(CommandFailure::Operation(answer.message))
    }
}

/// Where the running agent is reached: as said, else as the configuration
/// that was named says, else where it is by default.
fn socket(arguments: ControlSocket) -> Result<PathBuf, CommandFailure> {
    let default = Path::new(Control::DEFAULT_SOCKET);
    let config = arguments.config.clone();
    let found = socket_or(arguments, default, |note| {
        // Where standard error is gone, there is nobody to tell.
        let _ = writeln!(io::stderr(), "{note}");
    });
    found.map_err(|errors| {
        let path = config.as_deref().unwrap_or(Path::new(Config::DEFAULT_PATH));
        not_loaded(path, errors)
    })
}

/// A configuration that does not tell is no reason not to ask an agent that
/// runs. It is one if there is nothing at the default place either.
fn socket_or(
    arguments: ControlSocket,
    default: &Path,
    say: impl FnOnce(String),
) -> Result<PathBuf, ConfigErrors> {
    let ControlSocket {
        socket,
        config,
        real_server,
    } = arguments;
    let config = match (socket, config) {
        (Some(socket), _) => return Ok(socket),
        (None, Some(config)) => config,
        (None, None) if real_server => PathBuf::from(Config::DEFAULT_PATH),
        (None, None) => return Ok(default.to_owned()),
    };
    let sockets = Config::load_sockets(&config);
    let socket = sockets.map(
        |Sockets {
             director,
             real_server: other,
         }| {
            // A host may be a real server alone.
            let director_is_there = director.try_exists().unwrap_or(true);
            if real_server || (!director_is_there && other.exists()) {
                other
            } else {
                director
            }
        },
    );
    socket.or_else(|errors| {
        say(format!(
            "lvs-agent: {} does not tell the control socket: trying {}; --socket PATH names another",
            config.display(),
            default.display()
        ));
        // Where even that cannot be seen, to ask tells why.
        if default.try_exists().unwrap_or(true) {
            Ok(default.to_owned())
        } else {
            Err(errors)
        }
    })
}

/// The configuration for a command beside the agent.
fn load(path: &Path) -> Result<Arc<Config>, CommandFailure> {
    let loaded = Config::load_beside_agent(path).map(Arc::new);
    loaded.map_err(|errors| not_loaded(path, errors))
}

/// On a terminal is whoever may read the configuration. Elsewhere, others read what the
/// command says, as the mail of a timer or the log of a pipeline, without lines of the file.
fn not_loaded(path: &Path, errors: ConfigErrors) -> CommandFailure {
    if io::stderr().is_terminal() {
        return errors.into();
    }
    let check = command_line("check-config", Role::Director, path);
    CommandFailure::BadConfiguration(format!("{}: `{check}` shows the lines", errors.public()))
}

#[cfg(test)]
mod tests;
