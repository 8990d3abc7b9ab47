use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Facts, Finding, both_roles};
use crate::arp_audit::mend;
use crate::config::Config;
use crate::model::{Family, HostAddress, LocalAddress};
use crate::snapshot::Mode;

/// What mends a [`missing_interface`], without which a director has no VIPs.
pub(super) const CORRECT_INTERFACE: &str = "see `ip -brief link`, and correct `director.interface`";

/// A director's interface, where this host does not have it.
pub(super) fn missing_interface<'c>(config: &'c Config, facts: &Facts) -> Option<&'c str> {
    let interface = config.director.interface.as_deref();
    let interface = interface.filter(|name| !facts.has_interface(name));
    interface.filter(|_| facts.mode == Mode::Director)
}

/// The VIPs of a director: on its interface, as one host's address, and on no
/// other; and nobody else on the link answers for them.
pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let services = config.virtual_services.iter();
    let vips: BTreeSet<IpAddr> = services.filter_map(|service| service.key.vip()).collect();
    let interface = config.director.interface.as_deref();
    if let Some(missing) = missing_interface(config, facts) {
        return vec![Finding::problem(
            "interface",
            missing,
            "this host has no such interface, so it has no VIP: clients reach nobody",
            CORRECT_INTERFACE,
        )];
    }
    let served = both_roles::served_vips(config, facts);
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
        findings.extend(held_rightly(vip, &held, interface, as_real_server));
        findings.extend(claimed(vip, facts));
    }
    findings
}

/// `as_real_server` is where this host has the VIP if it is a real server as well.
fn held_rightly(
    vip: IpAddr,
    held: &[&HostAddress],
    interface: Option<&str>,
    as_real_server: Option<&str>,
) -> Vec<Finding> {
    let bits = Family::from(vip).host_prefix_length();
    let Some(interface) = interface else {
        return vec![match held {
            [] => Finding::warning(
                "vip",
                &vip,
                "it is on no interface of this host: `director.interface` leaves that to \
                 something else",
                on(vip, "INTERFACE").command(),
            ),
            [held, ..] => Finding::ok("vip", &vip, format!("it is on {}", held.interface)),
        }];
    };
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

fn claimed(vip: IpAddr, facts: &Facts) -> Vec<Finding> {
    let Some(claims) = &facts.claims else {
        return Vec::new();
    };
    let finding =
        |message: String, mend: &str| Finding::problem("duplicate_vip", &vip, message, mend);
    let found = match (&claims.error, claims.vips.get(&vip)) {
        (Some(error), _) => {
            return vec![Finding::warning(
                "duplicate_vip",
                &vip,
                format!("nobody on the link could be asked who has it: {error}"),
                "run it as root",
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
                &format!("there, {}", mend(vip)),
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
