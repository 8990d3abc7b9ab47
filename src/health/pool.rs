//! The real servers of one virtual service: from their health to their weights. Pure.

mod failure;
mod member;
mod policy;
mod status;
mod weights;

use std::num::NonZeroU16;
use std::time::Instant;

pub(crate) use self::failure::Handling;
use self::member::{Member, SlowStartState};
pub(crate) use self::policy::{MemberPolicy, Policy, PreviousIndex};
use super::{Machine, Transition};
use crate::model::{AdminState, Health, PoolStatus, Quiesced, SetWeight, Weight};
use crate::probe::{ProbeRate, WeightAdvice};

/// The real servers of one virtual service, and the weights that follow from their health.
///
/// - A real server that is up has its configured weight, or what an operator has set or its
///   check reports in place of it, after slow start.
/// - A real server of unknown health keeps the weight that it was found with, and counts as up
///   until it is known better.
/// - A real server that nothing checks is up from the start.
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
    /// The health of all that is checked is unknown. Where something is not checked, call
    /// [`recompute_weights`](Self::recompute_weights).
    pub(crate) fn new(
        policy: Policy,
        members: impl IntoIterator<Item = MemberPolicy>,
        sorry_server: Option<MemberPolicy>,
    ) -> Self {
        let members = members.into_iter().map(Member::new).collect();
        let sorry_server = sorry_server.map(Member::new);
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
        // One that is not configured any more does not serve here.
        self.status = PoolStatus {
            sorry_serves: before.status.sorry_serves && self.sorry_server.is_some(),
            ..before.status
        };
        self.frozen = before.frozen;
        self.evidence_from = before.evidence_from;
        let members = self.members.iter_mut().chain(&mut self.sorry_server);
        for (member, previous) in members.zip(previous) {
            let Some(previous) = previous else { continue };
            if let Some(old) = before.member(previous.index) {
                member.take_over(old, *previous);
            }
        }
    }

    /// The real server at this index, or the sorry server, whose index is after the last one.
    fn member(&self, index: usize) -> Option<&Member> {
        let mut members = self.members.iter().chain(&self.sorry_server);
        members.nth(index)
    }

    fn member_mut(&mut self, index: usize) -> Option<&mut Member> {
        let mut members = self.members.iter_mut().chain(&mut self.sorry_server);
        members.nth(index)
    }

    /// Whether a probe that began at `started` counts.
    fn is_evidence(&self, started: Instant) -> bool {
        !self.frozen && self.evidence_from.is_none_or(|from| started >= from)
    }

    pub(crate) fn machine(&self, member: usize) -> Option<&Machine> {
        self.member(member).map(|member| &member.machine)
    }

    /// Lets a real server that is new here begin with what the same probe has
    /// shown elsewhere. The answer is its health.
    pub(crate) fn learn(&mut self, member: usize, other: &Machine) -> Option<Health> {
        let member = self.member_mut(member)?;
        let health = member.machine.learn_from(other);
        if health == Health::Up && member.wanted == Weight::ZERO {
            member.slow_start = SlowStartState::Pending;
        }
        Some(health)
    }

    /// Takes an outcome of the real server at this index, of a probe that
    /// began at `started`.
    ///
    /// After a transition, call [`recompute_weights`](Self::recompute_weights).
    pub(crate) fn on_outcome(
        &mut self,
        member: usize,
        passed: bool,
        started: Instant,
        now: Instant,
    ) -> Option<Transition> {
        if !self.is_evidence(started) {
            return None;
        }
        if member == self.members.len() {
            return self.sorry_server.as_mut()?.on_outcome(passed, started);
        }
        let member = self.members.get_mut(member)?;
        if self.policy.flap_damping && member.machine.health() == Health::Down {
            let rise = member.damped_rise(now);
            member.machine.set_rise(rise);
        }
        let transition = member.on_outcome(passed, started)?;
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

    /// How urgent the next outcome of the real server is.
    pub(crate) fn rate(&self, member: usize) -> Option<ProbeRate> {
        self.member(member).map(|member| member.machine.rate())
    }

    /// The passes in a row that the real server needs to be up, where damping
    /// asks for more than is configured.
    pub(crate) fn damped_rise(&self, member: usize, now: Instant) -> Option<NonZeroU16> {
        let member = self.members.get(member)?;
        let rise = member.damped_rise(now);
        (self.policy.flap_damping && rise > member.rise()).then_some(rise)
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
    /// [`recompute_weights`](Self::recompute_weights) tells the weights that follow. Tells
    /// whether that is new.
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

    /// The weight that the real server should have.
    pub(crate) fn wanted(&self, member: usize) -> Option<Weight> {
        self.member(member).map(|member| member.wanted)
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

    /// When to compute the weights again though nothing happens.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn sorry_health(&self) -> Option<Health> {
        let sorry_server = self.sorry_server.as_ref();
        sorry_server.map(|sorry_server| sorry_server.machine.health())
    }
}

#[cfg(test)]
mod tests;
