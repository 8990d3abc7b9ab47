//! The rule by which a drain ends, for operators' drains and for real servers that left the
//! configuration.

use std::time::Instant;

use super::{Protocol, ServiceKey, Weight};

/// When a real server that gets no new connections counts as drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DrainRule {
    deadline_only: bool,
}

/// What the kernel has for a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DestinationLoad {
    pub(crate) weight: Weight,
    pub(crate) active_connections: u32,
}

impl DrainRule {
    /// The rule of this service. UDP has no connections that end, only entries that time out, so
    /// the count of active connections says nothing and only the deadline ends the drain.
    pub(crate) fn of(service: ServiceKey) -> Self {
        Self {
            deadline_only: deadline_only(service),
        }
    }

    /// Whether the connections show that the drain has ended. A real server with a weight may get
    /// another connection at any time.
    pub(crate) fn is_idle(self, load: DestinationLoad) -> bool {
        !self.deadline_only && load.weight == Weight::ZERO && load.active_connections == 0
    }

    /// Whether the deadline ends the drain where connections cannot.
    pub(crate) fn is_over_by_deadline(self, deadline: Instant, now: Instant) -> bool {
        self.deadline_only && now >= deadline
    }

    /// Whether the deadline alone ends the drain.
    pub(crate) fn deadline_only(self) -> bool {
        self.deadline_only
    }
}

/// Whether the protocol has no connections that end.
pub(crate) fn deadline_only(service: ServiceKey) -> bool {
    matches!(
        service,
        ServiceKey::Address {
            protocol: Protocol::Udp,
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::clock;

    #[test]
    fn connections_end_a_tcp_drain_and_the_deadline_ends_a_udp_drain() {
        let load = |weight, active_connections| DestinationLoad {
            weight,
            active_connections,
        };
        let (before, deadline) = (
            clock::monotonic(),
            clock::monotonic() + Duration::from_secs(9),
        );
        for (service, by_connections) in [
            ("tcp 192.0.2.1:80", true),
            ("sctp 192.0.2.1:80", true),
            ("fwmark 7 ipv4", true),
            ("udp 192.0.2.1:53", false),
        ] {
            let rule = DrainRule::of(service.parse().unwrap());
            assert_eq!(rule.is_idle(load(Weight::ZERO, 0)), by_connections);
            assert!(!rule.is_idle(load(Weight::ZERO, 1)));
            assert!(!rule.is_idle(load(Weight::ONE, 0)));
            assert!(!rule.is_over_by_deadline(deadline, before));
            assert_eq!(
                rule.is_over_by_deadline(deadline, deadline),
                !by_connections
            );
        }
    }
}
