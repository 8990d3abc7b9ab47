//! The log: lines on standard error, written by a thread of its own, so that
//! nothing waits for whoever reads them.

mod filter;
mod journal;

use std::env;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use thiserror::Error;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Format;

use self::journal::Prioritized;
use super::printable::printable;

/// The environment variable that says what is logged.
pub(crate) const VARIABLE: &str = "LVS_AGENT_LOG";

/// What is logged where [`VARIABLE`] is not set.
const DEFAULT: &str = "info,neli=warn";

/// How many lines may wait while standard error takes none; those beyond are
/// dropped and counted. They are some megabytes, which the agent can spare for
/// ever if nobody reads; and to a reader that is only slow it is a pause of
/// half a second while all of 20,000 real servers fail within one.
const WAITING_LINES: usize = 8192;

/// How long the end of the process waits for the lines that are not written
/// yet. [`WorkerGuard`] itself waits for 1.1 s at most.
const LAST_LINES_DEADLINE: Duration = Duration::from_secs(2);

/// Of the one log that a process has.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How many lines of the log have been dropped, because too many waited.
pub(crate) fn dropped_lines() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines)
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: time (RFC 3339, UTC), level, spans, message, fields.
    Text,
    /// One JSON object a line.
    Json,
    /// As text, with the priority of sd-daemon(3) in place of time and level,
    /// which the journal has for each entry.
    Journald,
}

impl LogFormat {
    /// What suits standard error as it is.
    pub(crate) fn of_standard_error() -> Self {
        if journal::is_standard_error() {
            Self::Journald
        } else {
            Self::Text
        }
    }
}

/// A log that cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum LoggingError {
    /// The environment's filter means nothing.
    #[error(
        "{VARIABLE}=`{filter}` is not a log filter such as `info` or `warn,lvs_agent=debug`: {problem}"
    )]
    Filter {
        /// The variable's value.
        filter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// This process has a log already.
    #[error("the log is set up twice")]
    Twice(#[from] SetGlobalDefaultError),
}

/// Standard error. The worker flushes it whenever no line waits any more.
#[derive(Default)]
struct Output {
    /// Of the dropped lines, those that have been reported.
    reported: usize,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let dropped = dropped_lines();
        let unreported = dropped.saturating_sub(self.reported);
        self.reported = dropped;
        if unreported > 0 {
            // The line waits among the others, as all lines do.
            tracing::warn!("{unreported} lines of the log were dropped: standard error took none");
        }
        io::stderr().flush()
    }
}

/// The log of the process. When it is dropped, the lines that wait are
/// written, if that can be done soon.
pub(crate) struct Log {
    format: LogFormat,
    writer: NonBlocking,
    guard: Option<WorkerGuard>,
}

impl Log {
    /// Tells why the process fails: as `plain` says it, or as an object if
    /// that is the format and the filter lets errors through.
    pub(crate) fn message(&mut self, message: &str, plain: &str) {
        let lines = match self.format {
            LogFormat::Json if tracing::enabled!(Level::ERROR) => {
                tracing::error!("{message}");
                return;
            }
            LogFormat::Json | LogFormat::Text => format!("{plain}\n"),
            LogFormat::Journald => journal::prioritized(Level::ERROR, plain),
        };
        // The writer never fails: it drops what it cannot take.
        let _ = self.writer.write_all(lines.as_bytes());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let guard = self.guard.take();
        let (ended, end) = mpsc::channel::<()>();
        // The guard has deadlines, but then complains on standard output,
        // which may be the same pipe that nobody reads.
        let flush = thread::Builder::new().spawn(move || {
            drop(guard);
            drop(ended);
        });
        if flush.is_ok() {
            // The wait ends only when `ended` goes away, or by the deadline.
            let _ = end.recv_timeout(LAST_LINES_DEADLINE);
        }
    }
}

/// Sends the log of the whole process to standard error, as far as
/// `LVS_AGENT_LOG` asks for it. Never in colour: the log is read by journald
/// and by people who filter it.
pub(crate) fn init(format: LogFormat) -> Result<Log, LoggingError> {
    let filter = env::var_os(VARIABLE).map(|filter| filter.to_string_lossy().into_owned());
    let filter = filter.filter(|filter| !filter::is_blank(filter));
    let filter = filter.unwrap_or_else(|| DEFAULT.to_owned());
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(Output::default());
    tracing::subscriber::set_global_default(subscriber(format, &filter, writer.clone())?)?;
    DROPPED.get_or_init(|| writer.error_counter());
    Ok(Log {
        format,
        writer,
        guard: Some(guard),
    })
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LoggingError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = filter::parse(filter).map_err(|problem| LoggingError::Filter {
        filter: printable(filter),
        problem,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter(filter)
        .with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().finish()),
        LogFormat::Journald => {
            let line = Format::default().without_time().with_level(false);
            Box::new(builder.event_format(Prioritized(line)).finish())
        }
    })
}

#[cfg(test)]
mod tests;
