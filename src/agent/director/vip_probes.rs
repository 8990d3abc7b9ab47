//! The start of what probes through VIPs need: paths with source ports, and canaries.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use crate::agent::tasks::spawn_named;
use crate::config::Config;
use crate::kernel::{IpvsReader, TableKind};
use crate::model::Timeout;
use crate::probe::vip_path::{self, CanaryTarget, MarkRegistry, Ports, VipPaths};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;

/// What the kernel starts with (`net.ipv4.ip_local_port_range`, ip(7)).
const LOCAL_PORTS: (u16, u16) = (32_768, 60_999);

/// How long IPVS keeps an established connection without a packet, unless told
/// otherwise (`tcp_timeouts` in `net/netfilter/ipvs/ip_vs_proto_tcp.c`).
const ESTABLISHED: Duration = Duration::from_mins(15);

/// Sends the first canaries, and starts the task that sends the others. The returned
/// sender gives that task the targets of further configurations.
pub(super) async fn start(
    tasks: &mut JoinSet<&'static str>,
    config: &Config,
    registry: Arc<MarkRegistry>,
    table: TableKind,
) -> (Arc<VipPaths>, watch::Sender<Vec<CanaryTarget>>) {
    let paths = Arc::new(vip_paths(config, registry, table));
    let targets = vip_path::canary_targets(config);
    paths.send_canaries(&targets).await;
    let (to_canary, watched) = watch::channel(targets);
    let canary = vip_path::watch(Arc::clone(&paths), watched);
    spawn_named(tasks, "canary", canary);
    (paths, to_canary)
}

/// The paths through VIPs, with the source ports that this host has for them.
fn vip_paths(config: &Config, registry: Arc<MarkRegistry>, table: TableKind) -> VipPaths {
    let known = IpvsReader::new().local_ports().unwrap_or_else(|error| {
        let error = error_chain(&error);
        warn!(
            error,
            "probes through VIPs use the ports that Linux starts with"
        );
        None
    });
    let (first, last) = known.unwrap_or(LOCAL_PORTS);
    let established = config.director.timeouts.get(&Timeout::Tcp).copied();
    let established = established.map_or(ESTABLISHED, |seconds| {
        ESTABLISHED.max(Duration::from_secs(seconds.into()))
    });
    // Another start of the agent is to begin elsewhere than the one before.
    let since_epoch = clock::wall().duration_since(SystemTime::UNIX_EPOCH);
    let seed = since_epoch.map_or(0, |time| time.subsec_nanos());
    let ports = Ports::new(first..=last, established, seed);
    VipPaths::new(registry, ports, table)
}
