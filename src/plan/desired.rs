//! The desired state, from the configuration and the weights that health wants. Pure.

mod dependence;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::config::{Config, ServiceMember, VirtualService};
use crate::model::{
    Destination, Family, Forwarding, LocalAddress, RealServerKey, Service, ServiceFlags,
    ServiceKey, SysctlKey, Weight,
};
use crate::plan::probe_marks::Marks;
use crate::plan::{ServiceState, State};

pub(crate) use dependence::{unneeded_by_director, unneeded_by_real_server};

/// The desired state of a director, the services of `marks` included. `weight`
/// returns the weight of a real server from its keys and its configured weight.
pub(crate) fn director(
    config: &Config,
    marks: &Marks,
    weight: impl Fn(&ServiceKey, &RealServerKey, Weight) -> Weight,
) -> State {
    let services = config.virtual_services.iter();
    let services = services
        .map(|service| (service.key, service_state(service, &weight)))
        .chain(marks.services())
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
        sysctls: director_sysctls(config),
        timeouts: config.director.timeouts.clone(),
    }
}

/// The configured parameters, and `accept_local` for probes through VIPs: the
/// answers come from the VIP, which this host has as well, and the kernel
/// accepts such packets only with that parameter (`__fib_validate_source` in
/// `net/ipv4/fib_frontend.c`). IPv6 has no such rule.
fn director_sysctls(config: &Config) -> BTreeMap<SysctlKey, String> {
    let mut sysctls = normal(&config.director.sysctls);
    if config.virtual_services.iter().any(through_vip)
        && let Some(key) = accept_local(config.director.link.as_deref())
    {
        sysctls.entry(key).or_insert_with(|| "1".to_owned());
    }
    sysctls
}

/// Whether probes lead through an IPv4 VIP of this service.
fn through_vip(service: &VirtualService) -> bool {
    service.key.family() == Family::Ipv4
        && service
            .members()
            .any(|member| member.check.via.through_vip())
}

/// The parameter of this interface, or of all where none is named. As in
/// sysctl(8), `/` stands for a `.` in an interface's name.
pub(crate) fn accept_local(interface: Option<&str>) -> Option<SysctlKey> {
    let interface = interface.unwrap_or("all").replace('.', "/");
    format!("net.ipv4.conf.{interface}.accept_local")
        .parse()
        .ok()
}

fn service_state(
    service: &VirtualService,
    weight: impl Fn(&ServiceKey, &RealServerKey, Weight) -> Weight,
) -> ServiceState {
    let destination = |member: ServiceMember<'_>, configured, thresholds| {
        let (upper_threshold, lower_threshold) = thresholds;
        let destination = Destination {
            forwarding: member.forwarding,
            weight: weight(&service.key, &member.key, configured),
            upper_threshold,
            lower_threshold,
        };
        (member.key, destination)
    };
    let real_servers = service.real_servers.iter().map(|real_server| {
        let thresholds = (real_server.upper_threshold, real_server.lower_threshold);
        let member = service.member(real_server);
        destination(member, real_server.weight, thresholds)
    });
    let sorry_server = service.sorry_member();
    let sorry_server = sorry_server.map(|member| destination(member, Weight::ONE, (0, 0)));
    let destinations = real_servers.chain(sorry_server).collect();
    ServiceState {
        service: Service {
            scheduler: service.scheduler.clone(),
            flags: flags(service),
            persistence: service.persistence.clone(),
        },
        destinations,
    }
}

/// The sorry server is always in the table, with weight 0 while it does not
/// serve, so that its established connections continue. `sh` and `mh` would drop
/// a share of the connections for each weight of 0; their fallback flag gives
/// that share to real servers that serve.
pub(crate) fn flags(service: &VirtualService) -> ServiceFlags {
    if service.pool.sorry_server.is_some() && service.scheduler.hashes() {
        service.flags.union(ServiceFlags::FALLBACK)
    } else {
        service.flags
    }
}

/// Whether the clients whose hash leads to a real server of weight 0 are refused.
pub(crate) fn refuses_clients(service: &VirtualService) -> bool {
    service.scheduler.refuses_without_fallback() && !flags(service).contains(ServiceFlags::FALLBACK)
}

/// The desired state of a real server: the VIPs and, as long as there is a VIP, the
/// sysctls that prevent ARP answers for the VIPs.
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

/// The VIPs that a host with these addresses serves: the configured VIPs, else those
/// of every service that lists one of its addresses as a real server or sorry
/// server that is not masqueraded. A masqueraded real server needs no VIP, and a loopback address belongs
/// to the host and is never added or removed as a VIP.
pub(crate) fn vips(config: &Config, host: &BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
    if let Some(vips) = &config.real_server.vips {
        return vips.iter().copied().collect();
    }
    let listed = |service: &&VirtualService| {
        let members = service.members();
        let mut named = members.filter(|member| member.forwarding != Forwarding::Masquerade);
        named.any(|member| host.contains(&member.address()))
    };
    let services = config.virtual_services.iter().filter(listed);
    services
        .filter_map(|service| service.key.vip())
        .filter(|vip| !vip.is_loopback())
        .collect()
}

/// The same. A host that has none of the configured addresses at this moment
/// (because its interface is down, for example) keeps its `owned` VIPs that the
/// configuration still has.
pub(crate) fn vips_with_memory(
    config: &Config,
    host: &BTreeSet<IpAddr>,
    owned: impl Iterator<Item = IpAddr>,
) -> BTreeSet<IpAddr> {
    let vips = vips(config, host);
    if !vips.is_empty() {
        return vips;
    }
    let services = config.virtual_services.iter();
    let configured: BTreeSet<IpAddr> = services.filter_map(|service| service.key.vip()).collect();
    owned.filter(|owned| configured.contains(owned)).collect()
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
