//! The policy of a pool, from the configuration of its virtual service. Pure.

use std::num::NonZeroU16;

use super::{FailureRule, Pool};
use crate::config::{OnFailure, VirtualService};
use crate::diagnosis::Unavailability;
use crate::health::slow_start::SlowStart;
use crate::model::{RealServerKey, Weight, Weights, deadline_only};

/// What a virtual service asks of its pool.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Passes in a row that bring a real server up; damping lengthens it.
    pub(crate) rise: NonZeroU16,
    pub(crate) slow_start: SlowStart,
    pub(crate) flap_damping: bool,
    /// The weight of real servers that must be up.
    pub(crate) quorum: u64,
    /// How far from the quorum, below and above, it is lost and found again.
    pub(crate) hysteresis: u64,
    /// In percent of the whole weight: with less up than that, failing real
    /// servers serve, too.
    pub(crate) fail_open_below: Option<u8>,
    pub(crate) on_failure: FailureRule,
}

/// The sorry server of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SorryServer {
    pub(crate) rise: NonZeroU16,
    pub(crate) fall: NonZeroU16,
    /// The weight that it was found with; 0 for none.
    pub(crate) found: Weight,
}

/// The index that a real server had in the pool of the previous configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreviousIndex {
    pub(crate) index: usize,
    /// Whether its check is the same.
    pub(crate) same_check: bool,
    /// Whether the kind of its check is the same: then its advice stays in effect.
    pub(crate) same_kind: bool,
}

impl Pool {
    /// The pool of a service, with the weights that were found.
    pub(crate) fn of(service: &VirtualService, found: &Weights) -> Self {
        let found = |key: RealServerKey| {
            let weight = found.get(&(service.key, key));
            weight.copied().unwrap_or(Weight::ZERO)
        };
        let check = &service.check;
        let configured = &service.pool;
        let policy = Policy {
            rise: check.rise,
            slow_start: SlowStart::new(configured.slow_start, &service.scheduler),
            flap_damping: configured.flap_damping,
            quorum: configured.quorum.into(),
            hysteresis: configured.hysteresis.into(),
            fail_open_below: configured.fail_open_below,
            on_failure: failure_rule(service),
        };
        let members = service.real_servers.iter();
        let members = members.map(|real_server| (real_server.weight, found(real_server.key)));
        let sorry_server = configured.sorry_server.as_ref();
        let sorry_server = sorry_server.map(|sorry_server| SorryServer {
            rise: sorry_server.check.rise,
            fall: sorry_server.check.fall,
            found: found(sorry_server.key),
        });
        Self::new(policy, check.fall, members, sorry_server)
    }
}

/// By default, the clients of a real server that is lost are given to others: those of UDP at
/// once, since each datagram renews its entry for ever; others where the whole host is gone, since
/// then nobody resets their connections.
fn failure_rule(service: &VirtualService) -> FailureRule {
    let reset = |resets_from, even_the_last| FailureRule {
        resets_from: Some(resets_from),
        even_the_last,
        ..FailureRule::QUIESCE
    };
    match service.pool.on_failure {
        Some(OnFailure::Quiesce) => FailureRule::QUIESCE,
        Some(OnFailure::Remove) => FailureRule {
            removes: true,
            even_the_last: true,
            ..FailureRule::QUIESCE
        },
        Some(OnFailure::Reset) => reset(Unavailability::Unreachable, true),
        None if deadline_only(service.key) => reset(Unavailability::Unreachable, false),
        None => reset(Unavailability::Gone, false),
    }
}
