//! `lvs-agent schema`: the JSON Schema of the configuration.

use std::io::{self, Write};

use super::{Done, Failure};
use crate::config;

pub(super) fn run() -> Result<Done, Failure> {
    writeln!(io::stdout(), "{:#}", config::schema())?;
    Ok(Done::Well)
}
