//! Compares the virtual services of the kernel with the configuration.

use std::collections::BTreeSet;

use super::{Facts, Finding, probe_marks};
use crate::config::Config;
use crate::kernel::Cause;
use crate::runtime::error_chain::error_chain;

/// What the table holds beside what is configured, and what it lacks.
pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let table = match &facts.table {
        None => return Vec::new(),
        Some(Err(error)) => {
            let (why, fix) = (error_chain(error), unread(&error.cause, facts));
            return vec![Finding::problem("table", "IPVS", why, fix)];
        }
        Some(Ok(table)) => table,
    };
    let services = config.virtual_services.iter();
    let configured: BTreeSet<_> = services.map(|service| service.key).collect();
    let there = table.intersection(&configured).count();
    let reported = probe_marks::reported(config, facts);
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
            format!("start lvs-agent, or: {}", facts.command_line("reload")),
        )
    }));
    let others = table.difference(&configured);
    findings.extend(others.filter(|key| !reported.contains(key)).map(|key| {
        if facts.leaving.contains(key) {
            let message = format!(
                "it is no longer configured, and goes when its last connections have ended, at \
                 the latest at its deadline: see `{}`",
                facts.command_line("status")
            );
            Finding::ok("table", key, message)
        } else if facts.owned.contains(key) {
            let message = "the agent has made it, and it is no longer configured";
            Finding::warning("table", key, message, facts.command_line("reload"))
        } else if facts.state_is_not_saved() {
            let message = "it is not configured, and whether the agent has made it cannot be told \
                           while the agent does not remember what it owns: leave it alone";
            let doctor = facts.command_line("doctor");
            let fix = format!("let the agent write its state file, then: {doctor}");
            Finding::warning("table", key, message, fix)
        } else {
            let message = "it is not the agent's, which leaves it alone: remove it only if nobody \
                           needs it";
            Finding::warning("table", key, message, key.removal())
        }
    }));
    findings
}

/// What helps where IPVS did not tell something, for this cause.
pub(super) fn unread(cause: &Cause, facts: &Facts) -> String {
    if matches!(cause, Cause::NotPermitted) {
        "run as root".to_owned()
    } else if matches!(cause, Cause::NoIpvs) {
        "modprobe ip_vs, or boot a kernel that has it".to_owned()
    } else {
        format!(
            "ask again: {}; if it stays so, see whether the kernel tells others: ipvsadm -Ln",
            facts.command_line("doctor")
        )
    }
}

#[cfg(test)]
mod tests;
