//! The services by mark of probes through VIPs, and who else looks at their marks.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::clash;
use super::vip_probe_facts::VipProbeFacts;
use super::{Facts, Finding};
use crate::config::Config;
use crate::model::{Family, ServiceKey};
use crate::plan::probe_marks::Marks;
use crate::plan::{ServiceState, State};
use crate::reconcile::more_marks;

const SUBJECT: &str = "director.probe_mark";

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let Some(vip_probes) = &facts.vip_probes else {
        return Vec::new();
    };
    let foreign = foreign(vip_probes, facts);
    let marks = marks(config, vip_probes, facts, &foreign);
    let wanted = marks.services();
    // Without the state file, nothing shows which services and marks are the agent's.
    let unknown = facts.state_is_not_saved();
    let mut findings = if unknown {
        Vec::new()
    } else {
        services(&wanted, vip_probes, facts)
    };
    findings.extend(foreign.iter().map(not_the_agents));
    findings.extend(
        marks
            .shortage()
            .map(|message| Finding::problem("mark", SUBJECT, message, more_marks(&foreign))),
    );
    if findings.is_empty() && is_read(facts) && !unknown {
        let message = format!("all {} services by mark are in the table", wanted.len());
        findings.push(Finding::ok("mark", SUBJECT, message));
    }
    findings.extend(rules(&wanted, facts));
    findings
}

/// The services by mark that have a finding already: all of the range, except those that
/// the agent has made and does not need any more.
pub(super) fn reported(config: &Config, facts: &Facts) -> BTreeSet<ServiceKey> {
    let Some(vip_probes) = &facts.vip_probes else {
        return BTreeSet::new();
    };
    if facts.state_is_not_saved() {
        return vip_probes.by_mark.keys().copied().collect();
    }
    let mut reported = foreign(vip_probes, facts);
    let marks = marks(config, vip_probes, facts, &reported);
    reported.extend(marks.services().into_keys());
    reported
}

/// Whether it is the agent's, or may be, for all that is known.
fn may_be_own(key: &ServiceKey, facts: &Facts) -> bool {
    facts.state_is_not_saved() || facts.owned.contains(key)
}

/// What is by a mark of the range, and not remembered as the agent's.
fn foreign(vip_probes: &VipProbeFacts, facts: &Facts) -> BTreeSet<ServiceKey> {
    let there = vip_probes.by_mark.keys();
    there
        .filter(|key| !may_be_own(key, facts))
        .copied()
        .collect()
}

/// The marks of a director that starts now: paths keep those that its
/// services in the table have for them.
fn marks(
    config: &Config,
    vip_probes: &VipProbeFacts,
    facts: &Facts,
    foreign: &BTreeSet<ServiceKey>,
) -> Marks {
    let mut own = State::default();
    own.services.clone_from(&vip_probes.by_mark);
    own.services.retain(|key, _| may_be_own(key, facts));
    Marks::assign(config, &Marks::found(config, &own), foreign)
}

/// Whether the table was read. A table that could not be read has a finding of its own.
fn is_read(facts: &Facts) -> bool {
    matches!(facts.table, Some(Ok(_)))
}

fn services(
    wanted: &BTreeMap<ServiceKey, ServiceState>,
    vip_probes: &VipProbeFacts,
    facts: &Facts,
) -> Vec<Finding> {
    let fix = if facts.director_runs() {
        facts.command_line("reload")
    } else {
        "systemctl start lvs-agent-director".to_owned()
    };
    if !is_read(facts) {
        return Vec::new();
    }
    let there = wanted
        .keys()
        .filter(|key| vip_probes.by_mark.contains_key(key));
    if there.count() == 0 && !wanted.is_empty() {
        let message = format!(
            "the table has none of the {} services by mark that probes through VIPs need",
            wanted.len()
        );
        return vec![Finding::problem("mark", SUBJECT, message, fix)];
    }
    let mut findings = Vec::new();
    for (key, state) in wanted {
        let message = match vip_probes.by_mark.get(key) {
            Some(found) if found == state => continue,
            Some(_) => "it does not lead where it should",
            None => "it is not in the table",
        };
        let mut real_servers = state.destinations.keys();
        let message = match real_servers.next() {
            Some(real_server) => {
                let ip = real_server.0.ip();
                format!("{message}: {ip} cannot be asked through its VIPs")
            }
            None => format!("{message}: no probe through a VIP is verified without its canary"),
        };
        findings.push(Finding::problem("mark", key, message, &*fix));
    }
    findings
}

fn not_the_agents(key: &ServiceKey) -> Finding {
    let message = "it is by a mark that probes through VIPs may carry, and the agent does not \
                   remember to have made it: it is left alone, and probes take other marks";
    let fix = format!(
        "another `{SUBJECT}`; or, if nobody needs it: {}",
        key.removal()
    );
    Finding::warning("mark", key, message, fix)
}

/// Rules of routing that take packets with these marks elsewhere.
fn rules(wanted: &BTreeMap<ServiceKey, ServiceState>, facts: &Facts) -> Vec<Finding> {
    let marks = wanted.keys().filter_map(|key| match key {
        ServiceKey::Fwmark { mark, family } => Some((*family, mark.get())),
        ServiceKey::Address { .. } => None,
    });
    let marks: BTreeSet<(Family, u32)> = marks.collect();
    let clashes = facts.rules.iter().filter_map(|rule| {
        let taken = |(family, mark): &&(Family, u32)| *family == rule.family && rule.takes(*mark);
        let (_, first) = marks.iter().find(taken)?;
        let what = format!("packets of probes through VIPs, as with the mark {first},");
        Some(clash(rule, SUBJECT, &what))
    });
    let mut findings: Vec<_> = clashes.collect();
    if findings.is_empty() {
        let message = "no rule of routing looks at the marks of probes through VIPs";
        findings.push(Finding::ok("mark", SUBJECT, message));
    }
    findings
}

#[cfg(test)]
mod tests;
