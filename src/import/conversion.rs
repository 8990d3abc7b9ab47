//! From drafts to virtual services of ours: the check and the way of forwarding that most real
//! servers have is the service's, and what the rules of our configuration ask for holds.

mod majority;
mod real_servers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use serde_yaml::{Mapping, Value};

use self::majority::{NONE, check, forwarding};
use self::real_servers::{KeptRealServer, unusable};
use super::check::duration;
use super::draft::{Draft, Key, Netmask, Persistence, SorryServer};
use super::names::Names;
use super::note::{Notes, SourceLocation};
use crate::config::LONGEST_TIMEOUT;
use crate::model::{Checksum, Family, Forwarding, Protocol, ServiceKey, Tunnel};

/// A virtual service as it is written.
#[derive(Debug)]
pub(super) struct Service {
    /// The index of its draft.
    pub(super) index: usize,
    pub(super) location: SourceLocation,
    pub(super) keys: Mapping,
}

/// The services; a draft of which nothing is left makes none, and a note says why.
pub(super) fn convert(drafts: Vec<Draft>, notes: &mut Notes) -> Vec<Service> {
    let vips: BTreeSet<IpAddr> = drafts.iter().flat_map(vips).collect();
    let mut converter = Converter {
        vips,
        seen: BTreeMap::new(),
        names: Names::default(),
    };
    let mut services = Vec::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        notes.set_service(Some(index));
        let location = draft.location;
        let keys = converter.service(draft, notes);
        services.extend(keys.map(|keys| Service {
            index,
            location,
            keys,
        }));
    }
    notes.set_service(None);
    services
}

fn vips(draft: &Draft) -> Vec<IpAddr> {
    match &draft.key {
        Key::Addresses { addresses, .. } => addresses.iter().map(SocketAddr::ip).collect(),
        Key::Mark { .. } => Vec::new(),
    }
}

/// What services have to know of each other.
struct Converter {
    vips: BTreeSet<IpAddr>,
    /// Where each key was seen first.
    seen: BTreeMap<ServiceKey, SourceLocation>,
    names: Names,
}

impl Converter {
    fn service(&mut self, mut draft: Draft, notes: &mut Notes) -> Option<Mapping> {
        self.distinct_key(&mut draft, notes)?;
        let forwarding = forwarding(&draft);
        let mut kept = real_servers::keep(&mut draft, &self.vips, notes);
        if kept.is_empty() {
            let text = "a virtual service without a real server is left out: add \
                        `real_servers` to import it";
            notes.add(draft.location, text);
            return None;
        }
        let check = check(&draft.key, draft.location, &mut kept, notes);
        let mut keys = Mapping::new();
        keys.insert("name".into(), self.names.of_service(&draft).into());
        write_key(&draft.key, &mut keys);
        keys.insert("scheduler".into(), draft.scheduler.as_str().into());
        write_flags(&draft, &mut keys, notes);
        write_forwarding(forwarding, &mut keys);
        if let Some(persistence) = draft.persistence.take() {
            let value = persistence_of(&draft, persistence, notes);
            keys.insert("persistence".into(), value.into());
        }
        let sorry_server = draft.sorry_server.take();
        let sorry_server = sorry_server
            .and_then(|server| self.sorry_server(&draft, &server, forwarding, &kept, notes));
        // With `none` here, no real server has a check of its own either.
        let can_fail = check.as_str() != Some(NONE);
        keys.insert("check".into(), check);
        write_quorum(&draft, &kept, &mut keys, notes);
        if let Some(on_failure) = draft.on_failure.filter(|_| can_fail) {
            keys.insert("on_failure".into(), on_failure.into());
        }
        if let Some(server) = sorry_server {
            keys.insert("sorry_server".into(), server.into());
        }
        keys.insert(
            "real_servers".into(),
            real_servers::into_list(kept, forwarding),
        );
        Some(keys)
    }

