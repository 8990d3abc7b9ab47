//! Whether a host keeps silent about its VIPs: what `arp_ignore` and
//! `arp_announce` of ip-sysctl (`Documentation/networking/ip-sysctl.rst`) and
//! `net/ipv4/arp.c` make of their values.

use std::net::IpAddr;

use super::{HostFacts, ReadinessIssue};
use crate::model::{Family, HostAddress};

/// What holds on one interface: of `all` and the interface's own value the
/// larger (`IN_DEV_MAXCONF` of `linux/inetdevice.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ArpValues {
    pub(crate) ignore: u32,
    pub(crate) announce: u32,
}

impl ArpValues {
    /// Whether a request that comes in on another interface than the address
    /// is on stays without an answer. With 3 that is so for addresses of the
    /// scope `host` alone; 4 to 7 mean nothing, and so 0.
    pub(crate) const fn ignores(self, host_scope: bool) -> bool {
        match self.ignore {
            1 | 2 | 8 => true,
            3 => host_scope,
            _ => false,
        }
    }

    /// Whether this host never names the VIP as its own when it asks for
    /// others: with 1 it does where the VIP is of the LAN's network, and
    /// above 2 is as 0.
    pub(crate) const fn is_discreet(self) -> bool {
        self.announce == 2
    }
}

/// How this host would answer for the VIP on its LAN.
///
/// IPv6 needs no parameter: an interface answers for its own addresses alone
/// (`ndisc_recv_ns` in `net/ipv6/ndisc.c`).
pub(super) fn issues(facts: &HostFacts, vip: IpAddr) -> Vec<ReadinessIssue> {
    let asked = facts.interfaces.iter().filter(|i| i.is_asked());
    let asked: Vec<_> = asked.map(|interface| interface.name.as_str()).collect();
    let held = || facts.addresses.iter().filter(|held| held.address == vip);
    // A director answers for its VIP, and has it on the LAN.
    let directed = facts.directed.contains(&vip);
    let exposed = held().filter(|held| !directed && asked.contains(&held.interface.as_str()));
    let mut issues: Vec<_> = exposed
        .map(|held| ReadinessIssue::OnLan {
            vip,
            prefix_length: held.prefix_length,
            interface: held.interface.clone(),
        })
        .collect();
    issues.extend(wide_prefix(facts, vip));
    if vip.is_ipv6() {
        return issues;
    }
    let host_scope = held().count() > 0 && held().all(|held| held.host_scope);
    for (interface, values) in &facts.arp {
        let interface = || interface.clone();
        if !values.ignores(host_scope) {
            issues.push(ReadinessIssue::ArpIgnore {
                interface: interface(),
                value: values.ignore,
            });
        }
        if !values.is_discreet() {
            issues.push(ReadinessIssue::ArpAnnounce {
                interface: interface(),
                value: values.announce,
            });
        }
    }
    issues
}

/// On lo, the kernel takes the whole network of an address for its own: then
/// no packet leaves to the hosts of the LAN that it contains.
fn wide_prefix(facts: &HostFacts, vip: IpAddr) -> Option<ReadinessIssue> {
    let mut held = facts.addresses.iter().filter(|held| held.address == vip);
    let loopback = |name: &str| {
        let mut interfaces = facts.interfaces.iter();
        interfaces.any(|interface| interface.loopback && interface.name == name)
    };
    let of_lan = |network: &HostAddress| {
        let mut others = facts.addresses.iter();
        others.any(|other| !loopback(&other.interface) && network.contains(other.address))
    };
    let wide = held.find(|held| {
        let bits = Family::from(vip).host_prefix_length();
        held.prefix_length < bits && loopback(&held.interface) && of_lan(held)
    })?;
    Some(ReadinessIssue::WidePrefix {
        vip,
        prefix_length: wide.prefix_length,
        interface: wide.interface.clone(),
    })
}

#[cfg(test)]
mod tests;
