//! The line that `systemctl status` shows of the agent (`STATUS=` of `sd_notify(3)`).

use std::convert::Infallible;
use std::future;
use std::time::Duration;

use tokio::time::sleep;

use crate::http::SharedState;
use crate::model::{counted, grouped};
use crate::runtime::systemd;
use crate::status::Snapshot;
use crate::status::document::{Filter, Totals};

/// From one look at the snapshot to the next. A look locks each real server once.
const PERIOD: Duration = Duration::from_secs(2);

/// Sends the line to the service manager whenever it changes.
pub(crate) async fn keep_current(shown: SharedState) -> Infallible {
    if !systemd::is_present() {
        return future::pending().await;
    }
    let mut sent = String::new();
    loop {
        let line = line(&shown.view().snapshot);
        if line != sent {
            systemd::status(&line);
            sent = line;
        }
        sleep(PERIOD).await;
    }
}

fn line(snapshot: &Snapshot) -> String {
    let role = if snapshot.is_real_server() {
        real_server(snapshot)
    } else {
        director(snapshot)
    };
    let conditions = conditions(snapshot);
    let dry_run = if snapshot.process.dry_run {
        "; dry run"
    } else {
        ""
    };
    let in_memory = if snapshot.process.table_in_kernel {
        ""
    } else {
        "; table in memory"
    };
    format!("{role}; {conditions}{dry_run}{in_memory}")
}

fn director(snapshot: &Snapshot) -> String {
    let totals = Totals::of(snapshot, &Filter::default());
    let parts = [
        (totals.up, "up"),
        (totals.down, "down"),
        (totals.unknown, "unknown"),
        (totals.draining + totals.drained, "drained or draining"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, state)| format!("{} {state}", grouped(number)))
        .collect();
    format!(
        "{}, {}: {}",
        counted(totals.virtual_services, "virtual service"),
        counted(totals.real_servers, "real server"),
        parts.join(", ")
    )
}

fn real_server(snapshot: &Snapshot) -> String {
    let vips = snapshot.vips.lock();
    let configured = vips.values().filter(|is_configured| **is_configured);
    let configured = grouped(configured.count());
    format!("{configured} of {} configured", counted(vips.len(), "VIP"))
}

fn conditions(snapshot: &Snapshot) -> String {
    let (problems, warnings) = snapshot.conditions.totals();
    let parts = [(problems, "problem"), (warnings, "warning")];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| counted(number, noun))
        .collect();
    if parts.is_empty() {
        return "no problems".to_owned();
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests;
