//! The quorum, fail-open and the sorry server of a pool. Pure.

use super::{Member, Policy, Pool};
use crate::model::{AdminState, Health, PoolStatus};

/// Weights by health.
pub(super) struct Sums {
    pub(super) up: u64,
    pub(super) unknown: u64,
    pub(super) total: u64,
    pub(super) verdicts_missing: bool,
}

impl Pool {
    pub(super) fn compute_status(&self, sums: &Sums) -> PoolStatus {
        let hoped = sums.up + sums.unknown;
        let Policy {
            quorum, hysteresis, ..
        } = self.policy;
        let quorum_met = if self.status.quorum_met {
            hoped + hysteresis >= quorum
        } else {
            sums.up >= quorum + hysteresis
        };
        let few = self.is_few(hoped, sums.total);
        let nobody_else = sums.up == 0 && !few;
        let sorry_available = match self.sorry_health() {
            Some(Health::Up) => true,
            Some(Health::Unknown) => self.status.sorry_serves,
            Some(Health::Down) => self.status.sorry_serves && nobody_else,
            None => false,
        };
        let sorry_serves = !quorum_met && sorry_available;
        PoolStatus {
            quorum_met,
            fail_open: !sorry_serves && few,
            sorry_serves,
            up_weight: sums.up,
        }
    }

    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums {
            up: 0,
            unknown: 0,
            total: 0,
            verdicts_missing: false,
        };
        let enabled = |member: &&Member| member.admin == AdminState::Enabled;
        for member in self.members.iter().filter(enabled) {
            let share = u64::from(member.share().get());
            sums.total += share;
            match member.machine.health() {
                Health::Up => sums.up += share,
                Health::Unknown => {
                    sums.unknown += share;
                    sums.verdicts_missing = true;
                }
                Health::Down => {}
            }
        }
        sums
    }

    /// Whether this is so little of the whole weight that the pool fails open.
    pub(super) fn is_few(&self, weight: u64, total: u64) -> bool {
        let below = self.policy.fail_open_below;
        below.is_some_and(|below| weight * 100 < total * u64::from(below))
    }
}
