//! The weights that follow from the health of a pool's members. Pure.

use std::time::Instant;

use super::Pool;
use super::member::SlowStartState;
use super::status::Sums;
use crate::health::weight;
use crate::model::{AdminState, Health, PoolStatus, Weight};

impl Pool {
    /// The weights that change now, by index; the index of the sorry server is after the last one.
    /// Weights that rise are to be written first.
    pub(crate) fn recompute_weights(&mut self, now: Instant) -> Vec<(usize, Weight)> {
        self.deadline = None;
        if self.frozen {
            return self.quiesce_drained();
        }
        let sums = self.sums();
        self.status = self.compute_status(&sums);
        let replacement_unsure = self.is_replacement_unsure(&sums);
        let PoolStatus {
            fail_open,
            sorry_serves,
            ..
        } = self.status;
        let mut weights = Vec::with_capacity(self.members.len());
        for member in &mut self.members {
            if fail_open {
                member.slow_start = SlowStartState::Done;
            }
            let weight = match (member.admin, member.machine.health()) {
                (AdminState::Enabled, Health::Unknown) => {
                    weight(Health::Unknown, member.share(), member.wanted)
                }
                (AdminState::Enabled, Health::Up) if sorry_serves => Weight::ZERO,
                (AdminState::Enabled, Health::Up) => {
                    let (weight, next) = member.slow_start_weight(self.policy.slow_start, now);
                    self.deadline = [self.deadline, next].into_iter().flatten().min();
                    weight
                }
                (AdminState::Enabled, Health::Down) if fail_open => member.share(),
                (AdminState::Enabled, Health::Down) if replacement_unsure => member.wanted,
                (AdminState::Enabled, Health::Down)
                | (AdminState::Draining | AdminState::Drained, _) => Weight::ZERO,
            };
            weights.push(weight);
        }
        let mut changes = self.want(weights);
        changes.extend(self.want_of_sorry_server());
        changes
    }

    /// While weights are frozen, an operator alone changes one.
    fn quiesce_drained(&mut self) -> Vec<(usize, Weight)> {
        let members = self.members.iter_mut().enumerate();
        let drained = members.filter(|(_, member)| member.admin != AdminState::Enabled);
        drained
            .filter_map(|(index, member)| Some((index, member.want(Weight::ZERO)?)))
            .collect()
    }

    /// Whether the health of what would replace a failing real server is unknown.
    fn is_replacement_unsure(&self, sums: &Sums) -> bool {
        let PoolStatus {
            quorum_met,
            sorry_serves,
            ..
        } = self.status;
        !quorum_met && !sorry_serves && self.sorry_health() == Some(Health::Unknown)
            || sums.verdicts_missing && self.is_few(sums.up, sums.total)
    }

    /// Sets the weights of the real servers, and quiesces those with an ARP conflict.
    fn want(&mut self, weights: Vec<Weight>) -> Vec<(usize, Weight)> {
        let needed = self.needs_conflicting(&weights);
        let fail_open = self.status.fail_open;
        let mut changes = Vec::new();
        for ((index, member), weight) in self.members.iter_mut().enumerate().zip(weights) {
            // A real server that keeps the weight that it was found with would not get it back.
            let decided = member.machine.health() == Health::Up || fail_open;
            member.quiesced = member.arp_conflict && !needed && decided && weight != Weight::ZERO;
            let weight = if member.quiesced {
                Weight::ZERO
            } else {
                weight
            };
            changes.extend(member.want(weight).map(|weight| (index, weight)));
        }
        changes
    }

    fn want_of_sorry_server(&mut self) -> Option<(usize, Weight)> {
        let sorry_server = self.sorry_server.as_mut()?;
        let known = sorry_server.machine.health() != Health::Unknown;
        let weight = match (self.status.sorry_serves, known) {
            (true, true) => sorry_server.configured,
            (true, false) => sorry_server.wanted,
            (false, _) => Weight::ZERO,
        };
        Some((self.members.len(), sorry_server.want(weight)?))
    }

    /// Whether the service needs the weight of the real servers with an ARP conflict.
    fn needs_conflicting(&self, weights: &[Weight]) -> bool {
        let (mut honest, mut all) = (0, 0);
        for (member, weight) in self.members.iter().zip(weights) {
            let weight = u64::from(weight.get());
            all += weight;
            honest += if member.arp_conflict { 0 } else { weight };
        }
        honest == 0 || honest < self.policy.quorum || honest * 2 < all
    }
}
