//! Checks routing rules that match the firewall mark of a virtual service.

use super::{Facts, Finding};
use crate::config::Config;
use crate::model::{Family, MarkRule, ServiceKey};

/// Rules of routing that look at the mark of a virtual service.
pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in &config.virtual_services {
        let ServiceKey::Fwmark { mark, family } = service.key else {
            continue;
        };
        let rules = facts.rules.iter();
        let rules: Vec<_> = rules
            .filter(|rule| rule.family == family && rule.takes(mark.get()))
            .collect();
        if rules.is_empty() {
            let message = format!("no rule of routing looks at the mark {mark}");
            findings.push(Finding::ok("mark", &service.name, message));
        }
        let what = format!("packets with the mark {mark}");
        let clashes = rules.iter().map(|rule| clash(rule, &service.name, &what));
        findings.extend(clashes);
    }
    findings
}

/// A rule that takes `what` elsewhere.
pub(super) fn clash(rule: &MarkRule, subject: &str, what: &str) -> Finding {
    let (priority, table) = (rule.priority, rule.table);
    let option = match rule.family {
        Family::Ipv4 => "-4",
        Family::Ipv6 => "-6",
    };
    Finding::warning(
        "mark",
        subject,
        format!(
            "the rule of routing {priority} sends {what} to table {table}: IPVS sees them only \
             if that makes them local"
        ),
        format!("ip {option} route show table {table}; ip {option} rule del priority {priority}"),
    )
}

#[cfg(test)]
mod tests;
