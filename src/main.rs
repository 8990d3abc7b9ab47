//! The life of the process. The only place that prints a fatal error, but for
//! those of `run`, which are in its log.

use std::io::Write;
use std::process::ExitCode;

use lvs_agent::cli;

fn main() -> ExitCode {
    match cli::main() {
        Ok(code) => code,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(message) = error.message() {
                // With standard error closed there is nobody left to tell.
                let _ = writeln!(std::io::stderr(), "{message}");
            }
            error.exit_code()
        }
    }
}
