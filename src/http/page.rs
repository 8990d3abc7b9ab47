//! The page for people: self-contained, and the same for any reader.

use std::fmt::{self, Display, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::short_duration;
use crate::status::Snapshot;
use crate::status::document::{
    LeavingStatus, ReadinessStatus, RealServerStatus, ServiceStatus, Status, until,
};

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width">
<title>lvs-agent</title>
<style>
:root { color-scheme: light dark; --line: #8886; --up: #1a7f37; --down: #cf222e; --unknown: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --up: #56d364; --down: #ff7b72; --unknown: #e3b341; } }
body { font: 15px/1.4 system-ui, sans-serif; max-width: 75rem; margin: 1.5rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem; } h2 small { font-weight: normal; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
.n { text-align: right; }
.up { color: var(--up); } .down { color: var(--down); } .unknown { color: var(--unknown); }
</style>
</head>
<body>
<h1>lvs-agent</h1>
"#;

const TAIL: &str = "</body>\n</html>\n";

/// The page, piece by piece: what concerns the host, then each virtual service.
pub(super) fn render(
    snapshot: Arc<Snapshot>,
    now: SystemTime,
) -> impl Iterator<Item = String> + Send {
    let held = snapshot.all_weights_are_held();
    let services = (0..snapshot.services.len()).map({
        let snapshot = Arc::clone(&snapshot);
        move |place| {
            let service = snapshot.services.get(place);
            service.map_or_else(String::new, |record| {
                written(|out| service_table(out, &ServiceStatus::of(record), held, now))
            })
        }
    });
    let host = std::iter::once_with(move || written(|out| host(out, &snapshot, now)));
    host.chain(services).chain(std::iter::once(TAIL.to_owned()))
}

/// What `render` writes. Writing to a String cannot fail.
fn written(render: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut out = String::new();
    let _ = render(&mut out);
    out
}

fn host(out: &mut String, snapshot: &Snapshot, now: SystemTime) -> fmt::Result {
    let status: Status<()> = Status::of(snapshot, None);
    out.write_str(HEAD)?;
    writeln!(
        out,
        "<p>{} {}, configured by {} of {}. ",
        if snapshot.is_real_server() {
            "Real server"
        } else {
            "Director"
        },
        Escaped(&status.version),
        Escaped(&status.config.path),
        status.config.loaded_at,
    )?;
    let convergence = status.convergence(|at| age(at, now).to_string());
    writeln!(out, "{}.</p>", Escaped(&sentence(&convergence)))?;
    for reservation in status.reservations() {
        writeln!(out, "<p class=\"unknown\">{}.</p>", sentence(reservation))?;
    }
    for condition in status.conditions_but_down() {
        let summary = condition.summary(|at| age(at, now).to_string());
        writeln!(
            out,
            "<p class=\"{}\">{}<br>fix: {}</p>",
            if condition.severity == "problem" {
                "down"
            } else {
                "unknown"
            },
            Escaped(&summary),
            Escaped(&condition.fix),
        )?;
    }
    if !status.vips.is_empty() {
        writeln!(out, "<table><tr><th>VIP<th>Interface<th>State</tr>")?;
        for vip in &status.vips {
            let state = if vip.configured {
                "<td class=\"up\">configured"
            } else {
                "<td class=\"down\">missing"
            };
            let (address, interface) = (Escaped(&vip.address), Escaped(&vip.interface));
            writeln!(out, "<tr><td>{address}<td>{interface}{state}</tr>")?;
        }
        writeln!(out, "</table>")?;
    }
    if !status.sysctls.is_empty() {
        writeln!(out, "<table><tr><th>Sysctl<th>Configured<th>Kernel</tr>")?;
        for sysctl in &status.sysctls {
            let ok = sysctl.have.as_ref() == Some(&sysctl.want);
            writeln!(
                out,
                "<tr><td>{}<td>{}<td class=\"{}\">{}</tr>",
                Escaped(&sysctl.key),
                Escaped(&sysctl.want),
                if ok { "up" } else { "down" },
                Escaped(sysctl.have.as_deref().unwrap_or("missing")),
            )?;
        }
        writeln!(out, "</table>")?;
    }
    leaving(out, &status.leaving, now)?;
    status
        .readiness
        .map_or(Ok(()), |readiness| ready(out, &readiness))
}

/// The same with a capital letter.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter();
    first
        .flat_map(char::to_uppercase)
        .chain(characters)
        .collect()
}

/// What is no longer configured.
fn leaving(out: &mut String, leaving: &[LeavingStatus], now: SystemTime) -> fmt::Result {
    if leaving.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<table><tr><th>Leaving<th>Service<th>Address<th>State<th class=\"n\">Active\
         <th>At the latest</tr>"
    )?;
    for leaver in leaving {
        writeln!(
            out,
            "<tr><td>{}/{}<td>{}<td>{}<td>{}<td class=\"n\">{}<td>{}</tr>",
            Escaped(&leaver.service),
            Escaped(&leaver.name),
            Escaped(&leaver.service_address),
            Escaped(&leaver.address),
            leaver.state(),
            leaver.connections.active,
            until(leaver.deadline.0, now, |then, now| age(then, now)
                .to_string()),
        )?;
    }
    writeln!(out, "</table>")
}

fn ready(out: &mut String, readiness: &ReadinessStatus) -> fmt::Result {
    if readiness.services.is_empty() {
        return Ok(());
    }
    writeln!(out, "<table><tr><th>Service<th>Address<th>Ready</tr>")?;
    for service in &readiness.services {
        let state = if service.ready {
            "<td class=\"up\">yes".to_owned()
        } else {
            let reasons = service.reasons.join("; ");
            format!("<td class=\"down\">no: {}", Escaped(&reasons))
        };
        let (name, address) = (Escaped(&service.name), Escaped(&service.address));
        let protocol = Escaped(&service.protocol);
        writeln!(out, "<tr><td>{name}<td>{protocol} {address}{state}</tr>")?;
    }
    writeln!(out, "</table>")
}

fn service_table(
    out: &mut String,
    service: &ServiceStatus,
    held: bool,
    now: SystemTime,
) -> fmt::Result {
    writeln!(
        out,
        "<h2>{} <small>{}, {}, {}</small></h2>",
        Escaped(&service.name),
        Escaped(&service.key()),
        Escaped(&service.scheduler),
        Escaped(&service.forwarding),
    )?;
    for warning in service.warnings() {
        writeln!(out, "<p class=\"down\">{warning}</p>")?;
    }
    writeln!(
        out,
        "<table><tr><th>Real server<th>Address<th>Health<th class=\"n\">Weight\
         <th class=\"n\">Desired<th class=\"n\">Configured<th class=\"n\">Active\
         <th class=\"n\">Inactive<th>Last probe</tr>"
    )?;
    for real_server in service.servers() {
        row(out, real_server, now)?;
    }
    writeln!(out, "</table>")?;
    for line in service.fix_lines(held) {
        writeln!(out, "<p class=\"down\">{}</p>", Escaped(&line))?;
    }
    Ok(())
}

fn row(out: &mut String, real_server: &RealServerStatus, now: SystemTime) -> fmt::Result {
    let RealServerStatus {
        health,
        weight,
        connections,
        ..
    } = real_server;
    write!(
        out,
        "<tr><td>{}<td>{}<td class=\"{}\">{} {}",
        Escaped(&real_server.name),
        Escaped(&real_server.address),
        Escaped(health),
        Escaped(health),
        age(real_server.since.0, now),
    )?;
    if let Some(reason) = &real_server.quiesced {
        write!(out, "<br>quiesced: {}", Escaped(reason))?;
    }
    write!(out, "<td class=\"n\">")?;
    match weight.kernel {
        Some(kernel) => write!(out, "{kernel}")?,
        None => write!(out, "none")?,
    }
    write!(
        out,
        "<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td>",
        weight.desired, weight.configured, connections.active, connections.inactive,
    )?;
    match &real_server.last_probe {
        Some(probe) => writeln!(
            out,
            "{}, {} ago</tr>",
            Escaped(&probe.summary()),
            age(probe.at.0, now),
        ),
        None => writeln!(out, "none yet</tr>"),
    }
}

/// How long ago `then` was, to the second.
pub(crate) fn age(then: SystemTime, now: SystemTime) -> impl Display {
    let age = now.duration_since(then).unwrap_or(Duration::ZERO);
    short_duration(Duration::from_secs(age.as_secs()))
}

/// Text as HTML, in an element or in a quoted attribute.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
