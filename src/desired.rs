//! From the configuration and the verdicts to what the kernel should hold. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::config::{Config, RealServer, VirtualService};
use crate::model::{
    Destination, Forwarding, LocalAddress, RealServerKey, Service, ServiceKey, SysctlKey, Weight,
};
use crate::plan::{ServiceState, State};

/// What a director's kernel should hold, where `weight` tells each real
/// server's weight from its key and its configured weight.
pub(crate) fn director(
    config: &Config,
    weight: impl Fn(&ServiceKey, &RealServerKey, Weight) -> Weight,
) -> State {
    let services = config.virtual_services.iter();
    let services = services
        .map(|service| (service.key, service_state(service, &weight)))
        .collect();
    let vips = config
        .virtual_services
        .iter()
        .filter_map(|service| service.key.vip());
    let addresses = match &config.director.interface {
        Some(interface) => on(interface, vips),
        None => BTreeSet::new(),
    };
    State {
        services,
        addresses,
        sysctls: normal(&config.director.sysctls),
        timeouts: config.director.timeouts.clone(),
    }
}

fn service_state(
    service: &VirtualService,
    weight: impl Fn(&ServiceKey, &RealServerKey, Weight) -> Weight,
) -> ServiceState {
    let destination = |real_server: &RealServer| Destination {
        forwarding: service.forwarding,
        weight: weight(&service.key, &real_server.key, real_server.weight),
        upper_threshold: real_server.upper_threshold,
        lower_threshold: real_server.lower_threshold,
    };
    let destinations = service
        .real_servers
        .iter()
        .map(|real_server| (real_server.key, destination(real_server)))
        .collect();
    ServiceState {
        service: Service {
            scheduler: service.scheduler.clone(),
            flags: service.flags,
            persistence: service.persistence.clone(),
        },
        destinations,
    }
}

/// What a real server's kernel should hold: the VIPs and, as long as there is
/// one, the sysctls that keep it from answering ARP for them.
pub(crate) fn real_server(config: &Config, vips: &BTreeSet<IpAddr>) -> State {
    let role = &config.real_server;
    let sysctls = if vips.is_empty() {
        BTreeMap::new()
    } else {
        normal(&role.sysctls)
    };
    State {
        addresses: on(&role.interface, vips.iter().copied()),
        sysctls,
        ..State::default()
    }
}

/// As the kernel writes them: one space between the fields of a value.
fn normal(sysctls: &BTreeMap<SysctlKey, String>) -> BTreeMap<SysctlKey, String> {
    let value = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
    sysctls
        .iter()
        .map(|(key, text)| (key.clone(), value(text)))
        .collect()
}

/// The VIPs that a host with these addresses serves: those configured for it,
/// else those of every service that lists one of its addresses. Masquerading
/// names no VIP to the real server, which then needs none.
pub(crate) fn vips(config: &Config, host: &BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
    if let Some(vips) = &config.real_server.vips {
        return vips.iter().copied().collect();
    }
    let listed = |service: &&VirtualService| {
        let named = service.forwarding != Forwarding::Masquerade;
        let mut real_servers = service.real_servers.iter();
        named && real_servers.any(|real_server| host.contains(&real_server.key.0.ip()))
    };
    let services = config.virtual_services.iter().filter(listed);
    services.filter_map(|service| service.key.vip()).collect()
}

fn on(interface: &str, vips: impl Iterator<Item = IpAddr>) -> BTreeSet<LocalAddress> {
    vips.map(|address| LocalAddress {
        interface: interface.to_owned(),
        address,
    })
    .collect()
}

#[cfg(test)]
mod tests;
