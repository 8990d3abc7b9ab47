//! Checks tunnels: the size of packets on the director, the interfaces that unpack them
//! on a real server.

mod end;

use std::collections::BTreeSet;
use std::net::IpAddr;

use end::End;

use super::parameters::effective_rp_filter;
use super::{Facts, Finding};
use crate::config::{Config, VirtualService};
use crate::model::{Checksum, Family, Forwarding, Tunnel};

/// What a client's packet is at most, where this host does not tell: Ethernet's.
const USUAL_MTU: u32 = 1500;

/// The path to each real server behind a tunnel takes the clients' packets and
/// the tunnel's own header.
pub(super) fn examine_director(config: &Config, facts: &Facts) -> Vec<Finding> {
    let incoming = config.director.link.as_ref().and_then(|name| {
        let mut interfaces = facts.host.interfaces.iter();
        interfaces.find(|i| i.name == *name).map(|i| i.mtu)
    });
    let incoming = incoming.unwrap_or(USUAL_MTU);
    let mut paths = BTreeSet::new();
    for service in &config.virtual_services {
        for member in service.members() {
            if let Forwarding::Tunnel(tunnel) = member.forwarding {
                paths.insert((member.address(), tunnel, service.key.family()));
            }
        }
    }
    let finding = |(to, tunnel, inner)| match facts.routes.get(&to)? {
        Err(why) => Some(Finding::problem(
            "tunnel",
            &to,
            why,
            format!("ip route get {to}"),
        )),
        Ok(route) => {
            let mut interfaces = facts.host.interfaces.iter();
            let interface = interfaces.find(|i| i.index == route.interface);
            let mtu = route.mtu.or(interface.map(|i| i.mtu))?;
            Some(fits(to, mtu, incoming, overhead(tunnel, to.into()), inner))
        }
    };
    paths.into_iter().filter_map(finding).collect()
}

fn fits(to: IpAddr, mtu: u32, incoming: u32, overhead: u32, inner: Family) -> Finding {
    let room = mtu.saturating_sub(overhead);
    if room >= incoming {
        let message = format!("packets of {incoming} bytes fit: {mtu} less {overhead}");
        return Finding::ok("tunnel", &to, message);
    }
    // The headers of IP and TCP without options (RFC 879, RFC 8200).
    let headers = match inner {
        Family::Ipv4 => 40,
        Family::Ipv6 => 60,
    };
    let segment = room.saturating_sub(headers);
    Finding::warning(
        "tunnel",
        &to,
        format!(
            "packets of clients have up to {incoming} bytes, and {room} fit into the tunnel \
             ({mtu} less {overhead}): larger ones wait for path MTU discovery, which firewalls \
             often break"
        ),
        format!("on {to}: ip route change default via GATEWAY advmss {segment}"),
    )
}

/// The bytes before the client's packet: the outer IP header, and what
/// `net/netfilter/ipvs/ip_vs_xmit.c` puts behind it (UDP 8, GUE 4 and its
/// option 4; GRE 4, its checksum 4).
const fn overhead(tunnel: Tunnel, outer: Family) -> u32 {
    let outer = match outer {
        Family::Ipv4 => 20,
        Family::Ipv6 => 40,
    };
    outer
        + match tunnel {
            Tunnel::Ipip => 0,
            Tunnel::Gue {
                checksum: Checksum::Remote,
                ..
            } => 20,
            Tunnel::Gue { .. } => 12,
            Tunnel::Gre { checksum: true } => 8,
            Tunnel::Gre { checksum: false } => 4,
        }
}

/// Who unpacks on a real server, and lets the packets in.
pub(super) fn examine_real_server(config: &Config, facts: &Facts) -> Vec<Finding> {
    let served = facts.services.iter().flat_map(|readiness| {
        let mut services = config.virtual_services.iter();
        let service = services.find(|service| service.key == readiness.service.key());
        let found = service.map(|service| unpacked(config, service, readiness.service.own, facts));
        found.unwrap_or_default()
    });
    served.collect()
}

fn unpacked(
    config: &Config,
    service: &VirtualService,
    own: Option<IpAddr>,
    facts: &Facts,
) -> Vec<Finding> {
    let (name, inner) = (&service.name, service.key.family());
    // Without an address of its own there, it is as the others are.
    let members = service.members();
    let members = members.filter(|member| own.is_none_or(|own| member.address() == own));
    let tunnels: BTreeSet<(Tunnel, Family)> = members
        .filter_map(|member| match member.forwarding {
            Forwarding::Tunnel(tunnel) => Some((tunnel, member.address().into())),
            Forwarding::Masquerade | Forwarding::Local | Forwarding::Direct => None,
        })
        .collect();
    if tunnels.is_empty() {
        return Vec::new();
    }
    let ends = tunnels
        .into_iter()
        .map(|(tunnel, outer)| End::new(tunnel, inner, outer));
    let ends: Vec<_> = ends.collect();
    let findings = facts.host.interfaces.iter().filter_map(|interface| {
        let end = ends.iter().find(|end| end.is(interface))?;
        let interface = &interface.name;
        // 1 asks that the client be reached through the tunnel, too. IPv6 has
        // no such filter.
        let filters = inner == Family::Ipv4 && effective_rp_filter(facts, interface) == 1;
        Some(if filters {
            Finding::problem(
                "tunnel",
                name,
                format!("rp_filter is 1 on {interface}: what is unpacked there is dropped"),
                end::unfilter(interface),
            )
        } else {
            Finding::ok("tunnel", name, end.found(interface))
        })
    });
    let findings: Vec<_> = findings.collect();
    if findings.is_empty() {
        // A new interface begins with what `default` has, or the interface of
        // the module has it already.
        let filtered = inner == Family::Ipv4
            && (effective_rp_filter(facts, "default") == 1
                || config.real_server.sysctls.iter().any(|(key, value)| {
                    key.as_str() == "net.ipv4.conf.default.rp_filter" && value == "1"
                }));
        let fixes: Vec<_> = ends.iter().map(|end| end.fix(own, filtered)).collect();
        return vec![Finding::problem(
            "tunnel",
            name,
            "no interface that unpacks its tunnel is up: what the director sends is lost",
            fixes.join("; or "),
        )];
    }
    findings
}

#[cfg(test)]
mod tests;
