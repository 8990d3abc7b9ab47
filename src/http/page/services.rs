//! The virtual services with their real servers, as one table with a group for each service.

use std::fmt::Write as _;
use std::time::SystemTime;

use maud::{Markup, PreEscaped, html};

use super::overview::Overview;
use super::query::{Column, LONGEST_TEXT, Query};
use crate::model::{age, grouped};
use crate::runtime::printable::printable;
use crate::status::document::{RealServerStatus, ServiceStatus, SetWeightStatus, until};

/// The form, and the table up to its first group.
pub(super) fn begin(query: &Query, overview: &Overview) -> Markup {
    let shown = grouped(overview.shown);
    let all = grouped(overview.real_servers);
    html! {
        (PreEscaped("<section aria-labelledby=\"services-title\">"))
        h2 #services-title { "Real servers" }
        form #filter role="search" autocomplete="off" {
            label for="q" { "Filter" }
            input #q type="search" name="q" value=(query.text) maxlength=(LONGEST_TEXT)
                placeholder="name, address, state or cause";
            label {
                input #problems type="checkbox" name="problems" value="" checked[query.problems];
                " Problems only"
            }
            @if let Some(sort) = query.sort_text() {
                input #sort type="hidden" name="sort" value=(sort);
            }
            button { "Show" }
        }
        p #shown role="status" { (shown) " of " (all) " real servers shown" }
        (PreEscaped("<table id=\"services\">"))
        thead {
            tr {
                @for column in Column::ALL {
                    th scope="col" aria-sort=[query.aria_sort(column)] {
                        a href=(query.link(column)) { (column.title()) }
                    }
                }
            }
        }
    }
}

pub(super) fn end() -> Markup {
    PreEscaped("</table></section>".to_owned())
}

/// A service. With `few_problems`, the fixes are open from the start. While all weights are
/// frozen, the director is at fault, and no real server is blamed.
pub(super) fn group(
    service: &ServiceStatus,
    is_frozen: bool,
    few_problems: bool,
    now: SystemTime,
) -> Markup {
    html! {
        tbody data-key=(service.name) {
            tr.service {
                th scope="rowgroup" colspan=(Column::ALL.len()) {
                    span.name role="heading" aria-level="3" { (service.name) }
                    " " small { (service.key()) ", " (service.scheduler) ", "
                        (service.forwarding_and_tunnel()) }
                    @for warning in service.warnings() { p.down { (warning) } }
                }
            }
            @for server in service.servers() {
                (row(server, is_frozen, few_problems, now))
            }
        }
    }
}

fn row(server: &RealServerStatus, is_frozen: bool, few_problems: bool, now: SystemTime) -> Markup {
    let (weight, connections) = (&server.weight, &server.connections);
    html! {
        tr data-key=(server.name) {
            th scope="row" { (server.name) " " small { (server.address_and_forwarding()) } }
            td class=(server.health) {
                (server.health)
                @if let Some(reason) = &server.quiesced { br; "quiesced: " (reason) }
                @if let Some(admin) = admin(server, now) { br; (admin) }
                @if !is_frozen { (fix(server, few_problems)) }
            }
            td { (age(server.since.0, now)) }
            td { (weight.kernel.map_or_else(|| "none".to_owned(), |kernel| kernel.to_string())) }
            td { (weight.desired) }
            td {
                (weight.summary())
                @if let Some(set) = &weight.set { br; small { (set_by(set, now)) } }
            }
            td { (connections.active) }
            td { (connections.inactive) }
            td {
                @match &server.last_probe {
                    Some(probe) => {
                        (printable(&probe.summary())) ", " (age(probe.at.0, now)) " ago"
                    },
                    None => { (server.no_probe()) },
                }
            }
        }
    }
}

/// What is wrong, and what to do about it.
fn fix(server: &RealServerStatus, is_open: bool) -> Markup {
    html! {
        @if let (Some(diagnosis), Some(fix)) = (&server.diagnosis, &server.fix) {
            details open[is_open] {
                summary { (diagnosis) }
                "fix: " (printable(fix))
            }
        }
    }
}

/// Who has set a weight, and when.
fn set_by(set: &SetWeightStatus, now: SystemTime) -> String {
    let mut text = format!("set to {}", set.to);
    if let Some(since) = set.since {
        let _ = write!(text, " {} ago", age(since.0, now));
    }
    if let Some(by) = &set.by {
        let _ = write!(text, " by {}", printable(by));
    }
    text
}

/// What an operator has asked for; `None` of a real server that is enabled.
fn admin(server: &RealServerStatus, now: SystemTime) -> Option<String> {
    let admin = &server.admin;
    if admin.state == "enabled" {
        return None;
    }
    let mut text = admin.state.clone();
    if let Some(since) = admin.since {
        let _ = write!(text, " for {}", age(since.0, now));
    }
    if let Some(by) = &admin.by {
        let _ = write!(text, " by {}", printable(by));
    }
    if let Some(deadline) = server.drain_deadline {
        let _ = write!(text, " (deadline {})", until(deadline.0, now, age));
    }
    if let Some(reason) = &admin.reason {
        let _ = write!(text, ": {}", printable(reason));
    }
    Some(text)
}
