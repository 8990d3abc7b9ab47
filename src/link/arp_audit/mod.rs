//! The ARP audit: who else on the link says that they have a VIP.
//!
//! ```text
//! link ──Heard──▶ audit (pure) ──questions──▶ link
//!                    └──conflicts──▶ record ─▶ /status, /metrics
//!                               ├──▶ thefts ─▶ health
//!                               └──▶ announcements (pure) ─▶ link
//! health ──silent──▶ attendance (pure) ──present──▶ health
//! ```
//!
//! On `director.link`, each VIP is asked for at the start and then every
//! 10 s, and about at once when a client is heard to ask for it, but no more
//! often than once a second. What others tell unasked is heard as well:
//! gratuitous announcements, and questions in the VIP's name, by which a real
//! server without `arp_announce` enters the caches of whom it asks.
//!
//! Real servers of which no probe is answered are asked for as well: one that
//! answers for its own address is there, and its application is not.
//!
//! A VIP that the agent has put on this host is announced, so that nobody goes
//! on with the MAC address of the director before; not while somebody else
//! says that they have it, and not where something else owns the VIPs.
//!
//! No question says that the director, or anybody, has the VIP: it names the
//! asker by the director's own address and MAC address, and that is true in
//! every cache that it enters. A probe in nobody's name (RFC 5227) would be taken by a host that is just testing the address for
//! another that does; and with IPv6 its answer goes to all hosts, which would
//! spread the very thing that is looked for.

mod announcements;
mod attendance;
mod audit;
mod conflict_log;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(crate) use task::{Announcing, ask, run};
use tokio::sync::watch;

use crate::config::Config;
use crate::model::MacAddress;

/// The VIPs, and the addresses of the real servers of each.
type Vips = BTreeMap<IpAddr, BTreeSet<IpAddr>>;

/// Who says that they have which VIP: with the addresses of the real servers
/// (of that VIP) that have this MAC address.
type Conflicts = BTreeMap<(IpAddr, MacAddress), BTreeSet<IpAddr>>;

/// Who has the VIPs that this host leaves to another one.
type Peers = BTreeMap<IpAddr, MacAddress>;

/// Which real servers answer no probe, for health to say, and which of them
/// are on the link all the same, for the audit to find out.
#[derive(Debug)]
pub(crate) struct Silence {
    pub(crate) silent: watch::Receiver<BTreeSet<IpAddr>>,
    pub(crate) present: watch::Sender<BTreeSet<IpAddr>>,
}

fn vips(config: &Config) -> Vips {
    let mut vips = Vips::new();
    for service in &config.virtual_services {
        if let Some(vip) = service.key.vip() {
            let real_servers = service.checked().map(|(key, _)| key.0.ip());
            vips.entry(vip).or_default().extend(real_servers);
        }
    }
    vips
}
