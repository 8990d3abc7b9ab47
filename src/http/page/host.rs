//! What concerns the agent and its host: conditions, transitions, VIPs, kernel parameters.

use std::time::{Duration, SystemTime};

use maud::{Markup, PreEscaped, html};

use super::to_the_second;
use crate::model::{age, grouped, short_duration};
use crate::runtime::printable::printable;
use crate::status::document::{
    ConditionStatus, LeavingStatus, ReadinessStatus, Status, SysctlStatus, TimeoutStatus,
    TransitionStatus, VipStatus, shown_address, until,
};

/// What a real server's agent looks at, in numbers.
pub(super) fn summary(status: &Status<()>) -> String {
    let missing = status.vips.iter().filter(|vip| !vip.configured).count();
    let wrong = status.sysctls.iter().filter(|one| !one.is_ok()).count();
    let mut parts = vec![
        (missing, status.vips.len(), "VIPs missing"),
        (wrong, status.sysctls.len(), "sysctls wrong"),
    ];
    if let Some(readiness) = &status.readiness {
        let services = &readiness.services;
        let not_ready = services.iter().filter(|one| !one.ready).count();
        parts.push((not_ready, services.len(), "services not ready"));
    }
    let parts = parts.into_iter().map(|(number, of, what)| {
        let (number, of) = (grouped(number), grouped(of));
        format!("{number} of {of} {what}")
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The head of the page with the summary, the conditions and the last transitions.
pub(super) fn state(
    status: &Status<()>,
    is_real_server: bool,
    summary: &str,
    now: SystemTime,
) -> Markup {
    let convergence = sentence(&status.convergence(|at| age(at, now)));
    let mode = if is_real_server {
        "real server"
    } else {
        "director"
    };
    let conditions: Vec<_> = status.listed_conditions().collect();
    html! {
        a.skip href="#main" { "Skip to the state" }
        header {
            h1 { (status.host) " " small { (mode) } }
            @for reservation in status.reservations() {
                p.reservation { (sentence(reservation)) "." }
            }
            p {
                "lvs-agent " (status.version)
                @if !is_real_server { "; table: " (status.table) }
                "; dry run: " (if status.dry_run { "yes" } else { "no" })
                "; configuration: " (status.config.path) " of "
                (to_the_second(status.config.loaded_at)) ". " (convergence) "."
            }
        }
        (PreEscaped("<main id=\"main\" tabindex=\"-1\">"))
        p #summary role="status" { (summary) }
        p #stale role="alert" hidden {}
        @if !conditions.is_empty() {
            section aria-labelledby="conditions-title" {
                h2 #conditions-title { "Conditions" }
                ul #conditions { @for one in conditions { (condition(one, now)) } }
            }
        }
        @if !status.transitions.is_empty() { (transitions(&status.transitions, now)) }
    }
}

fn condition(condition: &ConditionStatus, now: SystemTime) -> Markup {
    let class = if condition.is_problem() {
        "down"
    } else {
        "unknown"
    };
    html! {
        li data-key={ (condition.kind) " " (condition.subject) } {
            p class=(class) { (printable(&condition.summary(|at| age(at, now)))) }
            p { "fix: " (printable(&condition.fix)) }
        }
    }
}

fn transitions(transitions: &[TransitionStatus], now: SystemTime) -> Markup {
    html! {
        details #transitions {
            summary { h2 { "Last transitions" } }
            table aria-label="Last transitions" {
                thead {
                    tr {
                        th scope="col" { "Time" } th scope="col" { "Real server" }
                        th scope="col" { "To" } th scope="col" { "Reason" }
                    }
                }
                tbody {
                    @for one in transitions {
                        tr data-key={ (one.at) " " (one.service) "/" (one.real_server) } {
                            td { (age(one.at.0, now)) " ago " small { (to_the_second(one.at)) } }
                            th scope="row" { (one.service) "/" (one.real_server) }
                            td class=(one.to) { (one.to) }
                            td {
                                @if let Some(diagnosis) = &one.diagnosis { (diagnosis) ": " }
                                (printable(&one.reason))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The tables of what the host has.
pub(super) fn details(status: &Status<()>, now: SystemTime) -> Markup {
    html! {
        @if let Some(readiness) = &status.readiness { (ready(readiness)) }
        (vips(&status.vips))
        (sysctls(&status.sysctls))
        (timeouts(&status.timeouts))
        (leaving(&status.leaving, now))
    }
}

/// A table with its title, if it has rows.
fn table<T, const N: usize>(
    title: &str,
    heads: [&str; N],
    rows: &[T],
    row: impl Fn(&T) -> Markup,
) -> Markup {
    html! {
        @if !rows.is_empty() {
            section data-key=(title) {
                h2 { (title) }
                table aria-label=(title) {
                    thead { tr { @for head in heads { th scope="col" { (head) } } } }
                    tbody { @for one in rows { tr { (row(one)) } } }
                }
            }
        }
    }
}

fn vips(vips: &[VipStatus]) -> Markup {
    table("VIPs", ["VIP", "Interface", "State"], vips, |vip| {
        html! {
            th scope="row" { (vip.address) }
            td { (vip.interface) }
            @if vip.configured {
                td.up { "configured" }
            } @else {
                td.down { "missing" }
            }
        }
    })
}

fn sysctls(sysctls: &[SysctlStatus]) -> Markup {
    let heads = ["Sysctl", "Configured", "Kernel"];
    table("Kernel parameters", heads, sysctls, |sysctl| {
        html! {
            th scope="row" { (sysctl.key) }
            td { (sysctl.want) }
            td class=(if sysctl.is_ok() { "up" } else { "down" }) {
                (printable(sysctl.have.as_deref().unwrap_or("missing")))
            }
        }
    })
}

fn timeouts(timeouts: &[TimeoutStatus]) -> Markup {
    let seconds = |seconds: u32| short_duration(Duration::from_secs(seconds.into())).to_string();
    let heads = ["Time-out", "Configured", "Kernel"];
    table("Time-outs", heads, timeouts, |timeout| {
        let is_ok = timeout.want.is_none_or(|want| want == timeout.have);
        html! {
            th scope="row" { (timeout.name) }
            td { (timeout.want.map_or_else(|| "as it is".to_owned(), seconds)) }
            td class=(if is_ok { "up" } else { "down" }) { (seconds(timeout.have)) }
        }
    })
}

/// What is no longer configured.
fn leaving(leaving: &[LeavingStatus], now: SystemTime) -> Markup {
    let heads = [
        "Real server",
        "Service",
        "Address",
        "State",
        "Active connections",
        "At the latest",
    ];
    table("Leaving", heads, leaving, |removal| {
        html! {
            th scope="row" { (removal.service) "/" (removal.name) }
            td { (removal.service_address) }
            td { (shown_address(&removal.address)) }
            td { (removal.state()) }
            td { (removal.connections.active) }
            td { (until(removal.deadline.0, now, age)) }
        }
    })
}

fn ready(readiness: &ReadinessStatus) -> Markup {
    let heads = ["Service", "Address", "Ready"];
    table("Readiness", heads, &readiness.services, |service| {
        html! {
            th scope="row" { (service.name) }
            td { (service.protocol) " " (shown_address(&service.address)) }
            @if service.ready {
                td.up { "yes" }
            } @else {
                td.down { "no: " (printable(&service.reasons.join("; "))) }
            }
        }
    })
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
