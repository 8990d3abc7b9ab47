//! The real servers that a service of ours can have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_yaml::{Mapping, Value};

use crate::config::of_no_host;
use crate::import::conversion::write_own_forwarding;
use crate::import::draft::{Draft, RealServer};
use crate::import::names::Names;
use crate::import::note::{Notes, SourceLocation};
use crate::model::{Family, Forwarding};

/// A real server that stays.
pub(super) struct KeptRealServer {
    pub(super) server: RealServer,
    /// The port that is written: one that is not the service's.
    port: Option<u16>,
    /// The port that a check asks by default; `None` where there is none.
    pub(super) own_port: Option<u16>,
    /// The check that is written; `None` for the service's.
    pub(super) own_check: Option<Value>,
}

/// Takes the real servers of a draft.
pub(super) fn keep(
    draft: &mut Draft,
    vips: &BTreeSet<IpAddr>,
    notes: &mut Notes,
) -> Vec<KeptRealServer> {
    let mut seen: BTreeMap<(IpAddr, Option<u16>), SourceLocation> = BTreeMap::new();
    let mut kept = Vec::new();
    let common = draft.key.port();
    for mut server in std::mem::take(&mut draft.real_servers) {
        let (location, address, forwarding) = (server.location, server.address, server.forwarding);
        let reason = unusable(address, draft.key.family(), forwarding, vips);
        if let Some(reason) = reason {
            notes.add(
                location,
                format!("the real server {address} is left out: {reason}"),
            );
            continue;
        }
        let port = server.port.filter(|port| Some(*port) != common);
        let port = translated(
            port,
            "the real server",
            address,
            draft,
            forwarding,
            location,
            notes,
        );
        let own_port = port.or(common);
        if let Some(before) = seen.insert((address, own_port), location) {
            let before = notes.at(before);
            let text = format!(
                "the real server {address} is left out here: the service has it already, \
                 from {before}"
            );
            notes.add(location, text);
            continue;
        }
        if server.lower_threshold > server.upper_threshold {
            let text = format!(
                "the lower threshold {} of the real server {address} is left out: it is above \
                 the upper one, {}",
                server.lower_threshold, server.upper_threshold
            );
            notes.add(location, text);
            server.lower_threshold = 0;
        }
        kept.push(KeptRealServer {
            server,
            port,
            own_port,
            own_check: None,
        });
    }
    kept
}

/// The port, where packets can be sent to another one than they came to.
pub(super) fn translated(
    port: Option<u16>,
    what: &str,
    address: IpAddr,
    draft: &Draft,
    forwarding: Forwarding,
    location: SourceLocation,
    notes: &mut Notes,
) -> Option<u16> {
    let port = port.filter(|port| *port != 0)?;
    if forwarding.translates_ports() {
        return Some(port);
    }
    // Several VIPs with a port each, and a mark, have none in common.
    let own = draft.key.port().map_or_else(
        || "the port that clients use".to_owned(),
        |port| format!("port {port}"),
    );
    let text = format!(
        "the port {port} of {what} {address} is left out: with `forwarding: {forwarding}` \
         packets arrive at {own} in any case"
    );
    notes.add(location, text);
    None
}

/// Why a host with this address cannot serve; `None` if it can.
pub(super) fn unusable(
    address: IpAddr,
    family: Family,
    forwarding: Forwarding,
    vips: &BTreeSet<IpAddr>,
) -> Option<String> {
    if let Some((kind, hint)) = of_no_host(address) {
        return Some(format!("it is {kind}; {hint}"));
    }
    if vips.contains(&address) {
        let text = "its address is a VIP of this file; write the address that the host has \
                    for itself";
        return Some(text.to_owned());
    }
    let own = Family::from(address);
    (own != family && !forwarding.crosses_families()).then(|| {
        format!(
            "it is of {own} and its virtual service of {family}, which only \
             `forwarding: tunnel` connects"
        )
    })
}

/// The list `real_servers` of a service with this forwarding.
pub(super) fn into_list(kept: Vec<KeptRealServer>, of_service: Forwarding) -> Value {
    let mut names = Names::default();
    let servers = kept.into_iter().map(
        |KeptRealServer {
             server,
             port,
             own_port,
             own_check,
         }| {
            let name = names.of_real_server(server.address, own_port);
            let mut keys = Mapping::new();
            keys.insert("name".into(), name.into());
            keys.insert("address".into(), server.address.to_string().into());
            if let Some(port) = port {
                keys.insert("port".into(), port.into());
            }
            write_own_forwarding(server.forwarding, of_service, &mut keys);
            if let Some(check) = own_check {
                keys.insert("check".into(), check);
            }
            keys.insert("weight".into(), server.weight.into());
            for (key, connections) in [
                ("upper_threshold", server.upper_threshold),
                ("lower_threshold", server.lower_threshold),
            ] {
                if connections > 0 {
                    keys.insert(key.into(), connections.into());
                }
            }
            Value::Mapping(keys)
        },
    );
    Value::Sequence(servers.collect())
}
