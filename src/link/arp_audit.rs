//! The ARP audit: which other hosts of the link claim a VIP.
//!
//! ```text
//! link ──NeighbourMessage──▶ audit (pure) ──questions──▶ link
//!                    └──conflicts──▶ record ─▶ /status, /metrics
//!                               ├──▶ conflicting ─▶ health
//!                               └──▶ announcements (pure) ─▶ link
//! health ──unresponsive──▶ host_presence (pure) ──present──▶ health
//! ```
//!
//! On `director.link`, the audit asks for each VIP at the start and then every
//! 10 s, and about at once when a client asks for the VIP, but no more than
//! once a second. Unsolicited messages count as well: gratuitous announcements,
//! and questions in the name of the VIP, by which a real server without
//! `arp_announce` enters the caches of the hosts that it asks.
//!
//! The audit asks for real servers that answer no probe as well: a real server
//! that answers for its own address is present, and only its application fails.
//!
//! A VIP that the agent has put on this host is announced, so that no host
//! keeps the MAC address of the director before. A VIP is not announced while
//! another host claims it, and not where another program owns the VIPs.
//!
//! No question claims the VIP for any host: the question names the asker by the
//! director's own address and MAC address, which is true in every cache. A
//! question without a sender (RFC 5227) would look like a second test to a host
//! that is testing the address; and with IPv6 the answer goes to all hosts, which
//! would spread the wrong entry.

mod announcements;
mod audit;
mod conflict_log;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod host_presence;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

pub(crate) use task::{Announcing, ask, run};
use tokio::sync::watch;

use crate::config::{Config, SorryServer};
use crate::model::MacAddress;

/// The VIPs, and the addresses of the real servers of each.
type Vips = BTreeMap<IpAddr, BTreeSet<IpAddr>>;

/// The claims of VIPs by MAC address, with the addresses of the real servers (of
/// that VIP) that have this MAC address.
type Conflicts = BTreeMap<(IpAddr, MacAddress), BTreeSet<IpAddr>>;

/// The holders of the VIPs that this host leaves to another host.
type Peers = BTreeMap<IpAddr, MacAddress>;

/// The real servers that answer no probe, as health reports, and those of them
/// that are present on the link, as the audit finds.
#[derive(Debug)]
pub(crate) struct HostPresenceChannels {
    pub(crate) unresponsive: watch::Receiver<BTreeSet<IpAddr>>,
    pub(crate) present: watch::Sender<BTreeSet<IpAddr>>,
}

fn vips(config: &Config) -> Vips {
    let mut vips = Vips::new();
    for service in &config.virtual_services {
        if let Some(vip) = service.key.vip() {
            let real_servers = service.members().map(|member| member.address());
            vips.entry(vip).or_default().extend(real_servers);
        }
    }
    vips
}

/// The name of the real server or sorry server of a VIP with this address.
fn name_of(config: &Config, vip: IpAddr, address: IpAddr) -> Option<Arc<str>> {
    let services = config.virtual_services.iter();
    let mut services = services.filter(|service| service.key.vip() == Some(vip));
    services.find_map(|service| {
        let mut real_servers = service.real_servers.iter();
        let real_server = real_servers.find(|one| one.key.0.ip() == address);
        let sorry_server = service.pool.sorry_server.as_ref();
        let is_sorry_server = sorry_server.is_some_and(|one| one.key.0.ip() == address);
        real_server
            .map(|one| Arc::clone(&one.name))
            .or_else(|| is_sorry_server.then(|| SorryServer::NAME.into()))
    })
}
