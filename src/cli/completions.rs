//! `lvs-agent completions`: the completions of a shell.

use std::io::{self, Write as _};

use clap::CommandFactory as _;

use super::arguments::{Cli, CompletionsArguments};
use super::{CommandFailure, ExitStatus};

pub(super) fn run(arguments: &CompletionsArguments) -> Result<ExitStatus, CommandFailure> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    // clap_complete panics if it cannot write, and a pipe may be closed.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitStatus::Success)
}
