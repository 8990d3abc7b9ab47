//! `lvs-agent status`: what the running agent knows, for people.

mod summary;
mod table;
mod text;
mod watch;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

pub(super) use self::table::cut;
use self::text::Part;
use super::terminal::{Canvas, can_rewrite_line, has_screen};
use super::{CommandFailure, ExitStatus, socket};
use crate::cli::arguments::StatusArguments;
use crate::control::{self, ControlError};
use crate::model::Health;
use crate::runtime::clock;
use crate::status::document::{ConditionStatus, Filter, ServiceStatus, StatusResponse};

/// From one display to the next with `--watch`.
const PERIOD: Duration = Duration::from_secs(1);

/// To the top left corner, and all that is below and right of it erased (ECMA-48).
const CLEAR: &str = "\x1b[H\x1b[J";

/// A status that could not be shown.
#[derive(Debug, Error)]
pub(crate) enum StatusError {
    /// The agent did not answer.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Standard output cannot be written to.
    #[error("cannot write the status")]
    Output(#[from] io::Error),
    /// The terminal cannot be had for the view.
    #[error("cannot use the terminal")]
    Terminal(#[source] io::Error),
    /// The status cannot be written as JSON.
    #[error("cannot write the status as JSON")]
    Json(#[from] serde_json::Error),
}

/// How a status is shown.
#[derive(Debug, Clone, Copy)]
struct Form {
    json: bool,
    summary: bool,
    part: Part,
}

pub(super) async fn run(arguments: StatusArguments) -> Result<ExitStatus, CommandFailure> {
    let StatusArguments {
        targets,
        socket: at,
        problems,
        summary,
        exit_code,
        json,
        watch,
    } = arguments;
    let socket = socket(at)?;
    let part = match problems {
        // A summary has the numbers of all.
        _ if summary => Part::Everything,
        true => Part::Problems,
        false if targets.is_empty() => Part::Everything,
        false => Part::Services,
    };
    let form = Form {
        json,
        summary,
        part,
    };
    let filter = Filter {
        targets,
        problems: problems || summary,
    };
    let finds = if watch && !json && !summary && has_screen() {
        watch::run(&socket, filter).await?
    } else {
        show(&socket, &filter, form, watch).await?
    };
    Ok(if exit_code && finds {
        ExitStatus::Findings
    } else {
        ExitStatus::Success
    })
}

/// The part of the status that is asked for.
async fn ask(socket: &Path, filter: &Filter, part: Part) -> Result<StatusResponse, ControlError> {
    let mut status = control::get_status(socket, filter).await?;
    if part == Part::Problems
        && let Some(readiness) = &mut status.readiness
    {
        readiness.services.retain(|service| !service.ready);
    }
    Ok(status)
}

/// Whether a real server is down, or a condition is a problem.
fn has_findings(status: &StatusResponse) -> bool {
    let is_down = |service: &ServiceStatus| {
        let mut servers = service.servers();
        servers.any(|server| server.health == Health::Down.as_str())
    };
    let mut services = status.virtual_services.iter().flatten();
    status.conditions.iter().any(ConditionStatus::is_problem) || services.any(is_down)
}

/// Shows the status on standard output, once, or with `watch` every second
/// until the process is interrupted; an agent that is away for a while is
/// then said to be so. A reader that went away ends it without an error.
/// Returns whether the last status has findings.
async fn show(
    socket: &Path,
    filter: &Filter,
    form: Form,
    watch: bool,
) -> Result<bool, StatusError> {
    let status = ask(socket, filter, form.part).await?;
    let mut finds = has_findings(&status);
    let mut shown = display(status, form)?;
    loop {
        let mut stdout = io::stdout();
        let clear = if watch && can_rewrite_line() {
            CLEAR
        } else {
            ""
        };
        let written = stdout
            .write_all(clear.as_bytes())
            .and_then(|()| stdout.write_all(&shown))
            .and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(finds),
            written => written?,
        }
        if !watch {
            return Ok(finds);
        }
        tokio::time::sleep(PERIOD).await;
        shown = match ask(socket, filter, form.part).await {
            Ok(status) => {
                finds = has_findings(&status);
                display(status, form)?
            }
            Err(error) => format!("{error}\n").into_bytes(),
        };
    }
}

fn display(mut status: StatusResponse, form: Form) -> Result<Vec<u8>, StatusError> {
    let mut out = Vec::new();
    let (now, canvas) = (clock::wall(), Canvas::stdout());
    if form.json {
        if form.summary {
            status.virtual_services = None;
        }
        serde_json::to_writer_pretty(&mut out, &status)?;
        out.push(b'\n');
    } else if form.summary {
        summary::render(&status, now, canvas, &mut out)?;
    } else {
        text::render(&status, form.part, now, canvas, &mut out)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
