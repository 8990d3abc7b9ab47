//! `/readyz`: 200 only while the last reconcile succeeded, nothing waits to be
//! written, and every check has a verdict.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{AppState, SharedState};
use crate::model::{Health, with_noun};
use crate::status::document;

/// How many real servers of a kind, and how many conditions, `/readyz` names.
const NAMED: usize = 10;

pub(super) async fn readyz(State(shown): State<SharedState>) -> Response {
    let view = shown.view();
    let missing = missing(&view);
    let snapshot = view.snapshot;
    if missing.is_empty() {
        // Conditions do not keep the agent from doing its work.
        let table = &snapshot.process;
        let table = (!table.table_in_kernel).then(|| document::IN_MEMORY.to_owned());
        let lines = [Some("ready".to_owned()), table];
        let all = snapshot.conditions.list();
        let more = all.len().saturating_sub(NAMED);
        let status = snapshot.command_line("status");
        let more = (more > 0).then(|| format!("and {more} more: see `{status}`"));
        let conditions = all.into_iter().take(NAMED).map(|it| {
            let (kind, subject, message) = (it.kind, it.subject, it.message);
            format!("{} {kind} {subject}: {message}", it.severity)
        });
        lines
            .into_iter()
            .flatten()
            .chain(conditions)
            .chain(more)
            .map(|line| line + "\n")
            .collect::<String>()
            .into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing).into_response()
    }
}

/// What stands between this process and being ready, a line each.
pub(super) fn missing(view: &AppState) -> String {
    let snapshot = &view.snapshot;
    let reconcile = snapshot.reconcile.lock().clone();
    let (mut unwritten, mut without_verdict) = (Named::default(), Named::default());
    for service in &snapshot.services {
        for real_server in service.records() {
            let live = real_server.live.lock();
            let name = || format!("{}/{}", service.name, real_server.name);
            if live.kernel != Some(live.desired) {
                unwritten.add(name);
            }
            if live.health == Health::Unknown {
                without_verdict.add(name);
            }
        }
    }
    let reconcile = match (reconcile.last_success, reconcile.error) {
        (_, None) if reconcile.pending_steps > 0 => {
            let pending =
                document::pending(reconcile.pending_steps, &snapshot.command_line("plan"));
            format!("not ready: {pending}\n")
        }
        (None, reason) => {
            let reason = reason.unwrap_or_else(|| "under way".to_owned());
            format!("the first reconcile is not done: {reason}\n")
        }
        (Some(_), Some(reason)) => format!("the last reconcile failed: {reason}\n"),
        (Some(_), None) => {
            let waiting = view.weight_updates.waiting();
            let waiting = (waiting > 0).then(|| {
                let weights = with_noun(waiting, "changed weight");
                format!("{weights} not written yet\n")
            });
            let table = if snapshot.process.table_in_kernel {
                "the kernel"
            } else {
                "the table in memory"
            };
            let what = format!("{table} does not have the weight wanted yet of");
            let unwritten = unwritten.line(&what);
            waiting.unwrap_or_default() + &unwritten
        }
    };
    reconcile + &without_verdict.line("no verdict yet on")
}

/// Real servers of a kind: all are counted, the first are named.
#[derive(Default)]
struct Named {
    count: usize,
    names: Vec<String>,
}

impl Named {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name());
        }
    }

    /// `WHAT 2 real servers: NAME, NAME`; empty if there is none.
    fn line(&self, what: &str) -> String {
        let more = match self.count - self.names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = self.names.join(", ");
        match self.count {
            0 => String::new(),
            1 => format!("{what} 1 real server: {names}\n"),
            count => format!("{what} {count} real servers: {names}{more}\n"),
        }
    }
}
