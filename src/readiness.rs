//! Whether a real server can serve through its VIPs: the facts about the host,
//! and the issues that they show. Pure.

mod arp;
mod issue;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(crate) use arp::ArpValues;
pub(crate) use issue::{ReadinessIssue, host_prefix_command};

use crate::config::{Config, VirtualService};
use crate::model::{Forwarding, HostAddress, Interface, Listener, Protocol, ServiceKey};

/// A virtual service that this host is a real server of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedService {
    pub(crate) name: Arc<str>,
    pub(crate) protocol: Protocol,
    /// VIP and port.
    pub(crate) address: SocketAddr,
    /// This host's own address in the service, where it lists one.
    pub(crate) own: Option<IpAddr>,
}

impl ServedService {
    /// What the service is known by.
    pub(crate) fn key(&self) -> ServiceKey {
        ServiceKey::Address {
            protocol: self.protocol,
            address: self.address,
        }
    }
}

/// The services of a host with these addresses that clients reach by one of
/// `vips`: those that list one of its addresses, and those of a VIP that it
/// was told to hold where none of them does.
///
/// Masquerading names no VIP to the real server, nor does a firewall mark.
pub(crate) fn served(
    config: &Config,
    addresses: &BTreeSet<IpAddr>,
    vips: &BTreeSet<IpAddr>,
) -> Vec<ServedService> {
    let of_vip = config.virtual_services.iter().filter_map(|service| {
        let ServiceKey::Address { protocol, address } = service.key else {
            return None;
        };
        let own = own_address(service, addresses);
        let is_masqueraded = |forwarding: &Forwarding| *forwarding == Forwarding::Masquerade;
        let named =
            vips.contains(&address.ip()) && !service.forwardings(own).iter().all(is_masqueraded);
        let served = ServedService {
            name: Arc::clone(&service.name),
            protocol,
            address,
            own,
        };
        named.then_some(served)
    });
    let of_vip: Vec<_> = of_vip.collect();
    let listing = of_vip.iter().filter(|served| served.own.is_some());
    let listing: BTreeSet<_> = listing.map(|served| served.address.ip()).collect();
    let of_vip = of_vip.into_iter();
    of_vip
        .filter(|served| served.own.is_some() || !listing.contains(&served.address.ip()))
        .collect()
}

fn own_address(service: &VirtualService, addresses: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let members = service.members();
    let own = members.filter(|member| addresses.contains(&member.address()));
    // Where the host is masqueraded as well, the address by which it needs the VIP counts.
    let own = own.min_by_key(|member| member.forwarding == Forwarding::Masquerade);
    own.map(|member| member.address())
}

/// How a connection from this host's own address to VIP and port went.
///
/// The self-test proves that the VIP is this host's own, that whoever listens there
/// accepts, and that no firewall refuses what comes in over lo. It does not
/// prove that a firewall lets the same in from the LAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelfTest {
    /// Why it failed; `None` if it passed.
    pub(crate) failure: Option<String>,
}

/// The facts about a host, read from its kernel.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostFacts {
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) addresses: Vec<HostAddress>,
    /// By the names of the interfaces that are asked for addresses.
    pub(crate) arp: BTreeMap<String, ArpValues>,
    /// `None` where the kernel cannot say.
    pub(crate) listeners: BTreeMap<Protocol, Option<Vec<Listener>>>,
    /// The VIPs of which this host is the director as well: the table has
    /// their services.
    pub(crate) directed: BTreeSet<IpAddr>,
    /// Of those services of which one could be made.
    pub(crate) self_tests: BTreeMap<ServiceKey, SelfTest>,
}

/// Whether one service can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceReadiness {
    pub(crate) service: ServedService,
    /// Whether the VIP is on an interface of this host.
    pub(crate) vip_configured: bool,
    /// Whether something listens on VIP and port; `None` if the kernel cannot say.
    pub(crate) listening: Option<bool>,
    /// `None` where none could be made: UDP, SCTP, or nothing listens.
    pub(crate) self_test: Option<SelfTest>,
    /// The issues; empty if the service is ready.
    pub(crate) issues: Vec<ReadinessIssue>,
}

impl ServiceReadiness {
    pub(crate) fn ready(&self) -> bool {
        self.issues.is_empty()
    }
}

impl HostFacts {
    /// Whether the VIP is on an interface of this host.
    pub(crate) fn has(&self, vip: IpAddr) -> bool {
        self.addresses.iter().any(|held| held.address == vip)
    }

    /// Whether a VIP is on that interface as the director's, for the LAN.
    pub(crate) fn is_directed_on(&self, vip: IpAddr, interface: &str) -> bool {
        let mut interfaces = self.interfaces.iter();
        self.directed.contains(&vip)
            && interfaces.any(|found| found.name == interface && found.is_asked())
    }

    /// Whether something takes packets to VIP and port that come in from
    /// clients; `None` if the kernel cannot say.
    pub(crate) fn listening(&self, protocol: Protocol, address: SocketAddr) -> Option<bool> {
        let listeners = self.listeners.get(&protocol)?.as_ref()?;
        let mut of_port = listeners.iter().filter(|l| l.is_of_port(address.port()));
        Some(of_port.any(|l| l.takes(address.ip()) && self.is_open_to_clients(l)))
    }

    /// Whether it is bound to no interface, or to one other than lo.
    fn is_open_to_clients(&self, listener: &Listener) -> bool {
        let bound = |index| self.interfaces.iter().find(|i| i.index == index);
        let bound = listener.interface.and_then(bound);
        bound.is_none_or(|interface| !interface.loopback)
    }

    /// The readiness of a service; `interface` is the configured one of VIPs.
    pub(crate) fn judge(&self, service: ServedService, interface: &str) -> ServiceReadiness {
        let vip = service.address.ip();
        let vip_configured = self.has(vip);
        let mut issues = Vec::new();
        if !vip_configured {
            let interface = interface.to_owned();
            issues.push(ReadinessIssue::Vip { vip, interface });
        }
        issues.extend(arp::issues(self, vip));
        let listening = self.listening(service.protocol, service.address);
        let (protocol, address) = (service.protocol, service.address);
        match listening {
            Some(true) => {}
            Some(false) => issues.push(ReadinessIssue::Listener {
                protocol,
                address,
                elsewhere: self.elsewhere(protocol, address),
            }),
            None => issues.push(ReadinessIssue::ListenersUnknown { protocol }),
        }
        let self_test = self.self_tests.get(&service.key()).cloned();
        if let Some(failure) = self_test.as_ref().and_then(|test| test.failure.clone()) {
            issues.push(ReadinessIssue::SelfTest { address, failure });
        }
        ServiceReadiness {
            service,
            vip_configured,
            listening,
            self_test,
            issues,
        }
    }

    /// The addresses on which that port is listened on, other than the VIP.
    fn elsewhere(&self, protocol: Protocol, address: SocketAddr) -> BTreeSet<IpAddr> {
        let listeners = self.listeners.get(&protocol).cloned().flatten();
        let listeners = listeners.unwrap_or_default().into_iter();
        let of_port = listeners.filter(|listener| listener.is_of_port(address.port()));
        of_port.map(|listener| listener.address).collect()
    }
}

#[cfg(test)]
mod tests;
