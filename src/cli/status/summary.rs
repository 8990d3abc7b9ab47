//! The status in a few lines.

use std::io::{self, Write};
use std::time::SystemTime;

use crate::cli::terminal::{Canvas, Tone};
use crate::model::{Role, age, counted, grouped};
use crate::status::document::{ConditionStatus, StatusResponse, Totals};

/// Writes the numbers of what there is and of what is wrong.
pub(super) fn render(
    status: &StatusResponse,
    now: SystemTime,
    canvas: Canvas,
    out: &mut impl Write,
) -> io::Result<()> {
    let (host, version, role) = (&status.host, &status.version, role(status));
    write!(out, "{host}: {role}, lvs-agent {version}")?;
    match &status.started_at {
        Some(at) => writeln!(out, ", running for {}", age(at.0, now))?,
        None => writeln!(out)?,
    }
    for reservation in status.reservations() {
        writeln!(out, "{}", canvas.paint(reservation, Some(Tone::Warning)))?;
    }
    if let Some(totals) = &status.totals {
        writeln!(
            out,
            "{}",
            counted(totals.virtual_services, "virtual service")
        )?;
        let tone = (totals.down > 0).then_some(Tone::Problem);
        writeln!(out, "{}", canvas.paint(&real_servers(totals), tone))?;
    }
    if let Some(readiness) = &status.readiness {
        let ready = readiness.services.iter().filter(|one| one.ready).count();
        let all = readiness.services.len();
        let tone = (ready < all).then_some(Tone::Problem);
        let text = format!("{ready} of {} ready", counted(all, "virtual service"));
        writeln!(out, "{}", canvas.paint(&text, tone))?;
    }
    let (text, tone) = conditions(status);
    writeln!(out, "{}", canvas.paint(&text, tone))?;
    let (path, loaded) = (&status.config.path, age(status.config.loaded_at.0, now));
    writeln!(out, "{path} loaded {loaded} ago")?;
    if let Some(error) = &status.config.last_reload.error {
        let text = format!("the last reload failed: {error}");
        writeln!(out, "{}", canvas.paint(&text, Some(Tone::Problem)))?;
    }
    writeln!(out, "{}", status.convergence(|at| age(at, now)))
}

/// The role of the agent, for people.
pub(super) fn role(status: &StatusResponse) -> &'static str {
    if status.mode == Role::RealServer.as_str() {
        "real server"
    } else {
        "director"
    }
}

/// `real servers: 67 of 1,200 down, 1,130 up, 3 unknown, 2 draining, 0 drained`
pub(super) fn real_servers(totals: &Totals) -> String {
    let Totals {
        real_servers,
        up,
        down,
        unknown,
        draining,
        drained,
        ..
    } = *totals;
    format!(
        "real servers: {} of {} down, {} up, {} unknown, {} draining, {} drained",
        grouped(down),
        grouped(real_servers),
        grouped(up),
        grouped(unknown),
        grouped(draining),
        grouped(drained)
    )
}

/// `conditions: 1 problem, 2 warnings`: those that `status` lists. The real servers that are
/// down are counted by themselves.
pub(super) fn conditions(status: &StatusResponse) -> (String, Option<Tone>) {
    let is_problem = status.listed_conditions().map(ConditionStatus::is_problem);
    let (problems, warnings): (Vec<_>, Vec<_>) = is_problem.partition(|is_problem| *is_problem);
    let (problems, warnings) = (problems.len(), warnings.len());
    let text = format!(
        "conditions: {}, {}",
        counted(problems, "problem"),
        counted(warnings, "warning")
    );
    let tone = match (problems, warnings) {
        (0, 0) => None,
        (0, _) => Some(Tone::Warning),
        (..) => Some(Tone::Problem),
    };
    (text, tone)
}

/// ` with 1,200 real servers of 10 virtual services`; nothing of an agent that does not say.
pub(super) fn of_how_many(status: &StatusResponse) -> String {
    status.totals.map_or_else(String::new, |totals| {
        format!(
            " with {} of {}",
            counted(totals.real_servers, "real server"),
            counted(totals.virtual_services, "virtual service")
        )
    })
}

#[cfg(test)]
mod tests;
