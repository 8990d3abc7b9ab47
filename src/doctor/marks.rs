use super::{Facts, Finding};
use crate::config::Config;
use crate::model::ServiceKey;

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
        for rule in rules {
            let (priority, table) = (rule.priority, rule.table);
            let option = match family {
                crate::model::Family::Ipv4 => "-4",
                crate::model::Family::Ipv6 => "-6",
            };
            findings.push(Finding::warning(
                "mark",
                &service.name,
                format!(
                    "the rule of routing {priority} sends packets with the mark {mark} to table \
                     {table}: IPVS sees them only if that makes them local"
                ),
                format!(
                    "ip {option} route show table {table}; ip {option} rule del priority {priority}"
                ),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests;
