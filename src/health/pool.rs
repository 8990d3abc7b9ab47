//! The real servers of one virtual service: from their health to their weights. Pure.

mod failure;
mod member;
mod status;

use std::num::NonZeroU16;
use std::time::Instant;

pub(crate) use self::failure::{FailureRule, Handling};
use self::member::{Member, SlowStartState};
use super::slow_start::SlowStart;
use super::{Machine, Transition};
use crate::model::{AdminState, Health, PoolStatus, Quiesced, SetWeight, Weight};
use crate::probe::{ProbeRate, WeightAdvice};

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

/// The index that a real server had in the pool of the previous configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreviousIndex {
    pub(crate) index: usize,
    /// Whether its check is the same.
    pub(crate) same_check: bool,
    /// Whether the kind of its check is the same: then its advice stays in effect.
    pub(crate) same_kind: bool,
}

/// The real servers of one virtual service, and the weights that follow from their health.
///
/// - A real server that is up has its configured weight, or what an operator has set or its
///   check reports in place of it, after slow start.
/// - A real server of unknown health keeps the weight that it was found with, and counts as up
///   until it is known better.
/// - A real server that is down has weight 0, unless the pool fails open.
/// - With the quorum lost and a sorry server that passes its check, that one
///   serves, and nobody else; it goes before failing open.
///   One that serves and begins to fail goes on while there is nobody else.
/// - No weight goes to 0 while the health of what would replace it is unknown.
/// - A real server with an ARP conflict is quiesced as long as the others have the quorum, and half
///   of the weight of all that would serve: a LAN where most have a conflict serves on. The sums
///   count such a real server like any other, so that a conflict alone causes neither the sorry
///   server nor fail-open.
#[derive(Debug)]
pub(crate) struct Pool {
    policy: Policy,
    members: Vec<Member>,
    sorry_server: Option<Member>,
    status: PoolStatus,
    frozen: bool,
    /// Probes that began before this prove nothing.
    evidence_from: Option<Instant>,
    deadline: Option<Instant>,
}

impl Pool {
    /// `members` and `sorry_server` are each real server's configured weight
    /// and the one that it was found with. The health of all is unknown.
    pub(crate) fn new(
        policy: Policy,
        fall: NonZeroU16,
        members: impl IntoIterator<Item = (Weight, Weight)>,
        sorry_server: Option<SorryServer>,
    ) -> Self {
        let rise = policy.rise;
        let members = members.into_iter().map(|(configured, found)| {
            let machine = Machine::new(rise, fall);
            Member::new(machine, configured, found)
        });
        let members = members.collect();
        let sorry_server = sorry_server.map(|sorry_server| {
            let machine = Machine::new(sorry_server.rise, sorry_server.fall);
            Member::new(machine, Weight::ONE, sorry_server.found)
        });
        let serves = |server: &Member| server.wanted != Weight::ZERO;
        let found_serving = sorry_server.as_ref().is_some_and(serves);
        let status = PoolStatus {
            quorum_met: !found_serving,
            sorry_serves: found_serving,
            ..PoolStatus::WELL
        };
        Self {
            policy,
            members,
            sorry_server,
            status,
            frozen: false,
            evidence_from: None,
            deadline: None,
        }
    }

    /// Takes over what another pool of this service knows: `previous` tells, for
    /// each place here, where that real server was there.
    pub(crate) fn take_over(&mut self, before: &Self, previous: &[Option<PreviousIndex>]) {
        self.status = before.status;
        self.frozen = before.frozen;
        self.evidence_from = before.evidence_from;
        let members = self.members.iter_mut().chain(&mut self.sorry_server);
        for (member, previous) in members.zip(previous) {
            let Some(previous) = previous else { continue };
            let mut old = before.members.iter().chain(&before.sorry_server);
            let Some(old) = old.nth(previous.index) else {
                continue;
            };
            member.machine = if previous.same_check {
                old.machine.clone()
            } else {
                member.machine.with_verdict_of(&old.machine)
            };
            member.advice = old.advice.filter(|_| previous.same_kind);
            member.damping = old.damping;
            member.slow_start = old.slow_start;
            member.admin = old.admin;
            member.set_weight = old.set_weight;
            member.arp_conflict = old.arp_conflict;
            member.quiesced = old.quiesced;
            member.wanted = old.wanted;
            member.unavailability = old.unavailability;
            member.handled = old.handled;
        }
    }

    /// The machine of the real server at this place; the sorry server's place
    /// is after the last.
    pub(crate) fn machine(&self, member: usize) -> Option<&Machine> {
        let mut members = self.members.iter().chain(&self.sorry_server);
        members.nth(member).map(|member| &member.machine)
    }

    /// Lets a real server that is new here begin with what the same probe has
    /// shown elsewhere. The answer is its health.
    pub(crate) fn learn(&mut self, member: usize, other: &Machine) -> Option<Health> {
        let mut members = self.members.iter_mut().chain(&mut self.sorry_server);
        let member = members.nth(member)?;
        let health = member.machine.learn_from(other);
        if health == Health::Up && member.wanted == Weight::ZERO {
            member.slow_start = SlowStartState::Pending;
        }
        Some(health)
    }

