use std::collections::BTreeSet;

use super::{Facts, Finding, probe_marks};
use crate::config::Config;

/// What the table holds beside what is configured, and what it lacks.
pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let table = match &facts.table {
        None => return Vec::new(),
        Some(Err(why)) => {
            let mend = "run as root, on a kernel with IPVS";
            return vec![Finding::problem("table", "IPVS", why, mend)];
        }
        Some(Ok(table)) => table,
    };
    let services = config.virtual_services.iter();
    let configured: BTreeSet<_> = services.map(|service| service.key).collect();
    let there = table.intersection(&configured).count();
    let told = probe_marks::told(config, facts);
    let mut findings = Vec::new();
    if there > 0 {
        let message = format!("it holds {there} of {} virtual services", configured.len());
        findings.push(Finding::ok("table", "IPVS", message));
    }
    findings.extend(configured.difference(table).map(|key| {
        let message = "it is configured, and not in the table";
        Finding::problem(
            "table",
            key,
            message,
            "start lvs-agent, or: lvs-agent reload",
        )
    }));
    let others = table.difference(&configured);
    findings.extend(others.filter(|key| !told.contains(key)).map(|key| {
        if facts.owned.contains(key) {
            let message = "the agent has made it, and it is no longer configured";
            Finding::warning("table", key, message, "lvs-agent reload")
        } else {
            let message = "it is not the agent's, which leaves it alone: remove it only if nobody \
                           needs it";
            Finding::warning("table", key, message, key.removal())
        }
    }));
    findings
}

#[cfg(test)]
mod tests;
