//! The status as text, with times as ages.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use super::summary;
use super::table::{self, Cell, Column};
use crate::cli::terminal::{Canvas, Tone};
use crate::model::{AdminState, Health, Role, age};
use crate::reconcile::NOTHING_LISTED;
use crate::status::document::{
    ConditionStatus, ReadinessStatus, RealServerStatus, ServiceStatus, StatusResponse,
    shown_address, until,
};

/// Which parts of a status are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Everything,
    /// Only what was asked for of virtual services: nothing of the host but its conditions.
    Services,
    /// Only what is wrong: the same, and what to say where nothing is wrong.
    Problems,
}

/// The columns of a virtual service's real servers.
pub(super) const REAL_SERVERS: &[Column] = &[
    Column::left("  REAL SERVER"),
    Column::left("ADDRESS").gives_way(1),
    Column::left("HEALTH"),
    Column::left("FOR"),
    Column::right("KERNEL"),
    Column::right("DESIRED").gives_way(3),
    Column::right("CONFIGURED").gives_way(4),
    Column::right("ACTIVE").gives_way(2),
    Column::right("INACTIVE").gives_way(5),
    Column::left("LAST PROBE"),
];

const VIPS: &[Column] = &[
    Column::left("VIP"),
    Column::left("INTERFACE"),
    Column::left("STATE"),
];

const SYSCTLS: &[Column] = &[
    Column::left("SYSCTL"),
    Column::left("CONFIGURED"),
    Column::left("KERNEL"),
];

const TIMEOUTS: &[Column] = &[
    Column::left("TIME-OUT"),
    Column::left("CONFIGURED"),
    Column::left("KERNEL"),
];

const LEAVING: &[Column] = &[
    Column::left("LEAVING"),
    Column::left("SERVICE").gives_way(2),
    Column::left("ADDRESS").gives_way(1),
    Column::left("STATE"),
    Column::right("ACTIVE"),
    Column::right("INACTIVE").gives_way(3),
    Column::left("AT THE LATEST"),
];

/// The columns of the services of a real server.
pub(super) const SERVED: &[Column] = &[
    Column::left("SERVICE"),
    Column::left("ADDRESS").gives_way(1),
    Column::left("READY"),
    Column::left("WHY NOT"),
];

/// Writes the status as aligned text, with times as ages at `now`.
pub(super) fn render(
    status: &StatusResponse,
    part: Part,
    now: SystemTime,
    canvas: Canvas,
    out: &mut impl Write,
) -> io::Result<()> {
    let version = &status.version;
    let loaded = age(status.config.loaded_at.0, now);
    let path = &status.config.path;
    let role = summary::role(status);
    writeln!(
        out,
        "lvs-agent {version}, {role}, {path} loaded {loaded} ago"
    )?;
    for reservation in status.reservations() {
        writeln!(out, "{}", canvas.paint(reservation, Some(Tone::Warning)))?;
    }
    writeln!(out, "{}", status.convergence(|at| age(at, now)))?;
    for condition in status.listed_conditions() {
        let summary = condition.summary(|at| age(at, now));
        writeln!(out, "{}", canvas.paint(&summary, Some(tone_of(condition))))?;
        writeln!(out, "  fix: {}", condition.fix)?;
    }
    if part == Part::Everything {
        render_host(status, canvas, out)?;
    }
    if part != Part::Problems {
        render_leaving(status, now, canvas, out)?;
    }
    if let Some(readiness) = &status.readiness {
        render_readiness(readiness, canvas, out)?;
    }
    for service in status.virtual_services.iter().flatten() {
        writeln!(out)?;
        let is_frozen = status.all_weights_are_frozen();
        render_service(service, is_frozen, now, canvas, out)?;
    }
    if part == Part::Problems && nothing_is_wrong(status) {
        writeln!(out, "nothing is wrong{}", summary::of_how_many(status))?;
    }
    Ok(())
}

pub(super) fn tone_of(condition: &ConditionStatus) -> Tone {
    if condition.is_problem() {
        Tone::Problem
    } else {
        Tone::Warning
    }
}

/// Of a status that holds problems only.
fn nothing_is_wrong(status: &StatusResponse) -> bool {
    let services = status.virtual_services.as_ref();
    let readiness = status.readiness.as_ref();
    status.conditions.is_empty()
        && services.is_none_or(Vec::is_empty)
        && readiness.is_none_or(|one| one.error.is_none() && one.services.is_empty())
}

fn render_host(status: &StatusResponse, canvas: Canvas, out: &mut impl Write) -> io::Result<()> {
    let converged = status.reconcile.last_success.is_some();
    if status.mode == Role::RealServer.as_str() && converged && status.vips.is_empty() {
        writeln!(out, "{NOTHING_LISTED}")?;
    }
    let vips = status.vips.iter().map(|vip| {
        let state = if vip.configured {
            "configured".into()
        } else {
            problem("missing".to_owned())
        };
        vec![
            vip.address.as_str().into(),
            vip.interface.as_str().into(),
            state,
        ]
    });
    render_table(VIPS, vips, canvas, out)?;
    let sysctls = status.sysctls.iter().map(|sysctl| {
        let have = sysctl.have.as_deref().unwrap_or("missing");
        let want = sysctl.want.as_str();
        vec![sysctl.key.as_str().into(), want.into(), have.into()]
    });
    render_table(SYSCTLS, sysctls, canvas, out)?;
    let timeouts = status.timeouts.iter().map(|timeout| {
        let want = timeout.want.map_or("as it is".to_owned(), seconds);
        let have = seconds(timeout.have);
        vec![timeout.name.as_str().into(), want.into(), have.into()]
    });
    render_table(TIMEOUTS, timeouts, canvas, out)
}

