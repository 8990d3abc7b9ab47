//! The kernel parameters that traffic does not depend on: the failure to set such
//! a parameter is a warning, and the host is ready all the same.
//!
//! The agent assumes that every other configured parameter is needed.

use std::collections::BTreeSet;

use super::through_vip;
use crate::config::Config;
use crate::model::{Forwarding, SysctlKey};

/// On a director:
///
/// - `expire_nodest_conn` ends connections of removed real servers, and sends no
///   client to another real server;
/// - `expire_quiescent_template` matters only for persistent services;
/// - `accept_local` matters only for probes through VIPs;
/// - forwarding between interfaces matters only for masqueraded real servers.
pub(crate) fn unneeded_by_director(config: &Config) -> BTreeSet<SysctlKey> {
    let services = &config.virtual_services;
    let persistent = services.iter().any(|service| service.persistence.is_some());
    let masqueraded = services
        .iter()
        .any(|service| service.forwardings(None).contains(&Forwarding::Masquerade));
    let through_vips = services.iter().any(through_vip);
    let unneeded = |key: &SysctlKey| match last_component(key).as_str() {
        "expire_nodest_conn" => true,
        "expire_quiescent_template" => !persistent,
        "accept_local" => !through_vips,
        "ip_forward" | "forwarding" => !masqueraded,
        _ => false,
    };
    let keys = config.director.sysctls.keys();
    keys.filter(|key| unneeded(key)).cloned().collect()
}

/// On a real server: `rp_filter`, which does not concern ARP, and drops packets
/// only where it is set.
pub(crate) fn unneeded_by_real_server(config: &Config) -> BTreeSet<SysctlKey> {
    let keys = config.real_server.sysctls.keys();
    keys.filter(|key| last_component(key) == "rp_filter")
        .cloned()
        .collect()
}

fn last_component(key: &SysctlKey) -> String {
    key.path_components().last().unwrap_or_default()
}

#[cfg(test)]
mod tests;
