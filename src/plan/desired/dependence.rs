//! Which kernel parameters traffic does not depend on: one of these that cannot
//! be set is a warning, and the host is ready without it.
//!
//! Of a parameter that is not known here the agent supposes that it is needed:
//! somebody has configured it.

use std::collections::BTreeSet;

use super::through_vip;
use crate::config::Config;
use crate::model::{Forwarding, SysctlKey};

/// On a director:
///
/// - `expire_nodest_conn` ends connections of real servers that are gone, and
///   leads no client to another real server;
/// - `expire_quiescent_template` counts where clients are kept by persistence;
/// - `accept_local` counts where probes lead through VIPs;
/// - forwarding between interfaces counts where real servers are masqueraded.
pub(crate) fn unneeded_by_director(config: &Config) -> BTreeSet<SysctlKey> {
    let services = &config.virtual_services;
    let persistent = services.iter().any(|service| service.persistence.is_some());
    let masqueraded = services
        .iter()
        .any(|service| service.forwarding == Forwarding::Masquerade);
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

/// On a real server: `rp_filter`, for it is not about ARP, and drops packets
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
