//! Checks the kernel parameters.

use std::collections::BTreeSet;

use super::{Facts, Finding, FindingSeverity};
use crate::config::Config;
use crate::model::{Family, Forwarding, Interface, Role, SysctlKey};

const IPV4_FORWARDING: &str = "net.ipv4.ip_forward";
const IPV6_FORWARDING: &str = "net.ipv6.conf.all.forwarding";
pub(super) const BACKUP_ONLY: &str = "net.ipv4.vs.backup_only";
const QUIESCENT: &str = "net.ipv4.vs.expire_quiescent_template";

/// The parameters that are to be looked at.
pub(super) fn keys(config: &Config, role: Role, interfaces: &[Interface]) -> BTreeSet<SysctlKey> {
    let configured = match role {
        Role::Director => &config.director.sysctls,
        Role::RealServer => &config.real_server.sysctls,
    };
    let fixed = [IPV4_FORWARDING, IPV6_FORWARDING, BACKUP_ONLY, QUIESCENT];
    let fixed = fixed.iter().filter_map(|key| key.parse().ok());
    let names = interfaces.iter().map(|i| i.name.replace('.', "/"));
    let names = names.chain(["all", "default"].map(str::to_owned));
    // A name that sysctl(8) cannot write has no key.
    let filters = names.flat_map(|name| {
        let keys = ["rp_filter", "accept_local"].map(|filter| of_interface(&name, filter));
        keys.into_iter().filter_map(|key| key.parse().ok())
    });
    configured
        .keys()
        .cloned()
        .chain(fixed)
        .chain(filters)
        .collect()
}

fn of_interface(place: &str, name: &str) -> String {
    format!("net.ipv4.conf.{place}.{name}")
}

/// A number of an interface, as sysctl(8) writes it, or of `all`; 0 where the
/// kernel has no such parameter.
pub(super) fn place_value(facts: &Facts, place: &str, name: &str) -> u32 {
    let value = value(facts, &of_interface(place, name));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The `rp_filter` that holds on an interface: the larger of `all` and its own.
pub(super) fn effective_rp_filter(facts: &Facts, interface: &str) -> u32 {
    let value = |place: &str| place_value(facts, place, "rp_filter");
    value("all").max(value(&interface.replace('.', "/")))
}

pub(super) fn value<'f>(facts: &'f Facts, key: &str) -> Option<&'f str> {
    facts.sysctls.get(&key.parse().ok()?).map(String::as_str)
}

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut findings = configured(config, facts);
    if facts.role == Role::Director {
        findings.extend(forwarding(config, facts));
        findings.extend(quiescent(config, facts));
        let both_roles = !facts.served_vips(config).is_empty();
        if value(facts, BACKUP_ONLY) == Some("1") && !both_roles {
            findings.push(Finding::warning(
                "sysctl",
                BACKUP_ONLY,
                "it is 1: while this host is the backup of IPVS's synchronization, its table \
                 forwards nothing",
                format!("sysctl -w {BACKUP_ONLY}=0"),
            ));
        }
    }
    findings
}

/// As the configuration has them; those of IPVS only where there is IPVS.
fn configured(config: &Config, facts: &Facts) -> Vec<Finding> {
    let configured = match facts.role {
        Role::Director => &config.director.sysctls,
        // Without a VIP, the agent sets none of them.
        Role::RealServer if facts.services.is_empty() => return Vec::new(),
        Role::RealServer => &config.real_server.sysctls,
    };
    let ipvs = facts.modules.loaded.contains("ip_vs");
    let shown = configured
        .iter()
        .filter(|(key, _)| ipvs || !key.as_str().starts_with("net.ipv4.vs."));
    shown
        .map(|(key, want)| {
            let want = want.split_whitespace().collect::<Vec<_>>().join(" ");
            match facts.sysctls.get(key) {
                Some(have) if *have == want => Finding::ok("sysctl", key, format!("it is {have}")),
                Some(have) if key.is_satisfied(have, &want) => Finding::ok(
                    "sysctl",
                    key,
                    format!("it is {have}, stricter than the configured {want}"),
                ),
                Some(have) => Finding::warning(
                    "sysctl",
                    key,
                    format!("it is {have}, and configured as {want}"),
                    format!("sysctl -w {key}=\"{want}\""),
                ),
                None => Finding::problem(
                    "sysctl",
                    key,
                    "this kernel does not have it",
                    "correct or remove it in the configuration",
                ),
            }
        })
        .collect()
}

/// Masquerading brings answers back through this host as a router.
fn forwarding(config: &Config, facts: &Facts) -> Vec<Finding> {
    let services = config.virtual_services.iter();
    let masquerade =
        services.filter(|service| service.forwardings(None).contains(&Forwarding::Masquerade));
    let families: BTreeSet<Family> = masquerade.map(|service| service.key.family()).collect();
    let finding = |family| {
        let key = match family {
            Family::Ipv4 => IPV4_FORWARDING,
            Family::Ipv6 => IPV6_FORWARDING,
        };
        if value(facts, key).is_some_and(|value| value != "0") {
            Finding::ok("sysctl", key, "it is on, as masquerading needs it")
        } else {
            Finding::problem(
                "sysctl",
                key,
                "it is off: answers of masqueraded real servers are dropped here",
                format!("sysctl -w {key}=1"),
            )
        }
    };
    families.into_iter().map(finding).collect()
}

fn quiescent(config: &Config, facts: &Facts) -> Option<Finding> {
    let mut services = config.virtual_services.iter();
    let persistent = services.find(|service| service.persistence.is_some())?;
    (value(facts, QUIESCENT) == Some("0")).then(|| {
        Finding::bad(
            FindingSeverity::Warning,
            "persistence",
            &persistent.name,
            format!("{QUIESCENT} is 0: known clients stay on a real server with weight 0"),
            format!("sysctl -w {QUIESCENT}=1"),
        )
    })
}

#[cfg(test)]
mod tests;
