//! The distinct probes of a configuration, and the real servers of each. Pure.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{ProbeSpec, Route};
use crate::config::{Check, CheckKind, Config, Origin, Via};
use crate::model::RealServerId;

/// A probe, and the real servers that its outcome speaks of.
#[derive(Debug, Clone)]
pub(crate) struct ProbeTarget {
    /// What is probed.
    pub(crate) spec: Arc<ProbeSpec>,
    /// Sorted, not empty. Each counts its rise and fall by itself.
    pub(crate) subscribers: Vec<RealServerId>,
}

/// What makes two probes one: rise and fall are no part of it, for each
/// real server counts by itself.
#[derive(Debug, Clone)]
pub(crate) struct ProbeIdentity(Arc<ProbeSpec>);

impl ProbeIdentity {
    pub(crate) fn of(spec: &Arc<ProbeSpec>) -> Self {
        Self(Arc::clone(spec))
    }

    /// What is asked.
    pub(super) fn spec(&self) -> &Arc<ProbeSpec> {
        &self.0
    }

    fn parts(&self) -> Parts<'_> {
        let Check {
            kind,
            interval,
            fast_interval,
            down_interval,
            timeout,
            rise: _,
            fall: _,
            watch,
            origin,
            via,
        } = &*self.0.check;
        let times = [*interval, *fast_interval, *down_interval, *timeout];
        let route = self.0.route.as_deref();
        (self.0.target, kind, times, origin, *via, *watch, route)
    }
}

type Parts<'a> = (
    SocketAddr,
    &'a CheckKind,
    [Duration; 4],
    &'a Origin,
    Via,
    bool,
    Option<&'a Route>,
);

impl PartialEq for ProbeIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ProbeIdentity {}

impl PartialOrd for ProbeIdentity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProbeIdentity {
    /// The target decides nearly always.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_target = self.0.target.cmp(&other.0.target);
        by_target.then_with(|| self.parts().cmp(&other.parts()))
    }
}

/// The probes that a configuration asks for: a real server that several
/// virtual services check in the same way is probed once for all of them, and
/// one with `check: none` is not probed.
///
/// Sorted by target, so that the same configuration always gives the same list.
pub(crate) fn probe_targets(config: &Config) -> Vec<ProbeTarget> {
    let mut probes = Vec::new();
    for (service, virtual_service) in (0..).zip(&config.virtual_services) {
        for (real_server, member) in (0..).zip(virtual_service.members()) {
            let (own, check) = (member.key.0, member.check);
            if !check.kind.asks() {
                continue;
            }
            let spec = ProbeSpec {
                target: SocketAddr::new(own.ip(), check.kind.target_port(own.port())),
                check: Arc::clone(check),
                route: virtual_service
                    .key
                    .vip()
                    .filter(|_| check.via.through_vip())
                    .map(|vip| {
                        Box::new(Route {
                            vip,
                            path: virtual_service.path(member),
                        })
                    }),
            };
            let id = RealServerId {
                service,
                real_server,
            };
            probes.push((ProbeIdentity(Arc::new(spec)), id));
        }
    }
    // Stable: the subscribers of a probe stay in their order.
    probes.sort_by(|(one, _), (other, _)| one.cmp(other));
    let same = probes.chunk_by(|(one, _), (other, _)| one == other);
    let targets = same.filter_map(|same| {
        let (ProbeIdentity(spec), _) = same.first()?;
        Some(ProbeTarget {
            spec: Arc::clone(spec),
            subscribers: same.iter().map(|(_, id)| *id).collect(),
        })
    });
    targets.collect()
}

#[cfg(test)]
mod tests;
