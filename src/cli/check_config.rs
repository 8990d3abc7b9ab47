//! `lvs-agent check-config`: all problems and warnings of a configuration.

use std::io::{self, Write};

use serde::Serialize;

use super::arguments::CheckConfigArguments;
use super::{CommandFailure, ExitStatus, write_json};
use crate::config::{Config, ConfigErrors, ConfigWarning, Report};

pub(super) fn run(arguments: &CheckConfigArguments) -> Result<ExitStatus, CommandFailure> {
    let path = &arguments.config.path;
    let loaded = Config::load_for_check(path, arguments.base_dir.as_deref());
    if arguments.json {
        return json(loaded);
    }
    match loaded {
        Ok(config) => {
            writeln!(
                io::stdout(),
                "{}: valid: {}",
                path.display(),
                config.summary()
            )?;
            print_warnings(warnings_of(&config))?;
            Ok(ExitStatus::Success)
        }
        Err(errors) => {
            print_warnings(errors.warnings())?;
            Err(errors.into())
        }
    }
}

fn warnings_of(config: &Config) -> impl Iterator<Item = &ConfigWarning> {
    config.warnings.iter().chain(&config.suggestions)
}

fn print_warnings<'w>(warnings: impl IntoIterator<Item = &'w ConfigWarning>) -> io::Result<()> {
    for warning in warnings {
        writeln!(io::stdout(), "{warning}")?;
    }
    Ok(())
}

/// What `check-config --json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    valid: bool,
    /// What a valid configuration has.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    problems: Vec<Entry<'a>>,
    /// The number of problems that are not in the list.
    more_problems: usize,
    warnings: Vec<Entry<'a>>,
}

/// A problem or a warning. Without a line, the entry is about the whole file.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    hint: &'a str,
}

impl<'a> From<&'a Report> for Entry<'a> {
    fn from(report: &'a Report) -> Self {
        let (line, column) = report.line_and_column().unzip();
        Self {
            file: report.file(),
            line,
            column,
            message: report.message(),
            hint: report.hint(),
        }
    }
}

fn json(loaded: Result<Config, ConfigErrors>) -> Result<ExitStatus, CommandFailure> {
    match loaded {
        Ok(config) => {
            write_json(
                &mut io::stdout(),
                &Document {
                    valid: true,
                    summary: Some(config.summary()),
                    problems: Vec::new(),
                    more_problems: 0,
                    warnings: entries(warnings_of(&config).map(ConfigWarning::report)),
                },
            )?;
            Ok(ExitStatus::Success)
        }
        Err(errors) => {
            write_json(
                &mut io::stdout(),
                &Document {
                    valid: false,
                    summary: None,
                    problems: entries(errors.reports()),
                    more_problems: errors.unreported(),
                    warnings: entries(errors.warnings().iter().map(ConfigWarning::report)),
                },
            )?;
            Err(CommandFailure::AlreadyReported(Box::new(errors.into())))
        }
    }
}

fn entries<'r>(reports: impl IntoIterator<Item = &'r Report>) -> Vec<Entry<'r>> {
    reports.into_iter().map(Entry::from).collect()
}
