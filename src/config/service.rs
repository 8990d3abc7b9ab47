//! An entry of `virtual_services`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::{
    Forwarding, Persistence, RealServerKey, Scheduler, ServiceFlags, ServiceKey, Weight,
};

use super::check::{check, says_kind, via_allowed_by};
use super::fields::Fields;
use super::node::{Content, Entry, Located, Location, Node};
use super::pool::{self, PoolDraft, pool};
use super::problem::{Problems, Read};
use super::range::{Addresses, Room, real_server_name, service_name};
use super::scalar::Value;
use super::service_key::Keys;
use super::{Check, RealServer, VirtualService, ipvs};

/// A virtual service as it was read, in which some things may be missing
/// because a problem stands in their place.
pub(super) struct ServiceDraft {
    pub(super) location: Location,
    pub(super) name: Read<Located<Arc<str>>>,
    pub(super) key: Read<Located<ServiceKey>>,
    pub(super) forwarding: Read<Forwarding>,
    pub(super) scheduler: Read<Scheduler>,
    /// Where the scheduler is, if it is written.
    pub(super) scheduler_location: Option<Location>,
    pub(super) flags: Read<ServiceFlags>,
    persistence: Read<Option<Persistence>>,
    pub(super) check: Read<Check>,
    /// Where the check is, if it is written.
    pub(super) check_location: Option<Location>,
    /// Whether the file says no kind of check.
    pub(super) check_is_default: bool,
    pub(super) pool: PoolDraft,
    pub(super) real_servers: Read<Vec<Read<RealServerDraft>>>,
}

/// A real server as it was read.
#[derive(Clone)]
pub(super) struct RealServerDraft {
    pub(super) location: Location,
    pub(super) name: Read<Located<Arc<str>>>,
    pub(super) address: Read<Located<IpAddr>>,
    /// `None` for the service's.
    pub(super) port: Read<Option<Located<u16>>>,
    pub(super) weight: Read<Weight>,
    /// Upper and lower.
    thresholds: Read<(u32, u32)>,
}

/// The list `virtual_services`.
pub(super) fn services(
    fields: &Fields<'_>,
    what: &str,
    room: &mut Room,
    problems: &mut Problems,
) -> Read<Vec<Read<ServiceDraft>>> {
    let hint = "list at least one virtual service below `virtual_services:`, as in the examples";
    let entry = fields.required("virtual_services", what, hint, problems)?;
    let nodes = list(entry, hint, problems)?;
    let mut services = Vec::new();
    // One stands for all that failed, of which there may be a million.
    let mut failed = None;
    for node in nodes {
        match service(node, room, problems) {
            Ok(drafts) => services.extend(drafts.into_iter().map(Ok)),
            Err(reported) => failed = Some(Err(reported)),
        }
    }
    services.extend(failed);
    Ok(services)
}

pub(super) fn list<'n>(entry: &'n Entry, hint: &str, problems: &mut Problems) -> Read<&'n [Node]> {
    match entry.value.content() {
        Content::Sequence(nodes) if !nodes.is_empty() => Ok(nodes),
        Content::Sequence(_) | Content::Null => Err(problems.add(
            entry.key.location,
            format!("the list `{}` is empty", entry.key.value),
            hint,
        )),
        Content::Bool(_) | Content::Number(_) | Content::Text(_) | Content::Mapping(_) => {
            Err(Value::of(entry).wrong("a list", hint, problems))
        }
    }
}

