//! Lines for the journal: each begins with its priority, as sd-daemon(3) has
//! it, and has no time and no level of its own.

use std::env;
use std::fmt;
use std::io;

use rustix::fs::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Where systemd says which file is the journal (systemd.exec(5)).
const VARIABLE: &str = "JOURNAL_STREAM";

/// Whether standard error leads to the journal. The variable alone does not
/// tell: a child inherits it even when its standard error goes elsewhere.
pub(super) fn is_standard_error() -> bool {
    let Ok(named) = env::var(VARIABLE) else {
        return false;
    };
    let found = fstat(io::stderr()).map(|file| (file.st_dev, file.st_ino));
    found.is_ok_and(|found| file_of(&named) == Some(found))
}

/// `DEVICE:INODE`, in decimal.
fn file_of(text: &str) -> Option<(u64, u64)> {
    let (device, inode) = text.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

/// The text with the priority before each of its lines: the journal makes an
/// entry of each.
pub(super) fn prioritized(level: Level, text: &str) -> String {
    let priority = priority(level);
    let lines = text.trim_end_matches('\n').split('\n');
    let lines = lines.flat_map(|line| [priority, line, "\n"]);
    lines.collect()
}

/// Of syslog(3): what an operator cares about has 6, `info`, as programs without
/// priorities have.
const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Another format's lines, each with its priority.
pub(super) struct Prioritized<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for Prioritized<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        self.0
            .format_event(context, Writer::new(&mut text), event)?;
        writer.write_str(&prioritized(*event.metadata().level(), &text))
    }
}

#[cfg(test)]
mod tests;
