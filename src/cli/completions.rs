//! `lvs-agent completions`: the completions of a shell.

use std::io::{self, Write as _};

use clap::builder::PossibleValuesParser;
use clap::{Arg, CommandFactory as _};
use clap_complete::Shell;

use super::arguments::{Cli, CompletionsArguments};
use super::{CommandFailure, ExitStatus};

pub(super) fn run(arguments: &CompletionsArguments) -> Result<ExitStatus, CommandFailure> {
    let mut command = Cli::command();
    if arguments.shell == Shell::Bash {
        command = command.mut_subcommands(|one| one.mut_args(without_placeholder));
    }
    let name = command.get_name().to_owned();
    // clap_complete panics if it cannot write, and a pipe may be closed.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    let mut stdout = io::stdout();
    stdout.write_all(&script)?;
    stdout.flush()?;
    Ok(ExitStatus::Success)
}

/// The script for bash offers the placeholder of a positional argument, such as
/// `<DIRECTORY>`, as a value, unless clap knows the possible values: here, none.
fn without_placeholder(argument: Arg) -> Arg {
    if argument.is_positional() && argument.get_possible_values().is_empty() {
        argument.value_parser(PossibleValuesParser::new([""; 0]))
    } else {
        argument
    }
}