/// The virtual services of one entry: one for each of its addresses.
fn service(node: &Node, room: &mut Room, problems: &mut Problems) -> Read<Vec<ServiceDraft>> {
    let what = "a virtual service";
    let keys = [
        "name",
        "address",
        "addresses",
        "fwmark",
        "family",
        "protocol",
        "scheduler",
        "scheduler_flags",
        "one_packet",
        "forwarding",
        "tunnel",
        "persistence",
        "check",
        "real_servers",
    ];
    let keys = [keys.as_slice(), &pool::KEYS].concat();
    let fields = Fields::read(node, what, &keys, problems)?;
    let name = name(&fields, what, "add a line like `name: web`", problems);
    let keys = Keys::read(&fields, problems);
    let scheduler = fields.or_default("scheduler", Scheduler::default(), |value| {
        let wanted = "the name of a scheduler, of at most 15 letters, digits, `_` or `-`";
        let hint = "write a name such as `wlc`, `wrr` or `sh`";
        let text = value.text(wanted, hint, problems)?;
        text.parse()
            .map_err(|_| value.wrong(wanted, hint, problems))
    });
    let forwarding = ipvs::forwarding(&fields, problems);
    let hint = "list at least one below `real_servers:`, \
                like `- { name: rs1, address: 192.168.11.21 }`";
    let real_servers = fields
        .required("real_servers", what, hint, problems)
        .and_then(|entry| list(entry, hint, problems))
        .map(|nodes| {
            nodes
                .iter()
                .flat_map(|node| match real_server(node, room, problems) {
                    Ok(drafts) => drafts.into_iter().map(Ok).collect(),
                    Err(reported) => vec![Err(reported)],
                })
                .collect::<Vec<_>>()
        });
    let location = fields.location;
    let several = keys.as_ref().is_ok_and(|keys| keys.several);
    let keys = match keys {
        Ok(keys) => keys.keys.into_iter().map(Ok).collect(),
        Err(reported) => vec![Err(reported)],
    };
    if let Ok(real_servers) = &real_servers {
        let more = keys
            .len()
            .saturating_sub(1)
            .saturating_mul(real_servers.len());
        room.take(more.try_into().unwrap_or(u128::MAX), location, problems)?;
    }
    let written = fields.optional("check").ok().flatten();
    let check_location = written.map(|entry| entry.key.location);
    let check_is_default = fields
        .optional("check")
        .is_ok_and(|entry| !says_kind(entry));
    let scheduler_location = fields.optional("scheduler").ok().flatten();
    let scheduler_location = scheduler_location.map(|entry| entry.value.location);
    let draft = |key: Read<Located<ServiceKey>>| {
        let name = match (&name, key.map(|key| key.value)) {
            (Ok(name), Ok(ServiceKey::Address { address, .. })) if several => {
                service_name(name, address, problems)
            }
            (name, _) => name.clone(),
        };
        let value = key.map(|key| key.value);
        let vip = value.ok().and_then(|key| key.vip());
        ServiceDraft {
            location,
            name,
            key,
            forwarding,
            flags: ipvs::flags(
                &fields,
                scheduler.as_ref().map_err(|reported| *reported),
                value,
                problems,
            ),
            persistence: ipvs::persistence(&fields, value, problems),
            check: fields.optional("check").and_then(|entry| {
                via_allowed_by(forwarding, entry, problems)?;
                check(entry, vip, problems)
            }),
            check_location,
            check_is_default,
            pool: pool(&fields, vip, forwarding, problems),
            scheduler: scheduler.clone(),
            scheduler_location,
            real_servers: real_servers.clone(),
        }
    };
    Ok(keys.into_iter().map(draft).collect())
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

/// The real servers of one entry: one for each of its addresses.
fn real_server(
    node: &Node,
    room: &mut Room,
    problems: &mut Problems,
) -> Read<Vec<RealServerDraft>> {
    let what = "a real server";
    let keys = [
        "name",
        "address",
        "port",
        "weight",
        "upper_threshold",
        "lower_threshold",
    ];
    let fields = Fields::read(node, what, &keys, problems)?;
    let name = name(&fields, what, "add a line like `name: rs1`", problems);
    let addresses = fields
        .required(
            "address",
            what,
            "add a line like `address: 192.168.11.21`",
            problems,
        )
        .and_then(|entry| {
            let value = Value::of(entry).host_addresses(problems)?;
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
    let (address, range) = match addresses {
        Ok(Located { value, location }) => match value {
            Addresses::One(value) => (Ok(Located { value, location }), None),
            Addresses::Range(range) => {
                room.take(range.count(), location, problems)?;
                let value = range.first();
                (Ok(Located { value, location }), Some((range, location)))
            }
        },
        Err(reported) => (Err(reported), None),
    };
    let one = RealServerDraft {
        location: fields.location,
        name: name.clone(),
        address,
        port,
        weight,
        thresholds: ipvs::thresholds(&fields, problems),
    };
    let Some((range, location)) = range else {
        return Ok(vec![one]);
    };
    let draft = |value| RealServerDraft {
        name: name
            .as_ref()
            .map_err(|reported| *reported)
            .and_then(|name| real_server_name(name, value, problems)),
        address: Ok(Located { value, location }),
        ..one.clone()
    };
    Ok(range.addresses().map(draft).collect())
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
        let check = Arc::new(self.check?.of_service(key));
        let pool = self.pool.finish(key, port, &check)?;
        Ok(VirtualService {
            name: self.name?.value,
            key,
            scheduler: self.scheduler?,
            flags: self.flags?,
            forwarding: self.forwarding?,
            persistence: self.persistence?,
            check,
            pool,
            real_servers: real_servers.collect::<Read<_>>()?,
        })
    }
}

impl RealServerDraft {
    fn finish(self, service_port: u16) -> Read<RealServer> {
        let port = self.port?.map_or(service_port, |port| port.value);
        let (upper_threshold, lower_threshold) = self.thresholds?;
        Ok(RealServer {
            name: self.name?.value,
            key: RealServerKey(SocketAddr::new(self.address?.value, port)),
            weight: self.weight?,
            upper_threshold,
            lower_threshold,
        })
    }
}