    /// Leaves the VIPs that no service before has; `None` if there are none.
    fn distinct_key(&mut self, draft: &mut Draft, notes: &mut Notes) -> Option<()> {
        let location = draft.location;
        let seen = &mut self.seen;
        let mut is_new = |key: ServiceKey, notes: &mut Notes| {
            let Some(before) = seen.get(&key) else {
                seen.insert(key, location);
                return true;
            };
            let before = notes.at(*before);
            let text = format!(
                "the virtual service {key} is left out here: {before} has it already; \
                 write all of it in one place"
            );
            notes.add(location, text);
            false
        };
        let is_persistent = draft.persistence.is_some();
        match &mut draft.key {
            Key::Mark { mark, family } => {
                let Some(mark) = NonZeroU32::new(*mark) else {
                    notes.add(
                        location,
                        "the firewall mark 0 is left out: no packet has it",
                    );
                    return None;
                };
                let family = *family;
                is_new(ServiceKey::Fwmark { mark, family }, notes).then_some(())
            }
            Key::Addresses {
                protocol,
                addresses,
            } => {
                let protocol = *protocol;
                addresses.retain(|address| {
                    let address = *address;
                    if address.port() == 0 && !is_persistent {
                        let text = format!(
                            "the virtual service of every port of {} is left out: without \
                             persistence IPVS gives it no connection",
                            address.ip()
                        );
                        notes.add(location, text);
                        return false;
                    }
                    is_new(ServiceKey::Address { protocol, address }, notes)
                });
                (!addresses.is_empty()).then_some(())
            }
        }
    }

    fn sorry_server(
        &self,
        draft: &Draft,
        server: &SorryServer,
        forwarding: Forwarding,
        kept: &[KeptRealServer],
        notes: &mut Notes,
    ) -> Option<Mapping> {
        let (location, address) = (server.location, server.address);
        let own_forwarding = server.forwarding.unwrap_or(forwarding);
        let is_real_server = kept.iter().any(|kept| kept.server.address == address);
        let reason = if is_real_server {
            Some("it is a real server of the same service".to_owned())
        } else if draft.scheduler == "dh" {
            Some("the scheduler `dh` would not find it; use `sh` or `mh`".to_owned())
        } else {
            unusable(address, draft.key.family(), own_forwarding, &self.vips)
        };
        if let Some(reason) = reason {
            notes.add(
                location,
                format!("the sorry server {address} is left out: {reason}"),
            );
            return None;
        }
        let port = server.port.filter(|port| Some(*port) != draft.key.port());
        let port = real_servers::translated(
            port,
            "the sorry server",
            address,
            draft,
            own_forwarding,
            location,
            notes,
        );
        let mut keys = Mapping::new();
        keys.insert("address".into(), address.to_string().into());
        if let Some(port) = port {
            keys.insert("port".into(), port.into());
        }
        write_own_forwarding(own_forwarding, forwarding, &mut keys);
        // The other programs do not check theirs.
        keys.insert("check".into(), NONE.into());
        Some(keys)
    }
}

fn write_key(key: &Key, keys: &mut Mapping) {
    match key {
        Key::Addresses {
            protocol,
            addresses,
        } => {
            let mut texts = addresses
                .iter()
                .map(|one| Value::from(service_address(*one)));
            if addresses.len() == 1 {
                keys.extend(texts.next().map(|text| ("address".into(), text)));
            } else {
                keys.insert("addresses".into(), texts.collect::<Vec<_>>().into());
            }
            if *protocol != Protocol::Tcp {
                keys.insert("protocol".into(), protocol.to_string().into());
            }
        }
        Key::Mark { mark, family } => {
            keys.insert("fwmark".into(), (*mark).into());
            keys.insert("family".into(), family.to_string().into());
        }
    }
}

fn write_flags(draft: &Draft, keys: &mut Mapping, notes: &mut Notes) {
    let flags = [(draft.fallback, "fallback"), (draft.by_port, "port")];
    let flags: Vec<Value> = flags
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, flag)| flag.into())
        .collect();
    if !flags.is_empty() && !["sh", "mh"].contains(&draft.scheduler.as_str()) {
        let text = format!(
            "the flags of the scheduler `{}` are left out: only `sh` and `mh` have flags",
            draft.scheduler
        );
        notes.add(draft.location, text);
    } else if !flags.is_empty() {
        keys.insert("scheduler_flags".into(), flags.into());
    }
    match draft.key.protocol() {
        Some(Protocol::Tcp | Protocol::Sctp) if draft.one_packet => {
            let text = "one-packet scheduling is left out: `one_packet` is for UDP and marks";
            notes.add(draft.location, text);
        }
        _ if draft.one_packet => {
            keys.insert("one_packet".into(), true.into());
        }
        _ => {}
    }
}

