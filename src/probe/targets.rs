use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ProbeSpec;
use crate::config::{Config, HttpCheck};
use crate::model::RealServerId;

/// A probe, and the real servers that its outcome speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeTarget {
    /// What is probed.
    pub(crate) spec: ProbeSpec,
    /// Sorted, not empty. Each counts its rise and fall by itself.
    pub(crate) subscribers: Vec<RealServerId>,
}

/// The probes that a configuration asks for: a real server that several
/// virtual services check in the same way is probed once for all of them.
///
/// Sorted by target, so that the same configuration always gives the same list.
pub(crate) fn probe_targets(config: &Config) -> Vec<ProbeTarget> {
    /// What makes two probes one; rise and fall are no part of it.
    type Identity<'a> = (SocketAddr, &'a HttpCheck, Duration, Duration);

    let mut targets: BTreeMap<Identity<'_>, ProbeTarget> = BTreeMap::new();
    for (service, virtual_service) in (0..).zip(&config.virtual_services) {
        let real_servers = virtual_service.real_servers.iter();
        let real_servers =
            real_servers.map(|real_server| (real_server.key, &virtual_service.check));
        // The sorry server's place is after the last, as `Snapshot::records` has it.
        let sorry_server = virtual_service.pool.sorry_server.iter();
        let sorry_server = sorry_server.map(|sorry_server| (sorry_server.key, &sorry_server.check));
        for (real_server, (key, check)) in (0..).zip(real_servers.chain(sorry_server)) {
            let target = SocketAddr::new(key.0.ip(), check.http.port);
            targets
                .entry((target, &check.http, check.interval, check.timeout))
                .or_insert_with(|| ProbeTarget {
                    spec: ProbeSpec {
                        target,
                        check: Arc::clone(check),
                    },
                    subscribers: Vec::new(),
                })
                .subscribers
                .push(RealServerId {
                    service,
                    real_server,
                });
        }
    }
    targets.into_values().collect()
}

#[cfg(test)]
mod tests;
