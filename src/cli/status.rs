//! `lvs-agent status`: what the running agent knows, for people.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use super::{CommandFailure, ExitStatus, socket};
use crate::cli::arguments::StatusArguments;
use crate::control::{self, ControlError};
use crate::model::short_duration;
use crate::reconcile::NOTHING_LISTED;
use crate::runtime::clock;
use crate::status::Mode;
use crate::status::document::{
    ReadinessStatus, RealServerStatus, ServiceStatus, StatusResponse, until,
};

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
    /// The status cannot be written as JSON.
    #[error("cannot write the status as JSON")]
    Json(#[from] serde_json::Error),
}

pub(super) async fn run(arguments: StatusArguments) -> Result<ExitStatus, CommandFailure> {
    let socket = socket(arguments.socket)?;
    show(&socket, arguments.json, arguments.watch).await?;
    Ok(ExitStatus::Success)
}

/// Shows the status on standard output, once, or with `watch` every second
/// until the process is interrupted; an agent that is away for a while is
/// then said to be so. A reader that went away ends it without an error.
async fn show(socket: &Path, json: bool, watch: bool) -> Result<(), StatusError> {
    let mut shown = display(&control::get_status(socket).await?, json)?;
    loop {
        let mut stdout = io::stdout();
        let clear = if watch && stdout.is_terminal() {
            CLEAR
        } else {
            ""
        };
        let written = stdout
            .write_all(clear.as_bytes())
            .and_then(|()| stdout.write_all(&shown))
            .and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
        if !watch {
            return Ok(());
        }
        tokio::time::sleep(PERIOD).await;
        shown = match control::get_status(socket).await {
            Ok(status) => display(&status, json)?,
            Err(error) => format!("{error}\n").into_bytes(),
        };
    }
}

fn display(status: &StatusResponse, json: bool) -> Result<Vec<u8>, StatusError> {
    let mut out = Vec::new();
    if json {
        serde_json::to_writer_pretty(&mut out, status)?;
        out.push(b'\n');
    } else {
        render(status, clock::wall(), &mut out)?;
    }
    Ok(out)
}

/// Writes the status as aligned text, with times as ages at `now`.
pub(crate) fn render(
    status: &StatusResponse,
    now: SystemTime,
    out: &mut impl Write,
) -> io::Result<()> {
    let role = match &status.virtual_services {
        Some(_) => "director",
        None => "real server",
    };
    let version = &status.version;
    let loaded = age(status.config.loaded_at.0, now);
    let path = &status.config.path;
    writeln!(
        out,
        "lvs-agent {version}, {role}, {path} loaded {loaded} ago"
    )?;
    for reservation in status.reservations() {
        writeln!(out, "{reservation}")?;
    }
    writeln!(out, "{}", status.convergence(|at| age(at, now)))?;
    for condition in status.conditions_but_down() {
        writeln!(out, "{}", condition.summary(|at| age(at, now)))?;
        writeln!(out, "  fix: {}", condition.fix)?;
    }
    let converged = status.reconcile.last_success.is_some();
    if status.mode == Mode::RealServer.as_str() && converged && status.vips.is_empty() {
        writeln!(out, "{NOTHING_LISTED}")?;
    }

    if !status.vips.is_empty() {
        let rows = status.vips.iter().map(|vip| {
            let state = if vip.configured {
                "configured"
            } else {
                "missing"
            };
            [vip.address.clone(), vip.interface.clone(), state.to_owned()]
        });
        let head = [("VIP", Left), ("INTERFACE", Left), ("STATE", Left)];
        writeln!(out)?;
        table(out, head, rows.collect())?;
    }
    if !status.sysctls.is_empty() {
        let rows = status.sysctls.iter().map(|sysctl| {
            let have = sysctl.have.clone().unwrap_or_else(|| "missing".to_owned());
            [sysctl.key.clone(), sysctl.want.clone(), have]
        });
        let head = [("SYSCTL", Left), ("CONFIGURED", Left), ("KERNEL", Left)];
        writeln!(out)?;
        table(out, head, rows.collect())?;
    }
    if !status.timeouts.is_empty() {
        let rows = status.timeouts.iter().map(|timeout| {
            let want = timeout.want.map_or("as it is".to_owned(), seconds);
            [timeout.name.clone(), want, seconds(timeout.have)]
        });
        let head = [("TIME-OUT", Left), ("CONFIGURED", Left), ("KERNEL", Left)];
        writeln!(out)?;
        table(out, head, rows.collect())?;
    }
    render_leaving(status, now, out)?;
    if let Some(readiness) = &status.readiness {
        render_readiness(readiness, out)?;
    }
    for service in status.virtual_services.iter().flatten() {
        writeln!(out)?;
        render_service(service, status.all_weights_are_frozen(), now, out)?;
    }
    Ok(())
}