/// What a real server or sorry server has of its own where that is not its service's.
fn write_own_forwarding(own: Forwarding, of_service: Forwarding, keys: &mut Mapping) {
    if own == of_service {
        return;
    }
    write_forwarding(own, keys);
    // Without `tunnel`, the tunnel would be the service's.
    if let (Forwarding::Tunnel(Tunnel::Ipip), Forwarding::Tunnel(_)) = (own, of_service) {
        let ipip = Mapping::from_iter([("type".into(), "ipip".into())]);
        keys.insert("tunnel".into(), ipip.into());
    }
}

fn write_forwarding(forwarding: Forwarding, keys: &mut Mapping) {
    keys.insert("forwarding".into(), forwarding.to_string().into());
    let mut tunnel = Mapping::new();
    match forwarding {
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            tunnel.insert("type".into(), "gue".into());
            tunnel.insert("port".into(), port.get().into());
            tunnel.insert("checksum".into(), checksum.to_string().into());
        }
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            let checksum = if checksum {
                Checksum::Sum
            } else {
                Checksum::None
            };
            tunnel.insert("type".into(), "gre".into());
            tunnel.insert("checksum".into(), checksum.to_string().into());
        }
        Forwarding::Tunnel(Tunnel::Ipip)
        | Forwarding::Masquerade
        | Forwarding::Local
        | Forwarding::Direct => return,
    }
    keys.insert("tunnel".into(), tunnel.into());
}

/// As the configuration has it, with `*` for every port.
fn service_address(address: SocketAddr) -> String {
    let text = address.to_string();
    match text.strip_suffix(":0") {
        Some(vip) => format!("{vip}:*"),
        None => text,
    }
}

fn persistence_of(draft: &Draft, persistence: Persistence, notes: &mut Notes) -> Mapping {
    let location = draft.location;
    let mut keys = Mapping::new();
    let seconds = persistence.seconds.clamp(1, LONGEST_TIMEOUT);
    let timeout = duration(std::time::Duration::from_secs(seconds));
    if seconds != persistence.seconds {
        let text = format!(
            "a persistence of {}s is from 1s to 24days here: {timeout} is written",
            persistence.seconds
        );
        notes.add(location, text);
    }
    keys.insert("timeout".into(), timeout.into());
    let family = draft.key.family();
    let length = match (persistence.netmask, family) {
        (None, _) => None,
        (Some(Netmask::Mask(mask)), Family::Ipv4) => {
            let bits = u32::from(mask);
            let is_prefix = bits.leading_ones() == bits.count_ones();
            Some(if is_prefix { bits.leading_ones() } else { 0 })
        }
        (Some(Netmask::PrefixLength(length)), _) => Some(length.into()),
        (Some(Netmask::Mask(_)), Family::Ipv6) => Some(0),
    };
    let longest = u32::from(family.host_prefix_length());
    match length {
        Some(length) if length == longest => {}
        Some(length) if (1..longest).contains(&length) => {
            keys.insert("netmask".into(), length.into());
        }
        Some(_) => {
            let text = "the netmask of the persistence is left out, and each address is a \
                        client: it is no prefix of an address; write `netmask`, such as 24";
            notes.add(location, text);
        }
        None => {}
    }
    match persistence.engine {
        Some(engine)
            if engine == "sip"
                && matches!(draft.key.protocol(), Some(Protocol::Tcp | Protocol::Sctp)) =>
        {
            let text = "the persistence engine `sip` is left out: it reads SIP over UDP only";
            notes.add(location, text);
        }
        Some(engine) => {
            keys.insert("engine".into(), engine.into());
        }
        None => {}
    }
    keys
}

/// The quorum can be lost, and it can be reached.
fn write_quorum(draft: &Draft, kept: &[KeptRealServer], keys: &mut Mapping, notes: &mut Notes) {
    let weights = kept.iter().map(|kept| u64::from(kept.server.weight));
    let whole: u64 = weights.sum();
    let (quorum, hysteresis) = (draft.quorum.max(1), draft.hysteresis);
    if (quorum, hysteresis) == (1, 0) {
        return;
    }
    let needed = u64::from(quorum) + u64::from(hysteresis);
    if hysteresis >= quorum || needed > whole {
        let text = format!(
            "a quorum of {quorum} with a hysteresis of {hysteresis} is left out: all weights \
             together are {whole}, and the hysteresis must be less than the quorum; write \
             `quorum` and `hysteresis` that can be reached and lost"
        );
        notes.add(draft.location, text);
        return;
    }
    keys.insert("quorum".into(), quorum.into());
    if hysteresis > 0 {
        keys.insert("hysteresis".into(), hysteresis.into());
    }
}
