use std::net::SocketAddr;

use super::{Facts, Finding};
use crate::probe::Outcome;

/// One probe, and whom it speaks of.
pub(super) struct Probed {
    /// `web/rs1`, of each service that asks in this way.
    pub(super) names: Vec<String>,
    /// Where the check goes; port 0 where it does not matter.
    pub(super) target: SocketAddr,
    pub(super) outcome: Outcome,
}

pub(super) fn examine(facts: &Facts) -> Vec<Finding> {
    facts.probed.iter().map(finding).collect()
}

fn finding(probed: &Probed) -> Finding {
    let (names, outcome) = (probed.names.join(", "), &probed.outcome);
    let check = "real_server";
    match outcome.result.evidence() {
        Some(true) => {
            let milliseconds = outcome.duration.as_secs_f64() * 1000.0;
            let message = format!("{}, in {milliseconds:.1} ms", outcome.detail);
            Finding::ok(check, &names, message)
        }
        Some(false) => {
            let ip = probed.target.ip();
            let mend = format!("on {ip}: lvs-agent doctor --real-server; from here: ping {ip}");
            Finding::problem(check, &names, &outcome.detail, mend)
        }
        None => {
            let message = format!("it could not be probed: {}", outcome.detail);
            Finding::warning(
                check,
                &names,
                message,
                "LVS_AGENT_LOG=debug lvs-agent run --dry-run",
            )
        }
    }
}

#[cfg(test)]
mod tests;
