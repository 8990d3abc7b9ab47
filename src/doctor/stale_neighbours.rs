//! Neighbours on the director's link that send what is for a VIP elsewhere:
//! their caches have the MAC address of a director before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::{Facts, Finding};
use crate::config::{Check, CheckKind, Config, Origin, Via, VirtualService};
use crate::kernel::{KernelError, Neighbours};
use crate::model::{HostAddress, MacAddress};
use crate::probe::Prober;

/// Neighbours that are asked for each VIP; a router is among the first that a
/// host talks to, and one of them tells as much as all.
const NEIGHBOURS: usize = 16;

/// For one answer of a host on the same link.
const PATIENCE: Duration = Duration::from_millis(500);

/// The neighbours that answer to this host's own address and not to the VIP.
pub(super) type Stale = BTreeSet<(IpAddr, IpAddr)>;

/// Asks the neighbours that the kernel knows by ICMP echo, from an own address
/// and from each VIP that this host has.
pub(super) async fn ask(config: &Config, held: &[HostAddress]) -> Result<Stale, KernelError> {
    let known = Neighbours::new().list().await?;
    let pairs = pairs(config, held, &known);
    let prober = Prober::new();
    let asked = stream::iter(pairs).map(async |(vip, neighbour)| {
        let answers = async |source| {
            let outcome = prober
                .probe(SocketAddr::new(neighbour, 0), &echo(source))
                .await;
            outcome.result.evidence()
        };
        // Of one that does not answer, or cannot be asked, nothing is known.
        let stale = answers(None).await == Some(true) && answers(Some(vip)).await == Some(false);
        stale.then_some((vip, neighbour))
    });
    let asked: Vec<_> = asked.buffer_unordered(NEIGHBOURS).collect().await;
    Ok(asked.into_iter().flatten().collect())
}

/// Which neighbours are asked for which VIPs: those of the link's own networks
/// that hold no VIP themselves, as real servers do.
fn pairs(
    config: &Config,
    held: &[HostAddress],
    known: &BTreeMap<IpAddr, MacAddress>,
) -> Vec<(IpAddr, IpAddr)> {
    let services = || config.virtual_services.iter();
    let vips: BTreeSet<_> = services().filter_map(|service| service.key.vip()).collect();
    let real_servers = services().flat_map(VirtualService::members);
    let real_servers: BTreeSet<_> = real_servers.map(|member| member.address()).collect();
    let link = config.director.link.as_deref();
    let on_link: Vec<_> = held
        .iter()
        .filter(|held| Some(&*held.interface) == link)
        .collect();
    let vips = on_link
        .iter()
        .map(|held| held.address)
        .filter(|vip| vips.contains(vip));
    let neighbours = known.keys().filter(|neighbour| {
        !real_servers.contains(neighbour) && on_link.iter().any(|held| held.contains(**neighbour))
    });
    let neighbours: Vec<_> = neighbours.copied().collect();
    let pairs = vips.flat_map(|vip| {
        let same_family = neighbours
            .iter()
            .filter(move |n| n.is_ipv4() == vip.is_ipv4());
        same_family
            .take(NEIGHBOURS)
            .map(move |neighbour| (vip, *neighbour))
    });
    pairs.collect()
}

fn echo(source: Option<IpAddr>) -> Check {
    Check {
        kind: CheckKind::Ping,
        via: Via::RealServer,
        interval: PATIENCE,
        fast_interval: PATIENCE,
        down_interval: PATIENCE,
        timeout: PATIENCE,
        rise: NonZeroU16::MIN,
        fall: NonZeroU16::MIN,
        watch: false,
        origin: Origin {
            source,
            interface: None,
        },
    }
}

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let link = config.director.link.as_deref().unwrap_or("INTERFACE");
    let finding = |(vip, neighbour): &(IpAddr, IpAddr)| {
        let message = format!(
            "{neighbour} answers to this host's own address and not to the VIP: it likely has \
             another MAC address for the VIP, of a director before"
        );
        let announce = if config.director.interface.is_some() {
            "the agent announces the VIP when it starts: systemctl restart lvs-agent-director"
        } else {
            "let what owns the VIPs announce them again"
        };
        let fix = format!("{announce}; or there: ip neigh del {vip} dev INTERFACE");
        Finding::warning("stale_neighbour", &format!("{vip} on {link}"), message, fix)
    };
    facts.stale_neighbours.iter().map(finding).collect()
}

#[cfg(test)]
mod tests;
