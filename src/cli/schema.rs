//! `lvs-agent schema`: the JSON Schema of the configuration.

use std::io::{self, Write};

use super::{CommandFailure, ExitStatus};
use crate::config;

pub(super) fn run() -> Result<ExitStatus, CommandFailure> {
    writeln!(io::stdout(), "{:#}", config::schema())?;
    Ok(ExitStatus::Success)
}
