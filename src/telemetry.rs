//! The log: lines on standard error.

use std::env;
use std::io;

use clap::ValueEnum;
use thiserror::Error;
use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

/// The environment variable that says what is logged.
pub(crate) const VARIABLE: &str = "LVS_AGENT_LOG";

/// What is logged where [`VARIABLE`] is not set.
const DEFAULT: &str = "info,neli=warn,hyper=warn,reqwest=warn";

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: time (RFC 3339, UTC), level, spans, message, fields.
    Text,
    /// One JSON object a line.
    Json,
}

/// A log that cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum TelemetryError {
    /// The environment's filter means nothing.
    #[error(
        "{VARIABLE}=`{filter}` is not a log filter such as `info` or `warn,lvs_agent=debug`: {cause}"
    )]
    Filter {
        /// The variable's value.
        filter: String,
        /// What is wrong with it.
        cause: ParseError,
    },
    /// This process has a log already.
    #[error("the log is set up twice")]
    Twice(#[from] SetGlobalDefaultError),
}

/// Sends the log of the whole process to standard error, as far as
/// `LVS_AGENT_LOG` asks for it. Never in colour: the log is read by journald
/// and by people who filter it.
pub(crate) fn init(format: LogFormat) -> Result<(), TelemetryError> {
    let filter = env::var_os(VARIABLE).filter(|filter| !filter.is_empty());
    let filter = filter.map_or_else(
        || DEFAULT.to_owned(),
        |filter| filter.to_string_lossy().into_owned(),
    );
    tracing::subscriber::set_global_default(subscriber(format, filter, io::stderr)?)?;
    Ok(())
}

fn subscriber<W>(
    format: LogFormat,
    filter: String,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = match EnvFilter::builder().parse(&filter) {
        Ok(filter) => filter,
        Err(cause) => return Err(TelemetryError::Filter { filter, cause }),
    };
    let builder = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter(filter)
        .with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().finish()),
    })
}

#[cfg(test)]
mod tests;
