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
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod record;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(crate) use record::{ArpRecord, ConflictRecord};
pub(crate) use task::{Announcing, ask, run};
use tokio::sync::watch;

use crate::config::Config;
use crate::model::{Family, LocalAddress, MacAddress};

/// The VIPs, and the addresses of the real servers of each.
type Vips = BTreeMap<IpAddr, BTreeSet<IpAddr>>;

/// Who says that they have which VIP: with the addresses of the real servers
/// (of that VIP) that have this MAC address.
type Conflicts = BTreeMap<(IpAddr, MacAddress), BTreeSet<IpAddr>>;

/// Who has the VIPs that this host leaves to another one.
type Peers = BTreeMap<IpAddr, MacAddress>;

/// Which VIPs are now claimed by which real servers: pairs of VIP and RIP.
pub(crate) type Thefts = BTreeSet<(IpAddr, IpAddr)>;

/// Which real servers answer no probe, for health to say, and which of them
/// are on the link all the same, for the audit to find out.
#[derive(Debug)]
pub(crate) struct Silence {
    pub(crate) silent: watch::Receiver<BTreeSet<IpAddr>>,
    pub(crate) present: watch::Sender<BTreeSet<IpAddr>>,
}

/// What has to be done on a thief's host. IPv6 has no parameters like those of
/// ARP, and needs none: a host answers for the addresses of the interface that
/// is asked (`ndisc_recv_ns` in `net/ipv6/ndisc.c`), so the VIP is on that.
pub(crate) fn mend(vip: IpAddr) -> String {
    let on_lo = LocalAddress {
        interface: "lo".to_owned(),
        address: vip,
    };
    let place = format!(
        "keep the VIP on lo alone: `ip -o address show to {vip}` shows where it is, `ip address \
         del {vip}/{} dev INTERFACE` takes it off another, `{}` puts it on lo",
        Family::from(vip).host_prefix_length(),
        on_lo.command(),
    );
    match vip {
        IpAddr::V4(_) => format!(
            "{place}; and keep it silent there: `sysctl -w net.ipv4.conf.all.arp_ignore=1 \
             net.ipv4.conf.all.arp_announce=2`, as `lvs-agent run --real-server` does"
        ),
        IpAddr::V6(_) => place,
    }
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