    /// Takes an outcome of the real server at this place, of a probe that
    /// began at `started`; the sorry server's place is after the last.
    ///
    /// After a transition, call [`recompute_weights`](Self::recompute_weights).
    pub(crate) fn on_outcome(
        &mut self,
        member: usize,
        passed: bool,
        started: Instant,
        now: Instant,
    ) -> Option<Transition> {
        if self.frozen || self.evidence_from.is_some_and(|from| started < from) {
            return None;
        }
        let Some(member) = self.members.get_mut(member) else {
            let sorry_server = self.sorry_server.as_mut();
            let sorry_server = sorry_server.filter(|_| member == self.members.len())?;
            let transition = sorry_server.machine.on_outcome(passed, started)?;
            if transition.to == Health::Up {
                (sorry_server.unavailability, sorry_server.handled) = (None, false);
            }
            return Some(transition);
        };
        if self.policy.flap_damping && member.machine.health() == Health::Down {
            let rise = member.damping.rise(self.policy.rise, now);
            member.machine.set_rise(rise);
        }
        let transition = member.machine.on_outcome(passed, started)?;
        if transition.to == Health::Up {
            (member.unavailability, member.handled) = (None, false);
        }
        if (transition.from, transition.to) == (Health::Up, Health::Down) {
            member.damping.fell(now);
        }
        member.slow_start = match transition.to {
            Health::Up if member.wanted == Weight::ZERO => SlowStartState::Pending,
            // Found in the middle of a slow start: another agent ended there.
            Health::Up if transition.from == Health::Unknown && member.wanted < member.share() => {
                let slow_start = self.policy.slow_start;
                SlowStartState::Since(slow_start.began(member.share(), member.wanted, now))
            }
            Health::Up | Health::Down | Health::Unknown => SlowStartState::Done,
        };
        Some(transition)
    }

    /// Takes what the real server at this place says of its share of new
    /// connections, and tells that share if it is another one than before;
    /// [`recompute_weights`](Self::recompute_weights) tells the weights that follow. The advice of a
    /// sorry server, which serves alone, changes nothing.
    pub(crate) fn on_advice(&mut self, member: usize, advice: WeightAdvice) -> Option<Weight> {
        let member = self.members.get_mut(member)?;
        let before = member.share();
        member.advice = Some(advice);
        let share = member.share();
        (share != before).then_some(share)
    }

    /// The weight that the real server's advice puts in place of the configured
    /// one; `None` if there is no such advice.
    pub(crate) fn advised(&self, member: usize) -> Option<Weight> {
        self.members.get(member)?.advised()
    }

    /// How urgent the next outcome of the real server at this place is; the
    /// sorry server's place is after the last.
    pub(crate) fn rate(&self, member: usize) -> Option<ProbeRate> {
        let mut members = self.members.iter().chain(&self.sorry_server);
        members.nth(member).map(|member| member.machine.rate())
    }

    /// The passes in a row that the real server needs to be up, where damping
    /// asks for more than is configured.
    pub(crate) fn damped_rise(&self, member: usize, now: Instant) -> Option<NonZeroU16> {
        let damping = self.members.get(member)?.damping;
        let rise = damping.rise(self.policy.rise, now);
        (self.policy.flap_damping && rise > self.policy.rise).then_some(rise)
    }

    /// While frozen, verdicts and weights stay as they are; after that, only
    /// probes that began at `now` or later count.
    pub(crate) fn set_frozen(&mut self, frozen: bool, now: Instant) {
        if self.frozen == frozen {
            return;
        }
        self.frozen = frozen;
        self.evidence_from = Some(now);
        for member in self.members.iter_mut().chain(&mut self.sorry_server) {
            member.machine.reset_streak();
        }
    }

    /// Sets what an operator wants of the real server. This works while frozen, too.
    pub(crate) fn set_admin(&mut self, member: usize, admin: AdminState) {
        if let Some(member) = self.members.get_mut(member) {
            if member.admin != AdminState::Enabled && admin == AdminState::Enabled {
                member.slow_start = SlowStartState::Pending;
            }
            member.admin = admin;
        }
    }

    /// Sets what an operator puts in place of the configured weight, which is in effect after the
    /// next [`recompute_weights`](Self::recompute_weights). The answer is the full weight that the
    /// real server then has while it is up; `None` if there is no such real server.
    pub(crate) fn set_weight(
        &mut self,
        member: usize,
        weight: Option<SetWeight>,
    ) -> Option<Weight> {
        let member = self.members.get_mut(member)?;
        member.set_weight = weight;
        Some(member.share())
    }

    /// Whether this member answers for the VIP.
    pub(crate) fn has_arp_conflict(&self, member: usize) -> bool {
        self.members
            .get(member)
            .is_some_and(|member| member.arp_conflict)
    }

