//! Checks the VIPs and interfaces of a director.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Facts, Finding};
use crate::config::Config;
use crate::diagnosis::arp_conflict_fix;
use crate::model::{Family, HostAddress, LocalAddress, Role};

/// An interface that a director's configuration names, and this host has not.
#[derive(Debug, Clone, Copy)]
pub(super) struct MissingInterface<'c> {
    name: &'c str,
    /// The key that names it.
    key: &'static str,
}

impl MissingInterface<'_> {
    /// The fix.
    pub(super) fn fix(self, facts: &Facts) -> String {
        let Self { name, key } = self;
        match facts.interface_called(name) {
            Some(real) => format!("write `director.{key}: {real}` in the configuration"),
            None => format!("see `ip -brief link`, and correct `director.{key}`"),
        }
    }

    fn finding(self, facts: &Facts) -> Finding {
        let lost = match self.key {
            "interface" => "it has no VIP: clients reach nobody",
            _ => "nothing is known of the link of the clients: all weights stay as they are",
        };
        let message = match facts.interface_called(self.name) {
            Some(real) => {
                format!("it is another name of interface {real}, which the agent refuses")
            }
            None => format!("this host has no such interface, so {lost}"),
        };
        Finding::problem("interface", self.name, message, self.fix(facts))
    }
}

/// A director's interface, or its link, where this host does not have it.
pub(super) fn missing_interface<'c>(
    config: &'c Config,
    facts: &Facts,
) -> Option<MissingInterface<'c>> {
    let interface = (config.director.interface.as_deref(), "interface");
    let link = (config.director.link.as_deref(), "link");
    let mut named = [interface, link].into_iter();
    let missing = named.find_map(|(name, key)| {
        let name = name.filter(|name| !facts.has_interface(name))?;
        Some(MissingInterface { name, key })
    });
    missing.filter(|_| facts.role == Role::Director)
}

/// The VIPs of a director: on its interface, as one host's address, and on no
/// other; and nobody else on the link answers for them.
pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let services = config.virtual_services.iter();
    let vips: BTreeSet<IpAddr> = services.filter_map(|service| service.key.vip()).collect();
    let interface = config.director.interface.as_deref();
    if let Some(missing) = missing_interface(config, facts) {
        return vec![missing.finding(facts)];
    }
    let served = facts.served_vips(config);
    let mut findings = Vec::new();
    for vip in vips {
        let as_real_server = served
            .contains(&vip)
            .then_some(&*config.real_server.interface);
        let held: Vec<_> = facts
            .host
            .addresses
            .iter()
            .filter(|held| held.address == vip)
            .collect();
        findings.extend(match interface {
            Some(interface) => held_rightly(vip, &held, interface, as_real_server),
            None => vec![left_to_others(vip, &held, config, facts)],
        });
        findings.extend(claimed(vip, config, facts));
    }
    findings
}

/// A VIP that something else than the agent owns, such as keepalived's VRRP:
/// on a standby, another host has it.
fn left_to_others(vip: IpAddr, held: &[&HostAddress], config: &Config, facts: &Facts) -> Finding {
    if let [held, ..] = held {
        return Finding::ok("vip", &vip, format!("it is on {}", held.interface));
    }
    let claims = facts.claims.as_ref();
    if let Some(mac) = claims.and_then(|claims| claims.peers.get(&vip)) {
        let message = format!("another host of the link has it, {mac}: this one is the standby");
        return Finding::ok("vip", &vip, message);
    }
    let owner = "let what owns the VIPs put it on one director (with keepalived: `journalctl -u \
                 keepalived`), or set `director.interface`, and the agent does";
    let asked = claims.is_some_and(|claims| claims.error.is_none());
    match &config.director.link {
        Some(link) if asked => Finding::problem(
            "vip",
            &vip,
            format!(
                "it is on no interface of this host, and no other director answers for it on {link}"
            ),
            owner,
        ),
        Some(_) => Finding::warning("vip", &vip, "it is on no interface of this host", owner),
        None => Finding::warning(
            "vip",
            &vip,
            "it is on no interface of this host; without `director.link`, whether another \
             director has it is not known",
            format!("name the interface of the LAN in `director.link`; {owner}"),
        ),
    }
}

