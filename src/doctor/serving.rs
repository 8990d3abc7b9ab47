//! Checks whether this host can serve through its VIPs.

use std::collections::BTreeSet;

use super::{Facts, Finding};
use crate::model::Family;
use crate::readiness::{ReadinessIssue, ServiceReadiness, host_prefix_command};
use crate::reconcile::NOTHING_LISTED;

/// Whether a real server can serve through its VIPs.
pub(super) fn examine(facts: &Facts) -> Vec<Finding> {
    if facts.services.is_empty() {
        let fix = "correct `real_servers` in the configuration, or `real_server.vips`";
        return vec![Finding::warning("vip", "none", NOTHING_LISTED, fix)];
    }
    let mut findings = vips(facts);
    findings.extend(arp(facts));
    for readiness in &facts.services {
        findings.extend(service(readiness));
    }
    findings
}

/// Each VIP is there, alone, and as one host's address.
fn vips(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for readiness in &facts.services {
        let vip = readiness.service.address.ip();
        if !seen.insert(vip) {
            continue;
        }
        let issues = readiness.issues.iter();
        let issues = issues.filter(|issue| {
            matches!(
                issue,
                ReadinessIssue::Vip { .. }
                    | ReadinessIssue::OnLan { .. }
                    | ReadinessIssue::WidePrefix { .. }
            )
        });
        findings.extend(issues.map(|issue| problem("vip", &vip.to_string(), issue)));
        let bits = Family::from(vip).host_prefix_length();
        let held = facts.host.addresses.iter();
        let held: Vec<_> = held.filter(|held| held.address == vip).collect();
        let is_told = |prefix: u8| {
            let mut issues = readiness.issues.iter();
            issues.any(|issue| matches!(issue, ReadinessIssue::WidePrefix { prefix_length, .. } if *prefix_length == prefix))
        };
        for &held in &held {
            let (interface, prefix) = (&held.interface, held.prefix_length);
            findings.push(
                if prefix == bits || facts.host.is_directed_on(vip, interface) {
                    Finding::ok("vip", &vip, format!("it is on {interface}"))
                } else if is_told(prefix) {
                    continue;
                } else {
                    Finding::problem(
                        "vip",
                        &vip,
                        format!(
                            "it is on {interface} as /{prefix}: on lo, the kernel takes that whole \
                         network for itself"
                        ),
                        host_prefix_command(vip, prefix, interface),
                    )
                },
            );
        }
    }
    findings
}

/// Each interface that is asked for VIPs keeps silent.
fn arp(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (interface, values) in &facts.host.arp {
        let issues = facts.services.iter().flat_map(|service| &service.issues);
        let of_this = issues.filter(|issue| match issue {
            ReadinessIssue::ArpIgnore { interface: on, .. }
            | ReadinessIssue::ArpAnnounce { interface: on, .. } => on == interface,
            ReadinessIssue::Vip { .. }
            | ReadinessIssue::OnLan { .. }
            | ReadinessIssue::WidePrefix { .. }
            | ReadinessIssue::Listener { .. }
            | ReadinessIssue::ListenersUnknown { .. }
            | ReadinessIssue::SelfTest { .. } => false,
        });
        let mut found: Vec<_> = of_this
            .map(|issue| problem("arp", interface, issue))
            .collect();
        // Several services lack the same.
        let mut seen = BTreeSet::new();
        found.retain(|finding| seen.insert(finding.message.clone()));
        if found.is_empty() {
            let (ignore, announce) = (values.ignore, values.announce);
            let message = format!("arp_ignore is {ignore} and arp_announce {announce} there");
            found.push(Finding::ok("arp", interface, message));
        }
        findings.extend(found);
    }
    findings
}

fn service(readiness: &ServiceReadiness) -> Vec<Finding> {
    let subject = format!("{} ({})", readiness.service.name, readiness.service.key());
    let mut findings = Vec::new();
    if readiness.listening == Some(true) {
        let message = "something listens on VIP and port";
        findings.push(Finding::ok("listening", &subject, message));
    }
    let passed = readiness.self_test.as_ref();
    if passed.is_some_and(|test| test.failure.is_none()) {
        let message = "a connection from this host itself is accepted";
        findings.push(Finding::ok("self_test", &subject, message));
    }
    for issue in &readiness.issues {
        match issue {
            ReadinessIssue::Listener { .. } | ReadinessIssue::ListenersUnknown { .. } => {
                findings.push(problem("listening", &subject, issue));
            }
            ReadinessIssue::SelfTest { .. } => findings.push(problem("self_test", &subject, issue)),
            ReadinessIssue::Vip { .. }
            | ReadinessIssue::OnLan { .. }
            | ReadinessIssue::WidePrefix { .. }
            | ReadinessIssue::ArpIgnore { .. }
            | ReadinessIssue::ArpAnnounce { .. } => {}
        }
    }
    findings
}

fn problem(check: &'static str, subject: &str, issue: &ReadinessIssue) -> Finding {
    Finding::problem(check, subject, issue.to_string(), issue.fix())
}

#[cfg(test)]
mod tests;
