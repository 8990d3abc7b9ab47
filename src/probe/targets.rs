use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ProbeSpec;
use crate::config::{CheckKind, Config, Origin};
use crate::model::RealServerId;

/// A probe, and the real servers that its outcome speaks of.
#[derive(Debug, Clone)]
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
#[expect(
    clippy::mutable_key_type,
    reason = "a regular expression is ordered by its text, and only its cache changes"
)]
pub(crate) fn probe_targets(config: &Config) -> Vec<ProbeTarget> {
    /// What makes two probes one; rise and fall are no part of it.
    type Identity<'a> = (SocketAddr, &'a CheckKind, [Duration; 4], &'a Origin);

    let mut targets: BTreeMap<Identity<'_>, ProbeTarget> = BTreeMap::new();
    for (service, virtual_service) in (0..).zip(&config.virtual_services) {
        let check = &virtual_service.check;
        for (real_server, configured) in (0..).zip(&virtual_service.real_servers) {
            let own = configured.key.0;
            let target = SocketAddr::new(own.ip(), check.kind.target_port(own.port()));
            let times = [
                check.interval,
                check.fast_interval,
                check.down_interval,
                check.timeout,
            ];
            targets
                .entry((target, &check.kind, times, &check.origin))
                .or_insert_with(|| ProbeTarget {
                    spec: ProbeSpec {
                        target,
                        check: Arc::clone(check),
                        pace: Arc::default(),
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
