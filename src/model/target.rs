//! The real servers that a command names.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::name::{LONGEST_NAME, is_name_byte, resembling};
use super::{ParseError, RealServerKey, ServiceKey};

/// Real servers of virtual services: `web` and `web/*` for all of one service, `web/rs1` for one,
/// `*/rs1` for that one in every service, and `192.168.11.21` or `192.168.11.21:80` for those that
/// have the address themselves or as the VIP of their service.
///
/// A text that is an address is never a name, though the configuration has services and real
/// servers of such names: these are written `192.168.11.200/*` and `*/192.168.11.21`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Target {
    /// As it was written.
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Service(String),
    RealServer {
        service: String,
        real_server: String,
    },
    InEveryService(String),
    Address {
        ip: IpAddr,
        port: Option<u16>,
    },
}

/// A real server of a virtual service, by all that a target may call it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) service: &'a str,
    /// `None` of a service by firewall mark.
    pub(crate) service_address: Option<SocketAddr>,
    pub(crate) real_server: &'a str,
    /// `None` where an agent of another version wrote what is no address.
    pub(crate) address: Option<SocketAddr>,
}

/// A target that no real server matches.
#[derive(Debug, Error)]
#[error("{what}{}", did_you_mean(.suggestion.as_deref()))]
pub(crate) struct UnknownTarget {
    what: String,
    suggestion: Option<String>,
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |meant| format!(", did you mean `{meant}`?"))
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(
        service: (&'a str, ServiceKey),
        real_server: (&'a str, RealServerKey),
    ) -> Self {
        Self {
            service: service.0,
            service_address: service.1.address(),
            real_server: real_server.0,
            address: Some(real_server.1.0),
        }
    }

    /// The VIP and the real server's own.
    fn addresses(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        self.service_address.into_iter().chain(self.address)
    }
}

impl Target {
    /// Whether the real server is meant.
    pub(crate) fn matches(&self, candidate: &Candidate<'_>) -> bool {
        match &self.kind {
            Kind::Service(service) => service == candidate.service,
            Kind::RealServer {
                service,
                real_server,
            } => service == candidate.service && real_server == candidate.real_server,
            Kind::InEveryService(real_server) => real_server == candidate.real_server,
            Kind::Address { ip, port } => candidate.addresses().any(|address| {
                address.ip() == *ip && port.is_none_or(|port| address.port() == port)
            }),
        }
    }

    /// Whether a real server of the virtual service may be meant: for the search in many.
    pub(crate) fn may_be_in(&self, service: &str) -> bool {
        match &self.kind {
            Kind::Service(name) | Kind::RealServer { service: name, .. } => name == service,
            Kind::InEveryService(_) | Kind::Address { .. } => true,
        }
    }

    /// The error of a target that matches none of these, with what was probably meant.
    pub(crate) fn unknown<'a>(
        &self,
        known: impl Iterator<Item = Candidate<'a>> + Clone,
    ) -> UnknownTarget {
        let what = match &self.kind {
            Kind::Service(service) => format!("no virtual service is called `{service}`"),
            Kind::RealServer { .. } | Kind::InEveryService(_) => {
                format!("no real server is called `{self}`")
            }
            Kind::Address { .. } => {
                format!("no virtual service and no real server has the address `{self}`")
            }
        };
        UnknownTarget {
            what,
            suggestion: self.suggest(known),
        }
    }

    /// The target that was probably meant by one that matches none of these.
    fn suggest<'a>(&self, known: impl Iterator<Item = Candidate<'a>> + Clone) -> Option<String> {
        let services = || known.clone().map(|one| one.service).collect();
        match &self.kind {
            Kind::Service(name) => {
                if known.clone().any(|one| one.real_server == name) {
                    return Some(format!("*/{name}"));
                }
                let services: BTreeSet<_> = services();
                resembling(name, services).map(str::to_owned)
            }
            Kind::RealServer {
                service,
                real_server,
            } => {
                let services: BTreeSet<_> = services();
                let service = match services.get(service.as_str()) {
                    Some(service) => service,
                    None => resembling(service, services)?,
                };
                let own = known.filter(|one| one.service == service);
                let own: BTreeSet<_> = own.map(|one| one.real_server).collect();
                resembling(real_server, own).map(|meant| format!("{service}/{meant}"))
            }
            Kind::InEveryService(real_server) => {
                let names: BTreeSet<_> = known.map(|one| one.real_server).collect();
                resembling(real_server, names).map(|meant| format!("*/{meant}"))
            }
            Kind::Address { ip, port } => {
                if known.clone().any(|one| one.service == self.text) {
                    return Some(format!("{self}/*"));
                }
                let same_host = |one: Candidate<'a>| one.addresses().find(|at| at.ip() == *ip);
                if let Some(address) = known.clone().find_map(same_host) {
                    return Some(address.to_string());
                }
                let addresses = known.flat_map(|one| one.addresses());
                let texts: BTreeSet<_> = addresses
                    .map(|address| match port {
                        Some(_) => address.to_string(),
                        None => address.ip().to_string(),
                    })
                    .collect();
                resembling(&self.text, texts.iter().map(String::as_str)).map(str::to_owned)
            }
        }
    }
}

impl TryFrom<String> for Target {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.text
    }
}

impl FromStr for Target {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let kind = address(text).or_else(|| names(text)).ok_or_else(|| {
            ParseError::new(
                text,
                "a target: a virtual service, `web` or `web/*`, a real server, `web/rs1` or \
                 `*/rs1`, or an address, `192.168.11.21` or `192.168.11.21:80`",
            )
        })?;
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }
}

fn address(text: &str) -> Option<Kind> {
    // The parser would read the number of an interface, which no configured address has.
    if text.contains('%') {
        return None;
    }
    // As the configuration writes every port.
    let every_port = text.strip_suffix(":*").map(|vip| format!("{vip}:0"));
    if let Ok(address) = every_port.as_deref().unwrap_or(text).parse::<SocketAddr>() {
        let (ip, port) = (address.ip(), Some(address.port()));
        return Some(Kind::Address { ip, port });
    }
    let bracketed = text.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
    let ip = match bracketed {
        Some(ip) => IpAddr::V6(ip.parse().ok()?),
        None => text.parse().ok()?,
    };
    Some(Kind::Address { ip, port: None })
}

fn names(text: &str) -> Option<Kind> {
    let Some((service, real_server)) = text.split_once('/') else {
        return Some(Kind::Service(name(text)?));
    };
    Some(match (service, real_server) {
        ("*", real_server) => Kind::InEveryService(name(real_server)?),
        (service, "*") => Kind::Service(name(service)?),
        (service, real_server) => Kind::RealServer {
            service: name(service)?,
            real_server: name(real_server)?,
        },
    })
}

fn name(text: &str) -> Option<String> {
    let is_name = (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_name_byte);
    is_name.then(|| text.to_owned())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
