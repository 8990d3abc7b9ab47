//! The policy of a pool, from the configuration of its virtual service. Pure.

use std::num::NonZeroU16;

use super::Pool;
use crate::config::{Check, OnFailure, ServiceMember, VirtualService};
use crate::diagnosis::Unavailability;
use crate::health::slow_start::SlowStart;
use crate::model::{RealServerKey, Weight, Weights, deadline_only};

/// What a virtual service asks of its pool.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
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

/// What is configured for a real server or sorry server of a pool, and the weight that it was
/// found with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemberPolicy {
    /// `None` where nothing is asked: the real server is up from the start.
    pub(crate) streaks: Option<Streaks>,
    pub(crate) configured: Weight,
    /// 0 for a real server that was not in the table.
    pub(crate) found: Weight,
}

/// How many equal outcomes in a row decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streaks {
    /// Passes that bring a real server up; damping lengthens it.
    pub(crate) rise: NonZeroU16,
    /// Failures that take it down.
    pub(crate) fall: NonZeroU16,
}

/// The index that a real server had in the pool of the previous configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreviousIndex {
    pub(crate) index: usize,
    /// Whether its check asks the same: then its streak goes on.
    pub(crate) asks_same: bool,
    /// Whether the kind of its check is the same: then its advice stays in effect.
    pub(crate) same_kind: bool,
}

/// What a virtual service asks for when a real server of it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailureRule {
    /// The real server is out of the table while it is down.
    pub(crate) removes: bool,
    /// Its connections are ended from this unavailability on; `None` for never.
    pub(crate) resets_from: Option<Unavailability>,
    /// Both also where no other real server serves.
    pub(crate) even_the_last: bool,
}

impl FailureRule {
    /// Weight 0, and nothing else.
    pub(crate) const QUIESCE: Self = Self {
        removes: false,
        resets_from: None,
        even_the_last: false,
    };
}

impl Pool {
    /// The pool of a service, with the weights that were found.
    pub(crate) fn of(service: &VirtualService, found: &Weights) -> Self {
        let found = |key: RealServerKey| {
            let weight = found.get(&(service.key, key));
            weight.copied().unwrap_or(Weight::ZERO)
        };
        let configured = &service.pool;
        let policy = Policy {
            slow_start: SlowStart::new(configured.slow_start, &service.scheduler),
            flap_damping: configured.flap_damping,
            quorum: configured.quorum.into(),
            hysteresis: configured.hysteresis.into(),
            fail_open_below: configured.fail_open_below,
            on_failure: failure_rule(service),
        };
        let member = |member: ServiceMember<'_>, configured| MemberPolicy {
            streaks: streaks(member.check),
            configured,
            found: found(member.key),
        };
        let real_servers = service.real_servers.iter();
        let members = real_servers.map(|server| member(service.member(server), server.weight));
        let sorry_server = service.sorry_member();
        let sorry_server = sorry_server.map(|server| member(server, Weight::ONE));
        Self::new(policy, members, sorry_server)
    }
}

fn streaks(check: &Check) -> Option<Streaks> {
    let Check { rise, fall, .. } = *check;
    check.kind.asks().then_some(Streaks { rise, fall })
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
