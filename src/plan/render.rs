//! Steps as text.

use std::fmt;
use std::net::Ipv4Addr;

use super::Step;
use crate::model::{Destination, Forwarding, Persistence, Service};

/// One line without its end: `+` for what is added, `~` for what is changed
/// (only the properties that differ), `-` for what is removed.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetSysctl {
                key,
                from: Some(from),
                to,
            } => {
                write!(f, "~ sysctl {key}: {from} -> {to}")
            }
            Self::SetSysctl {
                key,
                from: None,
                to,
            } => write!(
                f,
                "+ sysctl {key}: {to} (this kernel has no such parameter)"
            ),
            Self::RestoreSysctl { key, from, to } => {
                write!(f, "~ sysctl {key}: {from} -> {to} (as before the agent)")
            }
            Self::SetTimeout {
                timeout,
                from: Some(from),
                to,
            } => write!(f, "~ time-out {timeout}: {from}s -> {to}s"),
            Self::SetTimeout {
                timeout,
                from: None,
                to,
            } => write!(f, "+ time-out {timeout}: {to}s"),
            Self::RestoreTimeout { timeout, from, to } => {
                write!(
                    f,
                    "~ time-out {timeout}: {from}s -> {to}s (as before the agent)"
                )
            }
            Self::AddService { key, service } => {
                write!(f, "+ virtual service {key}")?;
                service_properties(service)
                    .try_for_each(|(name, value)| write!(f, " {name} {value}"))
            }
            Self::SetService { key, from, to } => {
                write!(f, "~ virtual service {key}:")?;
                changes(f, service_properties(from), service_properties(to))
            }
            Self::RemoveService { key } => write!(f, "- virtual service {key}"),
            Self::AddDestination {
                service,
                key,
                destination,
            } => {
                write!(f, "+ real server {key} of {service}")?;
                destination_properties(destination)
                    .try_for_each(|(name, value)| write!(f, " {name} {value}"))
            }
            Self::SetDestination {
                service,
                key,
                from,
                to,
            } => {
                write!(f, "~ real server {key} of {service}:")?;
                changes(f, destination_properties(from), destination_properties(to))
            }
            Self::RemoveDestination { service, key } => {
                write!(f, "- real server {key} of {service}")
            }
            Self::AddAddress(address) => write!(f, "+ address {address}"),
            Self::RemoveAddress(address) => write!(f, "- address {address}"),
        }
    }
}

type Property = (&'static str, String);

fn service_properties(service: &Service) -> impl Iterator<Item = Property> {
    let Service {
        scheduler,
        flags,
        persistence,
    } = service;
    let mut properties = vec![("scheduler", scheduler.to_string())];
    if flags.bits() != 0 {
        properties.push(("flags", flags.to_string()));
    }
    if let Some(Persistence {
        timeout_seconds,
        netmask,
        engine,
    }) = persistence
    {
        properties.push(("persistence", format!("{timeout_seconds}s")));
        properties.push(("netmask", mask(*netmask)));
        properties.extend(engine.clone().map(|engine| ("engine", engine)));
    }
    properties.into_iter()
}

/// A prefix length of IPv6 as it is, and a mask of IPv4 with dots: no mask
/// that the kernel takes is as small as a prefix length.
fn mask(netmask: u32) -> String {
    if netmask <= 128 {
        netmask.to_string()
    } else {
        Ipv4Addr::from(netmask).to_string()
    }
}

fn destination_properties(destination: &Destination) -> impl Iterator<Item = Property> {
    let Destination {
        forwarding,
        weight,
        upper_threshold,
        lower_threshold,
    } = destination;
    let mut properties = vec![
        ("forwarding", forwarding.to_string()),
        ("weight", weight.to_string()),
    ];
    if let Forwarding::Tunnel(tunnel) = forwarding {
        properties.insert(1, ("tunnel", tunnel.to_string()));
    }
    if (*upper_threshold, *lower_threshold) != (0, 0) {
        properties.push(("upper threshold", upper_threshold.to_string()));
        properties.push(("lower threshold", lower_threshold.to_string()));
    }
    properties.into_iter()
}

fn changes(
    f: &mut fmt::Formatter<'_>,
    from: impl Iterator<Item = Property>,
    to: impl Iterator<Item = Property>,
) -> fmt::Result {
    let from: Vec<_> = from.collect();
    let to: Vec<_> = to.collect();
    let none = "none".to_owned();
    let value = |properties: &[Property], name: &str| {
        properties
            .iter()
            .find(|(n, _)| *n == name)
            .map_or_else(|| none.clone(), |(_, v)| v.clone())
    };
    let mut names: Vec<_> = to.iter().map(|(name, _)| *name).collect();
    names.extend(
        from.iter()
            .map(|(name, _)| *name)
            .filter(|name| value(&to, name) == none),
    );
    let differing = names
        .into_iter()
        .filter(|name| value(&from, name) != value(&to, name));
    let texts: Vec<_> = differing
        .map(|name| format!(" {name} {} -> {}", value(&from, name), value(&to, name)))
        .collect();
    f.write_str(&texts.join(","))
}