    /// Whether the real server at this place answers for the VIP on the link;
    /// [`recompute_weights`](Self::recompute_weights) tells the weights that follow. Tells whether that is new.
    pub(crate) fn set_arp_conflict(&mut self, member: usize, arp_conflict: bool) -> bool {
        let Some(member) = self.members.get_mut(member) else {
            return false;
        };
        let before = std::mem::replace(&mut member.arp_conflict, arp_conflict);
        if member.quiesced && !arp_conflict {
            member.slow_start = SlowStartState::Pending;
        }
        before != arp_conflict
    }

    /// Why the real server at this place has weight 0 though it may serve.
    pub(crate) fn quiesced(&self, member: usize) -> Option<Quiesced> {
        let quiesced = self.members.get(member)?.quiesced;
        quiesced.then_some(Quiesced::ArpConflict)
    }

    /// The weight that the real server at this place should have.
    pub(crate) fn wanted(&self, member: usize) -> Option<Weight> {
        let sorry_server = self.sorry_server.iter();
        let wanted = |member: &Member| member.wanted;
        self.members
            .iter()
            .chain(sorry_server)
            .nth(member)
            .map(wanted)
    }

    /// Whether a real server gets new connections; the sorry server is none.
    pub(crate) fn serves(&self) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.wanted != Weight::ZERO)
    }

    /// Whether the pool serves without the real servers that are leaving its
    /// service: each real server that may serve has a known health, or the weight
    /// that it was found with, and at least one serves. Where all are configured with
    /// weight 0, none is waited for. An operator who drains the others ends no service.
    pub(crate) fn replaces(&self) -> bool {
        let members = self.members.iter();
        let mut configured = members.clone().map(|member| member.configured);
        let none_configured = configured.all(|weight| weight == Weight::ZERO);
        let mut serves = false;
        for member in members.filter(|member| member.may_serve()) {
            let idle = member.wanted == Weight::ZERO;
            if idle && member.machine.health() == Health::Unknown {
                return false;
            }
            serves |= !idle;
        }
        none_configured || serves
    }

    /// What is true of the pool as of the last [`recompute_weights`](Self::recompute_weights).
    pub(crate) fn status(&self) -> PoolStatus {
        self.status
    }

    /// When to settle again though nothing happens.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The weights that change now, by place; the sorry server's place is
    /// after the last. To be written as one: those that rise first.
    pub(crate) fn recompute_weights(&mut self, now: Instant) -> Vec<(usize, Weight)> {
        let mut changes = Vec::new();
        self.deadline = None;
        if self.frozen {
            for (place, member) in self.members.iter_mut().enumerate() {
                if member.admin != AdminState::Enabled {
                    changes.extend(member.want(Weight::ZERO).map(|weight| (place, weight)));
                }
            }
            return changes;
        }

        let sums = self.sums();
        self.status = self.compute_status(&sums);
        let PoolStatus {
            quorum_met,
            fail_open,
            sorry_serves,
            ..
        } = self.status;
        let replacement_unsure =
            !quorum_met && !sorry_serves && self.sorry_health() == Some(Health::Unknown)
                || sums.verdicts_missing && self.is_few(sums.up, sums.total);

        let mut weights = Vec::with_capacity(self.members.len());
        for member in &mut self.members {
            let health = member.machine.health();
            if fail_open {
                member.slow_start = SlowStartState::Done;
            }
            let weight = match (member.admin, health) {
                (AdminState::Enabled, Health::Unknown) => {
                    super::weight(Health::Unknown, member.share(), member.wanted)
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
        let needed = self.needs_conflicting(&weights);
        for ((place, member), weight) in self.members.iter_mut().enumerate().zip(weights) {
            // What keeps the weight that it was found with would not get it back.
            let decided = member.machine.health() == Health::Up || fail_open;
            member.quiesced = member.arp_conflict && !needed && decided && weight != Weight::ZERO;
            let weight = if member.quiesced {
                Weight::ZERO
            } else {
                weight
            };
            changes.extend(member.want(weight).map(|weight| (place, weight)));
        }
        if let Some(sorry_server) = &mut self.sorry_server {
            let known = sorry_server.machine.health() != Health::Unknown;
            let weight = match (sorry_serves, known) {
                (true, true) => sorry_server.configured,
                (true, false) => sorry_server.wanted,
                (false, _) => Weight::ZERO,
            };
            let place = self.members.len();
            changes.extend(sorry_server.want(weight).map(|weight| (place, weight)));
        }
        changes
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

    fn sorry_health(&self) -> Option<Health> {
        let sorry_server = self.sorry_server.as_ref();
        sorry_server.map(|sorry_server| sorry_server.machine.health())
    }
}

/// The sorry server of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SorryServer {
    pub(crate) rise: NonZeroU16,
    pub(crate) fall: NonZeroU16,
    /// The weight that it was found with; 0 for none.
    pub(crate) found: Weight,
}

#[cfg(test)]
mod tests;
