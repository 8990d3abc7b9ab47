//! The life of the process. The only place that prints a fatal error.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use lvs_agent::cli::Cli;
use lvs_agent::commands;
use lvs_agent::error_chain::error_chain;

fn main() -> ExitCode {
    match commands::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "lvs-agent: {}", error_chain(&error));
            error.exit_code()
        }
    }
}
