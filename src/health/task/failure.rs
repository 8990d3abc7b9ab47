//! What a configuration asks for when a real server fails.

use super::ends_by_itself;
use crate::config::{OnFailure, VirtualService};
use crate::diagnosis::Loss;
use crate::health::pool::FailureRule;

/// By default, the clients of a real server that is lost are given to others:
/// those of UDP at once, since each datagram renews its entry for ever; others
/// where the whole host is gone, since then nobody resets their connections.
pub(super) fn failure_rule(service: &VirtualService) -> FailureRule {
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
        Some(OnFailure::Reset) => reset(Loss::Unreachable, true),
        None if ends_by_itself(service.key) => reset(Loss::Unreachable, false),
        None => reset(Loss::Gone, false),
    }
}
