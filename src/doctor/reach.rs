//! Makes each probe once, and tells what failed.

use std::iter;
use std::net::SocketAddr;

use super::{Facts, Finding};
use crate::config::{Config, Origin, SorryServer, Via};
use crate::model::ProbeResult;
use crate::probe::Outcome;

/// One probe, and whom it speaks of.
pub(super) struct Probed {
    /// `web/rs1`, of each service that asks in this way.
    pub(super) names: Vec<String>,
    /// Where the check goes; port 0 where it does not matter.
    pub(super) target: SocketAddr,
    /// Which way the check asks; here it asked the real server's own address.
    pub(super) via: Via,
    /// From where it asks.
    pub(super) origin: Origin,
    pub(super) outcome: Outcome,
    /// What a check that asks through the VIP asks there all the same.
    pub(super) beside: Option<Outcome>,
}

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let probed = facts.probed.iter().flat_map(|probed| {
        let beside = probed.beside.iter();
        let beside = beside.map(|outcome| finding(probed, outcome, Via::RealServer, facts));
        iter::once(finding(probed, &probed.outcome, probed.via, facts)).chain(beside)
    });
    probed.chain(unchecked(config)).collect()
}

/// The real servers and sorry servers that nothing is asked of.
fn unchecked(config: &Config) -> impl Iterator<Item = Finding> {
    let members = config.virtual_services.iter().flat_map(|service| {
        let real_servers = service.real_servers.iter();
        let names = real_servers.map(|real_server| &*real_server.name);
        let names = names.chain(iter::once(SorryServer::NAME));
        let members = names.zip(service.members());
        members.map(|(name, member)| (format!("{}/{name}", service.name), member))
    });
    let unchecked = members.filter(|(_, member)| !member.check.kind.asks());
    let message = "it is not checked (`check: none`), and counts as up";
    unchecked.map(move |(name, _)| Finding::ok("real_server", &name, message))
}

fn finding(probed: &Probed, outcome: &Outcome, via: Via, facts: &Facts) -> Finding {
    let names = probed.names.join(", ");
    let check = "real_server";
    let own = if via.through_vip() {
        "at its own address: "
    } else {
        ""
    };
    match outcome.result.evidence() {
        Some(true) => {
            let milliseconds = outcome.duration.as_secs_f64() * 1000.0;
            let message = format!("{own}{}, in {milliseconds:.1} ms", outcome.detail);
            Finding::ok(check, &names, message)
        }
        Some(false) => {
            let message = format!("{own}{}", outcome.detail);
            let ip = probed.target.ip();
            let port = probed.target.port();
            let fix = match &outcome.fix {
                Some(fix) => fix.for_real_server(ip).to_string(),
                None if outcome.result == ProbeResult::Refused && port != 0 => {
                    format!("on {ip}: ss -ltnup 'sport = :{port}'; lvs-agent doctor --real-server")
                }
                None => format!("on {ip}: lvs-agent doctor --real-server; from here: ping {ip}"),
            };
            match (via, facts.director_runs()) {
                // What counts is the running agent's to tell.
                (Via::Vip, true) => {
                    let message = format!("{message}; its check asks this through the VIP");
                    Finding::ok(check, &names, message)
                }
                (Via::Vip, false) => Finding::warning(check, &names, message, fix),
                (Via::RealServer | Via::Both, _) => Finding::problem(check, &names, message, fix),
            }
        }
        None => {
            let message = format!("it could not be probed: {}", outcome.detail);
            let fix = match (missing_source(&probed.origin, facts), &outcome.fix) {
                (Some(fix), _) => fix.to_owned(),
                (None, Some(fix)) => fix.for_real_server(probed.target.ip()).to_string(),
                (None, None) => {
                    let run = facts.command_line("run --dry-run");
                    format!("LVS_AGENT_LOG=debug {run}")
                }
            };
            Finding::warning(check, &names, message, fix)
        }
    }
}

/// What this host does not have, so that a probe could not be made.
fn missing_source(origin: &Origin, facts: &Facts) -> Option<&'static str> {
    let (interface, source) = (origin.interface.as_deref(), origin.source);
    if interface.is_some_and(|name| !facts.has_interface(name)) {
        Some("see `ip -brief link`, and correct `check.interface`")
    } else if source.is_some_and(|source| !facts.host.has(source)) {
        Some("see `ip -brief address`, and correct `check.source`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