fn render_leaving(
    status: &StatusResponse,
    now: SystemTime,
    out: &mut impl Write,
) -> io::Result<()> {
    if status.leaving.is_empty() {
        return Ok(());
    }
    let rows = status.leaving.iter().map(|leaver| {
        [
            format!("{}/{}", leaver.service, leaver.name),
            leaver.service_address.clone(),
            leaver.address.clone(),
            leaver.state().to_owned(),
            leaver.connections.active.to_string(),
            leaver.connections.inactive.to_string(),
            until(leaver.deadline.0, now, age),
        ]
    });
    let head = [
        ("LEAVING", Left),
        ("SERVICE", Left),
        ("ADDRESS", Left),
        ("STATE", Left),
        ("ACTIVE", Right),
        ("INACTIVE", Right),
        ("AT THE LATEST", Left),
    ];
    writeln!(out)?;
    table(out, head, rows.collect())
}

fn render_readiness(readiness: &ReadinessStatus, out: &mut impl Write) -> io::Result<()> {
    if let Some(error) = &readiness.error {
        writeln!(out, "\n{error}")?;
    }
    if readiness.services.is_empty() {
        return Ok(());
    }
    let rows = readiness.services.iter().map(|service| {
        let ready = if service.ready { "yes" } else { "no" };
        [
            service.name.clone(),
            format!("{} {}", service.protocol, service.address),
            ready.to_owned(),
            service.reasons.join("; "),
        ]
    });
    let head = [
        ("SERVICE", Left),
        ("ADDRESS", Left),
        ("READY", Left),
        ("WHY NOT", Left),
    ];
    writeln!(out)?;
    table(out, head, rows.collect())
}

fn render_service(
    service: &ServiceStatus,
    is_frozen: bool,
    now: SystemTime,
    out: &mut impl Write,
) -> io::Result<()> {
    let (name, key) = (&service.name, service.key());
    writeln!(
        out,
        "{name}  {key}  {}  {}",
        service.scheduler, service.forwarding
    )?;
    for warning in service.warnings() {
        writeln!(out, "  {warning}")?;
    }
    let head = [
        ("  REAL SERVER", Left),
        ("ADDRESS", Left),
        ("HEALTH", Left),
        ("FOR", Left),
        ("KERNEL", Right),
        ("DESIRED", Right),
        ("CONFIGURED", Right),
        ("ACTIVE", Right),
        ("INACTIVE", Right),
        ("LAST PROBE", Left),
    ];
    let rows = service.servers().map(|real_server| row(real_server, now));
    table(out, head, rows.collect())?;
    for line in service.decision_lines(now, age) {
        writeln!(out, "  {line}")?;
    }
    for line in service.fix_lines(is_frozen) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn row(real_server: &RealServerStatus, now: SystemTime) -> [String; 10] {
    let RealServerStatus {
        weight,
        connections,
        ..
    } = real_server;
    let mut health = real_server.health.clone();
    if real_server.admin.state != "enabled" {
        health = format!("{health}, {}", real_server.admin.state);
    }
    if let Some(reason) = &real_server.quiesced {
        health = format!("{health}, quiesced: {reason}");
    }
    if let Some(deadline) = real_server.drain_deadline {
        health = format!("{health} (deadline {})", until(deadline.0, now, age));
    }
    let probe = real_server.last_probe.as_ref().map_or_else(
        || "none yet".to_owned(),
        |probe| format!("{}, {} ago", probe.summary(), age(probe.at.0, now)),
    );
    [
        format!("  {}", real_server.name),
        real_server.address.clone(),
        health,
        age(real_server.since.0, now),
        weight
            .kernel
            .map_or_else(|| "none".to_owned(), |kernel| kernel.to_string()),
        weight.desired.to_string(),
        weight.summary(),
        connections.active.to_string(),
        connections.inactive.to_string(),
        probe,
    ]
}

#[derive(Clone, Copy)]
enum Alignment {
    Left,
    Right,
}
use Alignment::{Left, Right};

/// Writes rows below their head, each column as wide as its widest cell.
fn table<const N: usize>(
    out: &mut impl Write,
    head: [(&str, Alignment); N],
    rows: Vec<[String; N]>,
) -> io::Result<()> {
    let mut widths = head.map(|(title, _)| title.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let titles = head.map(|(title, _)| title.to_owned());
    for row in std::iter::once(titles).chain(rows) {
        let cells = row.iter().zip(head).zip(widths);
        let cells = cells.map(|((cell, (_, alignment)), width)| match alignment {
            Left => format!("{cell:<width$}"),
            Right => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// To the second, for what is configured is compared with what the kernel has.
fn seconds(seconds: u32) -> String {
    humantime::format_duration(Duration::from_secs(seconds.into())).to_string()
}

/// How long ago `then` was, to the second: `3d 4h`, `12s`.
fn age(then: SystemTime, now: SystemTime) -> String {
    let age = now.duration_since(then).unwrap_or(Duration::ZERO);
    short_duration(Duration::from_secs(age.as_secs())).to_string()
}

#[cfg(test)]
mod tests;
