//! The page for people: one document for every reader, which a script of its own keeps up to date.
//!
//! The server filters and sorts by the query of the address, so that the page is the same without
//! JavaScript, after a reload and for whoever opens a shared link. The templates escape whatever
//! they are given.

mod host;
mod overview;
mod query;
mod services;

use std::sync::Arc;
use std::time::SystemTime;

use maud::{DOCTYPE, Markup, html};

use self::overview::Overview;
pub(super) use self::query::Query;
use crate::status::Snapshot;
use crate::status::document::{ServiceStatus, Status, Timestamp};

/// Nothing is loaded from elsewhere, and nothing that stands in the page itself is run.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// `/page.css`
pub(super) const STYLE: &str = include_str!("page/page.css");

/// `/page.svg`
pub(super) const ICON: &str = include_str!("page/page.svg");

/// `/page.js`
pub(super) const SCRIPT: &str = include_str!("page/page.js");

/// The page, piece by piece: what concerns the host, each virtual service, and the end.
pub(super) fn render(
    snapshot: Arc<Snapshot>,
    query: Query,
    now: SystemTime,
) -> impl Iterator<Item = String> + Send {
    let status: Status<()> = Status::of(&snapshot, None);
    let is_real_server = snapshot.is_real_server();
    let overview = Overview::of(&snapshot, &query, now);
    let summary = if is_real_server {
        host::summary(&status)
    } else {
        overview.summary()
    };
    let mut first = head(&status.host, &summary).into_string();
    first.push_str(&host::state(&status, is_real_server, &summary, now).into_string());
    if is_real_server {
        first.push_str(&host::details(&status, now).into_string());
    } else {
        first.push_str(&services::begin(&query, &overview).into_string());
    }
    let is_frozen = status.all_weights_are_frozen();
    let few_problems = overview.has_few_problems();
    let services = overview.order.into_iter().filter_map(move |index| {
        let record = snapshot.services.get(index)?;
        let service = ServiceStatus::of(record, |_| true);
        let service = query.apply(service, record.verdict_patience(), now)?;
        Some(services::group(&service, is_frozen, few_problems, now).into_string())
    });
    let last = std::iter::once_with(move || {
        let end = html! { (end_of_main(&status, is_real_server, now)) (footer(now)) };
        end.into_string() + "</body></html>\n"
    });
    std::iter::once(first).chain(services).chain(last)
}

fn head(host: &str, summary: &str) -> Markup {
    html! {
        (DOCTYPE)
        (maud::PreEscaped("<html lang=\"en\">"))
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width";
            title { (summary) " - " (host) " - lvs-agent" }
            link rel="icon" href="page.svg";
            link rel="stylesheet" href="page.css";
            script src="page.js" defer {}
        }
        (maud::PreEscaped("<body>"))
    }
}

/// Of a director, what concerns its host stands after its real servers.
fn end_of_main(status: &Status<()>, is_real_server: bool, now: SystemTime) -> Markup {
    html! {
        @if !is_real_server {
            (services::end())
            (host::details(status, now))
        }
        (maud::PreEscaped("</main>"))
    }
}

fn footer(now: SystemTime) -> Markup {
    html! {
        footer {
            p { "State as of " (to_the_second(Timestamp(now))) "; the same as JSON: " a href="status" { "status" } "." }
            noscript { p { "Without JavaScript, this page is updated when it is loaded again." } }
        }
    }
}

/// The time as people read it: `2026-01-02 03:04:05 UTC`.
fn to_the_second(at: Timestamp) -> String {
    let text = humantime::format_rfc3339_seconds(at.0).to_string();
    text.replace('T', " ").replace('Z', " UTC")
}

#[cfg(test)]
mod tests;
