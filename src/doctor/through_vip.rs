//! Whether probes through VIPs tell anything on this director.

use std::convert::Infallible;
use std::net::IpAddr;

use super::agent::start;
use super::parameters::place_value;
use super::table::unread;
use super::vip_probe_facts::Source;
use super::{Facts, Finding};
use crate::config::Config;
use crate::kernel::KernelError;
use crate::model::OwnSource;
use crate::runtime::error_chain::error_chain;

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    if !config.asks_through_vips() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !facts.director_runs() {
        findings.push(Finding::warning(
            "through_vip",
            "probes",
            "the way through the VIPs was not asked: only a running agent keeps the marks that \
             it takes, and doctor writes nothing",
            start(config, facts),
        ));
    }
    if let Some(vip_probes) = &facts.vip_probes {
        findings.extend(passes(&vip_probes.passes_everything, facts));
        findings.extend(
            vip_probes
                .sources
                .iter()
                .filter_map(|source| answers(source, config, facts)),
        );
    }
    findings
}

fn passes(found: &Result<bool, KernelError>, facts: &Facts) -> Option<Finding> {
    let (message, fix) = match found {
        Ok(false) => return None,
        Ok(true) => (
            "probes through VIPs are suspended, and change no verdict: this host is another \
             director's backup, with net.ipv4.vs.backup_only"
                .to_owned(),
            "none while it is the backup; where it is to serve: ipvsadm --stop-daemon backup"
                .to_owned(),
        ),
        Err(error) => (
            format!(
                "it is not known whether IPVS takes their packets: {}",
                error_chain(error)
            ),
            unread(&error.cause, facts),
        ),
    };
    Some(Finding::warning("through_vip", "probes", message, fix))
}

/// Whether this host takes the answers, which come from an address of its own;
/// `None` where it does not have the VIP, which is what another finding tells.
fn answers(source: &Source, config: &Config, facts: &Facts) -> Option<Finding> {
    let (check, vip) = ("through_vip", source.vip);
    let address = match &source.address {
        Ok(address) => *address,
        Err((why, real_server)) => {
            let fix = format!(
                "ip route get {real_server}; or give the check `source`, an address of this host"
            );
            let message = format!("it cannot be asked: {why}");
            return Some(Finding::problem(check, &vip, message, fix));
        }
    };
    if !facts.host.has(vip) {
        return None;
    }
    Some(match dropped_by_rp_filter(vip, address, facts) {
        None => Finding::ok(check, &vip, format!("its answers to {address} come in")),
        Some(reason) => Finding::problem(
            check,
            &vip,
            format!("this host drops its answers to {address}: {reason}"),
            if is_configured(&reason, config) {
                let (key, reload) = (reason.key(), facts.command_line("reload"));
                format!("change `{key}` in `director.sysctls`, and `{reload}`")
            } else {
                reason.command()
            },
        ),
    })
}

/// Whether the agent itself keeps it so.
fn is_configured(reason: &OwnSource, config: &Config) -> bool {
    let mut keys = config.director.sysctls.keys();
    keys.any(|key| key.to_string() == reason.key())
}

/// As the canary judges it.
fn dropped_by_rp_filter(vip: IpAddr, address: IpAddr, facts: &Facts) -> Option<OwnSource> {
    if vip.is_ipv6() {
        return None;
    }
    let interface = |wanted: IpAddr| {
        let mut held = facts.host.addresses.iter();
        held.find(|held| held.address == wanted)
            .map(|held| held.interface.as_str())
    };
    let value = |place: &str, name: &str| Ok::<_, Infallible>(place_value(facts, place, name));
    let Ok(found) = OwnSource::kept_out(interface(address)?, interface(vip)?, value);
    found
}

#[cfg(test)]
mod tests;
