//! The safe order of steps.

use super::Step;
use crate::model::ServiceFlags;

/// Sorts steps so that no packet meets an incomplete state. Steps of a kind keep
/// their order.
///
/// - ARP sysctls before a VIP, so that a real server never answers for it;
/// - the table before the VIP, so that a director never answers a client itself;
/// - weights that rise before weights that fall, so that a service always has a
///   real server;
/// - the fallback of a hashing scheduler is set before real servers need the
///   fallback, and removed after that;
/// - removal in reverse order: the VIP, then the table, then sysctls and
///   time-outs.
pub fn in_safe_order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by_key(rank);
    steps
}

fn rank(step: &Step) -> u8 {
    match step {
        Step::SetSysctl { .. } | Step::SetTimeout { .. } => 0,
        Step::AddService { .. } => 1,
        // Without it, clients of a real server with weight 0 are refused.
        Step::SetService { from, to, .. }
            if from.flags.contains(ServiceFlags::FALLBACK)
                && !to.flags.contains(ServiceFlags::FALLBACK) =>
        {
            9
        }
        Step::SetService { .. } => 2,
        Step::AddDestination { .. } => 3,
        Step::SetDestination { from, to, .. } if to.weight >= from.weight => 4,
        Step::SetDestination { .. } => 5,
        Step::AddAddress(_) => 6,
        Step::RemoveAddress(_) => 7,
        Step::RemoveDestination { .. } => 8,
        Step::RemoveService { .. } => 10,
        Step::RestoreSysctl { .. } | Step::RestoreTimeout { .. } => 11,
    }
}
