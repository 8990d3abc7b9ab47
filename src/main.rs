//! The life of the process. The only place that prints a fatal error.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use lvs_agent::cli::Cli;
use lvs_agent::commands::{self, CommandError};

fn main() -> ExitCode {
    match commands::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "lvs-agent: {}", with_sources(&error));
            error.exit_code()
        }
    }
}

fn with_sources(error: &CommandError) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}