/// Writes rows below an empty line and their head; nothing where there are no rows.
fn render_table(
    columns: &'static [Column],
    rows: impl Iterator<Item = Vec<Cell>>,
    canvas: Canvas,
    out: &mut impl Write,
) -> io::Result<()> {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    table::write(out, columns, &rows, canvas)
}

fn render_leaving(
    status: &StatusResponse,
    now: SystemTime,
    canvas: Canvas,
    out: &mut impl Write,
) -> io::Result<()> {
    let rows = status.leaving.iter().map(|removal| {
        vec![
            format!("{}/{}", removal.service, removal.name).into(),
            removal.service_address.as_str().into(),
            shown_address(&removal.address).into_owned().into(),
            removal.state().into(),
            removal.connections.active.to_string().into(),
            removal.connections.inactive.to_string().into(),
            until(removal.deadline.0, now, age).into(),
        ]
    });
    render_table(LEAVING, rows, canvas, out)
}

fn render_readiness(
    readiness: &ReadinessStatus,
    canvas: Canvas,
    out: &mut impl Write,
) -> io::Result<()> {
    if let Some(error) = &readiness.error {
        writeln!(out, "\n{}", canvas.paint(error, Some(Tone::Problem)))?;
    }
    render_table(SERVED, served_rows(readiness), canvas, out)
}

/// The services of a real server as rows of [`SERVED`].
pub(super) fn served_rows(readiness: &ReadinessStatus) -> impl Iterator<Item = Vec<Cell>> {
    readiness.services.iter().map(|service| {
        let ready = if service.ready {
            "yes".into()
        } else {
            problem("no".to_owned())
        };
        vec![
            service.name.as_str().into(),
            format!("{} {}", service.protocol, shown_address(&service.address)).into(),
            ready,
            service.reasons.join("; ").into(),
        ]
    })
}

fn render_service(
    service: &ServiceStatus,
    is_frozen: bool,
    now: SystemTime,
    canvas: Canvas,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", heading(service))?;
    for warning in service.warnings() {
        let warning = canvas.paint(&warning, Some(Tone::Problem));
        writeln!(out, "  {warning}")?;
    }
    let rows: Vec<_> = service.servers().map(|one| row(one, now)).collect();
    if !rows.is_empty() {
        table::write(out, REAL_SERVERS, &rows, canvas)?;
    }
    for line in service.decision_lines(now, age) {
        writeln!(out, "  {line}")?;
    }
    for line in service.fix_lines(is_frozen) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// What is configured of a virtual service, in one line.
pub(super) fn heading(service: &ServiceStatus) -> String {
    let ServiceStatus {
        name, scheduler, ..
    } = service;
    let (key, forwarding) = (service.key(), service.forwarding_and_tunnel());
    format!("{name}  {key}  {scheduler}  {forwarding}")
}

/// A real server as a row of [`REAL_SERVERS`].
pub(super) fn row(real_server: &RealServerStatus, now: SystemTime) -> Vec<Cell> {
    let RealServerStatus {
        weight,
        connections,
        ..
    } = real_server;
    let kernel = weight
        .kernel
        .map_or_else(|| "none".to_owned(), |kernel| kernel.to_string());
    vec![
        format!("  {}", real_server.name).into(),
        real_server.address_and_forwarding().into(),
        Cell {
            text: health(real_server, now),
            tone: health_tone(real_server),
        },
        age(real_server.since.0, now).into(),
        kernel.into(),
        weight.desired.to_string().into(),
        weight.summary().into(),
        connections.active.to_string().into(),
        connections.inactive.to_string().into(),
        last_probe(real_server, now).into(),
    ]
}

/// The verdict, and what else decides whether the real server serves.
pub(super) fn health(real_server: &RealServerStatus, now: SystemTime) -> String {
    let mut health = real_server.health.clone();
    if is_drained(real_server) {
        health = format!("{health}, {}", real_server.admin.state);
    }
    if let Some(reason) = &real_server.quiesced {
        health = format!("{health}, quiesced: {reason}");
    }
    if let Some(deadline) = real_server.drain_deadline {
        health = format!("{health} (deadline {})", until(deadline.0, now, age));
    }
    health
}

fn is_drained(real_server: &RealServerStatus) -> bool {
    real_server.admin.state != AdminState::Enabled.as_str()
}

fn health_tone(real_server: &RealServerStatus) -> Option<Tone> {
    let health = real_server.health.as_str();
    if health == Health::Down.as_str() {
        return Some(Tone::Problem);
    }
    let serves =
        health == Health::Up.as_str() && !is_drained(real_server) && real_server.quiesced.is_none();
    (!serves).then_some(Tone::Warning)
}

pub(super) fn last_probe(real_server: &RealServerStatus, now: SystemTime) -> String {
    real_server.last_probe.as_ref().map_or_else(
        || real_server.no_probe().to_owned(),
        |probe| format!("{}, {} ago", probe.summary(), age(probe.at.0, now)),
    )
}

fn problem(text: String) -> Cell {
    Cell {
        text,
        tone: Some(Tone::Problem),
    }
}

/// To the second, for what is configured is compared with what the kernel has.
fn seconds(seconds: u32) -> String {
    humantime::format_duration(Duration::from_secs(seconds.into())).to_string()
}

#[cfg(test)]
mod tests;
