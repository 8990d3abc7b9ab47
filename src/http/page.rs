//! The page for people: self-contained, and the same for any reader.
//!
//! The templates escape whatever they are given.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use crate::model::short_duration;
use crate::status::Snapshot;
use crate::status::document::{
    ConditionStatus, LeavingStatus, ReadinessStatus, RealServerStatus, ServiceStatus, Status,
    SysctlStatus, TimeoutStatus, VipStatus, until,
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
p.condition { margin: .3rem 0; } .fix { display: block; }
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
    let is_frozen = snapshot.all_weights_are_held();
    let services = (0..snapshot.services.len()).map({
        let snapshot = Arc::clone(&snapshot);
        move |index| {
            let record = snapshot.services.get(index);
            record.map_or_else(String::new, |record| {
                service(&ServiceStatus::of(record, |_| true), is_frozen, now).into_string()
            })
        }
    });
    let host = std::iter::once_with(move || {
        let status: Status<()> = Status::of(&snapshot, None);
        let role = if snapshot.is_real_server() {
            "Real server"
        } else {
            "Director"
        };
        HEAD.to_owned() + &host(&status, role, now).into_string()
    });
    host.chain(services).chain(std::iter::once(TAIL.to_owned()))
}

fn host(status: &Status<()>, role: &str, now: SystemTime) -> Markup {
    let convergence = status.convergence(|at| age(at, now));
    html! {
        @for one in status.conditions_but_down() { (condition(one, now)) }
        p {
            (role) " " (status.version) " on " (status.host) ", configured by "
            (status.config.path) " of " (status.config.loaded_at) ". " (sentence(&convergence)) "."
        }
        @for reservation in status.reservations() {
            p.unknown { (sentence(reservation)) "." }
        }
        (vips(&status.vips))
        (sysctls(&status.sysctls))
        (timeouts(&status.timeouts))
        (leaving(&status.leaving, now))
        @if let Some(readiness) = &status.readiness { (ready(readiness)) }
    }
}

fn condition(condition: &ConditionStatus, now: SystemTime) -> Markup {
    let class = if condition.is_problem() {
        "down"
    } else {
        "unknown"
    };
    html! {
        p.condition.(class) {
            (condition.summary(|at| age(at, now)))
            span.fix { "fix: " (condition.fix) }
        }
    }
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

fn vips(vips: &[VipStatus]) -> Markup {
    html! {
        @if !vips.is_empty() {
            table {
                tr { th { "VIP" } th { "Interface" } th { "State" } }
                @for vip in vips {
                    tr {
                        td { (vip.address) }
                        td { (vip.interface) }
                        @if vip.configured {
                            td.up { "configured" }
                        } @else {
                            td.down { "missing" }
                        }
                    }
                }
            }
        }
    }
}

fn sysctls(sysctls: &[SysctlStatus]) -> Markup {
    html! {
        @if !sysctls.is_empty() {
            table {
                tr { th { "Sysctl" } th { "Configured" } th { "Kernel" } }
                @for sysctl in sysctls {
                    @let is_ok = sysctl.have.as_ref() == Some(&sysctl.want);
                    tr {
                        td { (sysctl.key) }
                        td { (sysctl.want) }
                        td class=(if is_ok { "up" } else { "down" }) {
                            (sysctl.have.as_deref().unwrap_or("missing"))
                        }
                    }
                }
            }
        }
    }
}

fn timeouts(timeouts: &[TimeoutStatus]) -> Markup {
    let seconds = |seconds: u32| short_duration(Duration::from_secs(seconds.into())).to_string();
    html! {
        @if !timeouts.is_empty() {
            table {
                tr { th { "Time-out" } th { "Configured" } th { "Kernel" } }
                @for timeout in timeouts {
                    @let is_ok = timeout.want.is_none_or(|want| want == timeout.have);
                    tr {
                        td { (timeout.name) }
                        td { (timeout.want.map_or_else(|| "as it is".to_owned(), seconds)) }
                        td class=(if is_ok { "up" } else { "down" }) { (seconds(timeout.have)) }
                    }
                }
            }
        }
    }
}

/// What is no longer configured.
fn leaving(leaving: &[LeavingStatus], now: SystemTime) -> Markup {
    html! {
        @if !leaving.is_empty() {
            table {
                tr {
                    th { "Leaving" } th { "Service" } th { "Address" } th { "State" }
                    th.n { "Active" } th { "At the latest" }
                }
                @for leaver in leaving {
                    tr {
                        td { (leaver.service) "/" (leaver.name) }
                        td { (leaver.service_address) }
                        td { (leaver.address) }
                        td { (leaver.state()) }
                        td.n { (leaver.connections.active) }
                        td { (until(leaver.deadline.0, now, age)) }
                    }
                }
            }
        }
    }
}

fn ready(readiness: &ReadinessStatus) -> Markup {
    html! {
        @if !readiness.services.is_empty() {
            table {
                tr { th { "Service" } th { "Address" } th { "Ready" } }
                @for service in &readiness.services {
                    tr {
                        td { (service.name) }
                        td { (service.protocol) " " (service.address) }
                        @if service.ready {
                            td.up { "yes" }
                        } @else {
                            td.down { "no: " (service.reasons.join("; ")) }
                        }
                    }
                }
            }
        }
    }
}

fn service(service: &ServiceStatus, is_frozen: bool, now: SystemTime) -> Markup {
    html! {
        h2 {
            (service.name) " "
            small { (service.key()) ", " (service.scheduler) ", " (service.forwarding) }
        }
        @for warning in service.warnings() { p.down { (warning) } }
        table {
            tr {
                th { "Real server" } th { "Address" } th { "Health" } th.n { "Weight" }
                th.n { "Desired" } th.n { "Configured" } th.n { "Active" } th.n { "Inactive" }
                th { "Last probe" }
            }
            @for server in service.servers() { (row(server, now)) }
        }
        @for line in service.decision_lines(now, age) { p { (line) } }
        @for line in service.fix_lines(is_frozen) { p.down { (line) } }
    }
}

fn row(server: &RealServerStatus, now: SystemTime) -> Markup {
    let (weight, connections) = (&server.weight, &server.connections);
    html! {
        tr {
            td { (server.name) }
            td { (server.address) }
            td class=(server.health) {
                (server.health) " " (age(server.since.0, now))
                @if let Some(reason) = &server.quiesced { br; "quiesced: " (reason) }
                @if let Some(drain) = drain(server, now) { br; (drain) }
            }
            td.n { (weight.kernel.map_or_else(|| "none".to_owned(), |kernel| kernel.to_string())) }
            td.n { (weight.desired) }
            td.n { (weight.summary()) }
            td.n { (connections.active) }
            td.n { (connections.inactive) }
            td {
                @match &server.last_probe {
                    Some(probe) => { (probe.summary()) ", " (age(probe.at.0, now)) " ago" },
                    None => { "none yet" },
                }
            }
        }
    }
}

/// What an operator has asked for; `None` of a real server that is enabled.
fn drain(server: &RealServerStatus, now: SystemTime) -> Option<String> {
    let state = server.admin.state.as_str();
    let deadline = server.drain_deadline;
    let deadline = deadline.map(|at| format!(" (deadline {})", until(at.0, now, age)));
    (state != "enabled").then(|| format!("{state}{}", deadline.unwrap_or_default()))
}

/// How long ago `then` was, to the second.
fn age(then: SystemTime, now: SystemTime) -> String {
    let age = now.duration_since(then).unwrap_or(Duration::ZERO);
    short_duration(Duration::from_secs(age.as_secs())).to_string()
}

#[cfg(test)]
mod tests;
