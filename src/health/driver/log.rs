//! The writing of a line of the log.

use tracing::{debug, error, info, warn};

use crate::health::log_line::{Level, LogLine};
use crate::model::{Diagnosis, short_duration};
use crate::runtime::own_command;

macro_rules! write_line {
    ($event:ident, $line:ident) => {
        $event!(
            service = $line.service.as_deref(),
            real_server = $line.real_server.as_deref(),
            number = $line.number,
            from = $line.from.map(tracing::field::display),
            weight = $line.weight.map(tracing::field::display),
            reason = $line.reason.as_deref(),
            by = $line.by.as_deref(),
            diagnosis = $line.diagnosis.map(Diagnosis::as_str),
            among_them = $line.among_them.as_deref(),
            fix = $line.fix.as_deref().map(own_command::complete).as_deref(),
            scheduler = $line.scheduler.as_deref(),
            silent_for = $line
                .silent_for
                .map(|time| tracing::field::display(short_duration(time))),
            damped_rise = $line.damped_rise.map(tracing::field::display),
            "{}",
            $line.message
        )
    };
}

pub(super) fn log(line: &LogLine) {
    match line.level {
        Level::Error => write_line!(error, line),
        Level::Warn => write_line!(warn, line),
        Level::Info => write_line!(info, line),
        Level::Debug => write_line!(debug, line),
    }
}