/// `as_real_server` is where this host has the VIP if it is a real server as well.
fn held_rightly(
    vip: IpAddr,
    held: &[&HostAddress],
    interface: &str,
    as_real_server: Option<&str>,
) -> Vec<Finding> {
    let bits = Family::from(vip).host_prefix_length();
    let (here, elsewhere): (Vec<&HostAddress>, Vec<&HostAddress>) =
        held.iter().partition(|held| held.interface == interface);
    let right = here.iter().find(|held| held.prefix_length == bits);
    let mut findings = vec![match (right, here.first()) {
        (Some(right), _) if right.host_scope => Finding::warning(
            "vip",
            &vip,
            format!("its scope on {interface} is `host`"),
            format!("ip address change {vip}/{bits} dev {interface} scope global"),
        ),
        (Some(_), _) => Finding::ok("vip", &vip, format!("it is on {interface}")),
        (None, Some(here)) => {
            let prefix = here.prefix_length;
            Finding::warning(
                "vip",
                &vip,
                format!("it is on {interface} as /{prefix}, and configured as /{bits}"),
                format!("ip address del {vip}/{prefix} dev {interface}"),
            )
        }
        (None, None) => Finding::problem(
            "vip",
            &vip,
            format!("it is not on {interface}: clients reach nobody"),
            on(vip, interface).command(),
        ),
    }];
    findings.extend(elsewhere.into_iter().map(|held| {
        let (prefix, other) = (held.prefix_length, &held.interface);
        if as_real_server == Some(other) && prefix == bits {
            let message = format!("it is on {other}, too, for this host is a real server as well");
            return Finding::ok("vip", &vip, message);
        }
        Finding::warning(
            "vip",
            &vip,
            format!("it is on {other}, too"),
            format!("ip address del {vip}/{prefix} dev {other}"),
        )
    }));
    findings
}

fn on(address: IpAddr, interface: &str) -> LocalAddress {
    LocalAddress {
        interface: interface.to_owned(),
        address,
    }
}

/// What keeps this process from asking.
fn not_asked(config: &Config, facts: &Facts) -> String {
    let Some(link) = config
        .director
        .link
        .as_ref()
        .filter(|_| facts.permissions.may_ask())
    else {
        return "run it as root".to_owned();
    };
    let mut interfaces = facts.host.interfaces.iter();
    if interfaces.any(|interface| interface.name == *link && !interface.up) {
        return format!("{link} is down: ip link set {link} up");
    }
    format!("ip -brief link show {link}")
}

fn claimed(vip: IpAddr, config: &Config, facts: &Facts) -> Vec<Finding> {
    let Some(claims) = facts
        .claims
        .as_ref()
        .filter(|claims| !claims.peers.contains_key(&vip))
    else {
        return Vec::new();
    };
    let finding =
        |message: String, fix: &str| Finding::problem("duplicate_vip", &vip, message, fix);
    let found = match (&claims.error, claims.vips.get(&vip)) {
        (Some(error), _) => {
            return vec![Finding::warning(
                "duplicate_vip",
                &vip,
                format!("nobody on the link could be asked who has it: {error}"),
                not_asked(config, facts),
            )];
        }
        (None, Some(found)) if !found.is_empty() => found,
        (None, _) => {
            let message = "nobody else on the link answers for it";
            return vec![Finding::ok("duplicate_vip", &vip, message)];
        }
    };
    found
        .iter()
        .map(|(mac, conflict)| match conflict.owner() {
            Some(owner) => finding(
                format!("{owner} answers for it on the link, as {mac}"),
                &format!("there, {}", arp_conflict_fix(vip)),
            ),
            None => finding(
                format!("{mac}, which is no real server, answers for it on the link"),
                "find the host with this MAC address, and take the VIP away there",
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests;
