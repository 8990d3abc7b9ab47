//! An entry of `virtual_services`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::model::{Family, Forwarding, Protocol, RealServerKey, Scheduler, ServiceKey, Weight};

use super::check::check;
use super::fields::Fields;
use super::node::{Content, Entry, Located, Location, Node};
use super::pool::{self, PoolDraft, pool};
use super::problem::{Problems, Read};
use super::scalar::Value;
use super::{Check, RealServer, VirtualService};

/// A virtual service as it was read, in which some things may be missing
/// because a problem stands in their place.
pub(super) struct ServiceDraft {
    pub(super) location: Location,
    pub(super) name: Read<Located<Arc<str>>>,
    pub(super) key: Read<Located<ServiceKey>>,
    pub(super) forwarding: Read<Forwarding>,
    pub(super) scheduler: Read<Scheduler>,
    check: Read<Check>,
    pub(super) pool: PoolDraft,
    pub(super) real_servers: Read<Vec<Read<RealServerDraft>>>,
}

/// A real server as it was read.
pub(super) struct RealServerDraft {
    pub(super) location: Location,
    pub(super) name: Read<Located<Arc<str>>>,
    pub(super) address: Read<Located<IpAddr>>,
    /// `None` for the service's.
    pub(super) port: Read<Option<Located<u16>>>,
    pub(super) weight: Read<Weight>,
}

/// The list `virtual_services`.
pub(super) fn services(
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> Read<Vec<Read<ServiceDraft>>> {
    let hint = "list at least one virtual service below `virtual_services:`, as in the examples";
    let entry = fields.required("virtual_services", "the configuration", hint, problems)?;
    let nodes = list(entry, hint, problems)?;
    Ok(nodes.iter().map(|node| service(node, problems)).collect())
}

fn list<'n>(entry: &'n Entry, hint: &str, problems: &mut Problems) -> Read<&'n [Node]> {
    match &entry.value.content {
        Content::Sequence(nodes) if !nodes.is_empty() => Ok(nodes),
        Content::Sequence(_) | Content::Null => Err(problems.add(
            entry.key.location,
            format!("the list `{}` is empty", entry.key.value),
            hint,
        )),
        Content::Bool(_)
        | Content::Integer(_)
        | Content::Float(_)
        | Content::Text(_)
        | Content::Mapping(_) => Err(Value::of(entry).wrong("a list", hint, problems)),
    }
}

fn service(node: &Node, problems: &mut Problems) -> Read<ServiceDraft> {
    let what = "a virtual service";
    let keys = [
        "name",
        "address",
        "fwmark",
        "family",
        "protocol",
        "scheduler",
        "forwarding",
        "check",
        "real_servers",
    ];
    let keys = [keys.as_slice(), &pool::KEYS].concat();
    let fields = Fields::read(node, what, &keys, problems)?;
    let name = name(&fields, what, "add a line like `name: web`", problems);
    let key = key(&fields, problems);
    let scheduler = fields.or_default("scheduler", Scheduler::default(), |value| {
        let wanted = "the name of a scheduler, of at most 15 letters, digits, `_` or `-`";
        let hint = "write a name such as `wlc`, `wrr` or `sh`";
        let text = value.text(wanted, hint, problems)?;
        text.parse()
            .map_err(|_| value.wrong(wanted, hint, problems))
    });
    let forwarding = fields.or_default("forwarding", Forwarding::Direct, |value| {
        let words = [
            Forwarding::Direct,
            Forwarding::Masquerade,
            Forwarding::Tunnel,
        ]
        .map(|forwarding| (forwarding_word(forwarding), forwarding));
        let hint = "direct is VS/DR, masquerade is VS/NAT, tunnel is VS/TUN";
        value.choice(&words, hint, problems)
    });
    let vip = key
        .ok()
        .and_then(|key: Located<ServiceKey>| key.value.vip());
    let check = fields
        .optional("check")
        .and_then(|entry| check(entry, vip, problems));
    let pool = pool(&fields, vip, problems);
    let hint = "list at least one below `real_servers:`, \
                like `- { name: rs1, address: 192.168.11.21 }`";
    let real_servers = fields
        .required("real_servers", what, hint, problems)
        .and_then(|entry| list(entry, hint, problems))
        .map(|nodes| {
            nodes
                .iter()
                .map(|node| real_server(node, problems))
                .collect()
        });
    Ok(ServiceDraft {
        location: fields.location,
        name,
        key,
        forwarding,
        scheduler,
        check,
        pool,
        real_servers,
    })
}

const fn forwarding_word(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Direct => "direct",
        Forwarding::Masquerade => "masquerade",
        Forwarding::Tunnel => "tunnel",
        Forwarding::Local => "local",
    }
}

fn name(
    fields: &Fields<'_>,
    what: &str,
    hint: &str,
    problems: &mut Problems,
) -> Read<Located<Arc<str>>> {
    let entry = fields.required("name", what, hint, problems)?;
    let value = Value::of(entry).name(problems)?;
    let location = entry.value.location;
    Ok(Located { value, location })
}

/// Address or firewall mark, and what goes with each.
fn key(fields: &Fields<'_>, problems: &mut Problems) -> Read<Located<ServiceKey>> {
    let address = fields.optional("address")?;
    let fwmark = fields.optional("fwmark")?;
    let stray = |key, goes_with: &str, reason: &str, problems: &mut Problems| {
        if let Some(entry) = fields.optional(key)? {
            let message = format!("`{key}` goes with `{goes_with}` only: {reason}");
            problems.add(entry.key.location, message, format!("remove `{key}`"));
        }
        Ok(())
    };
    match (address, fwmark) {
        (Some(_), Some(fwmark)) => Err(problems.add(
            fwmark.key.location,
            "a virtual service has either `address` or `fwmark`, and this one has both",
            "remove one of the two",
        )),
        (None, None) => Err(problems.add(
            fields.location,
            "a virtual service has no `address`",
            "add a line like `address: 192.168.11.200:80`, or `fwmark` and `family`",
        )),
        (Some(entry), None) => {
            let reason = "an address has its own";
            let family = stray("family", "fwmark", reason, problems);
            let protocol = fields.or_default("protocol", Protocol::Tcp, |value| {
                let words = [
                    ("tcp", Protocol::Tcp),
                    ("udp", Protocol::Udp),
                    ("sctp", Protocol::Sctp),
                ];
                value.choice(&words, "write it like `protocol: tcp`", problems)
            });
            let address = Value::of(entry).service_address(problems)?;
            family?;
            let protocol = protocol?;
            Ok(Located {
                value: ServiceKey::Address { protocol, address },
                location: entry.value.location,
            })
        }
        (None, Some(entry)) => {
            let reason = "a firewall mark takes in every protocol";
            let protocol = stray("protocol", "address", reason, problems);
            let family = fields.optional("family").and_then(|family| {
                let words = [("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)];
                let hint = "write it like `family: ipv4`";
                match family {
                    Some(entry) => Value::of(entry).choice(&words, hint, problems),
                    None => Err(problems.add(
                        entry.key.location,
                        "`fwmark` needs `family` beside it",
                        "add a line `family: ipv4` or `family: ipv6`",
                    )),
                }
            });
            let mark = Value::of(entry).integer(1..=u32::MAX, "10", problems)?;
            protocol?;
            let family = family?;
            let mark = NonZeroU32::new(mark).unwrap_or(NonZeroU32::MIN);
            Ok(Located {
                value: ServiceKey::Fwmark { mark, family },
                location: entry.value.location,
            })
        }
    }
}

fn real_server(node: &Node, problems: &mut Problems) -> Read<RealServerDraft> {
    let what = "a real server";
    let fields = Fields::read(node, what, &["name", "address", "port", "weight"], problems)?;
    let name = name(&fields, what, "add a line like `name: rs1`", problems);
    let address = fields
        .required(
            "address",
            what,
            "add a line like `address: 192.168.11.21`",
            problems,
        )
        .and_then(|entry| {
            let value = Value::of(entry).host_address(problems)?;
            let location = entry.value.location;
            Ok(Located { value, location })
        });
    let port = fields.or_default("port", None, |value| {
        let location = value.node.location;
        let value = value.integer(1..=u16::MAX, "80", problems)?;
        Ok(Some(Located { value, location }))
    });
    let weight = fields.or_default("weight", Weight::ONE, |value| {
        let weight = value.integer(0..=Weight::MAX.get(), "1", problems)?;
        Ok(Weight::new(weight).unwrap_or(Weight::MAX))
    });
    Ok(RealServerDraft {
        location: fields.location,
        name,
        address,
        port,
        weight,
    })
}

impl ServiceDraft {
    /// The service, if nothing of it is missing.
    pub(super) fn finish(self) -> Read<VirtualService> {
        let key = self.key?.value;
        let port = match key {
            ServiceKey::Address { address, .. } => address.port(),
            ServiceKey::Fwmark { .. } => 0,
        };
        let real_servers = self
            .real_servers?
            .into_iter()
            .map(|real_server| real_server.and_then(|real_server| real_server.finish(port)));
        let check = Arc::new(self.check?);
        let pool = self.pool.finish(port, &check)?;
        Ok(VirtualService {
            name: self.name?.value,
            key,
            scheduler: self.scheduler?,
            forwarding: self.forwarding?,
            check,
            pool,
            real_servers: real_servers.collect::<Read<_>>()?,
        })
    }
}

impl RealServerDraft {
    fn finish(self, service_port: u16) -> Read<RealServer> {
        let port = self.port?.map_or(service_port, |port| port.value);
        Ok(RealServer {
            name: self.name?.value,
            key: RealServerKey(SocketAddr::new(self.address?.value, port)),
            weight: self.weight?,
        })
    }
}
