//! The drains under way, and which of them have ended. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::input::{DrainDeadline, Loads};
use crate::model::{Decision, DestinationLoad, DrainRule, MemberKey, RealServerId, Weight};

/// A drain under way.
#[derive(Debug, Clone)]
struct Drain {
    key: MemberKey,
    rule: DrainRule,
    began: Instant,
    deadline: Instant,
    decision: Decision,
}

/// The drains under way, by real server.
#[derive(Debug, Default)]
pub(super) struct DrainTracker {
    under_way: BTreeMap<RealServerId, Drain>,
    /// When the first drain ends by its deadline. Every report asks for this.
    next_deadline: Option<Instant>,
    changed: bool,
}

impl DrainTracker {
    pub(super) fn begin(
        &mut self,
        id: RealServerId,
        key: MemberKey,
        deadline: DrainDeadline,
        decision: Decision,
        now: Instant,
    ) {
        let rule = DrainRule::of(key.0);
        let drain = Drain {
            key,
            rule,
            began: now,
            deadline: deadline.until,
            decision,
        };
        if self.under_way.insert(id, drain).is_some() {
            return self.note_change();
        }
        let ends = rule.deadline_only().then_some(deadline.until);
        self.next_deadline = self.next_deadline.into_iter().chain(ends).min();
        self.changed = true;
    }

    pub(super) fn cancel(&mut self, id: RealServerId) {
        if self.under_way.remove(&id).is_some() {
            self.note_change();
        }
    }

    /// Takes the drains that the kernel shows to have ended. A value that was read before a drain
    /// began proves nothing: the real server may have had a weight in between.
    /// `is_removed` tells the real servers that are out of the table while they are down.
    pub(super) fn take_idle(
        &mut self,
        loads: &Loads,
        is_removed: impl Fn(RealServerId) -> bool,
    ) -> Vec<(RealServerId, Decision)> {
        self.take(|id, drain| {
            let load = match loads.loads.get(&drain.key) {
                Some(None) if is_removed(id) => DestinationLoad {
                    weight: Weight::ZERO,
                    active_connections: 0,
                },
                Some(Some(load)) => *load,
                Some(None) | None => return false,
            };
            loads.read_at >= drain.began && drain.rule.is_idle(load)
        })
    }

    /// Takes the drains that only a deadline ends, and whose deadline has passed.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Vec<(RealServerId, Decision)> {
        if self.next_deadline.is_none_or(|next| now < next) {
            return Vec::new();
        }
        self.take(|_, drain| drain.rule.is_over_by_deadline(drain.deadline, now))
    }

    /// When the next drain ends by its deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Numbers the drains as another configuration does. A drain whose real server is not
    /// configured any more is forgotten.
    pub(super) fn renumber(&mut self, ids: impl IntoIterator<Item = (MemberKey, RealServerId)>) {
        let drains = std::mem::take(&mut self.under_way).into_values();
        let mut known: BTreeMap<_, _> = drains.map(|drain| (drain.key, drain)).collect();
        if !known.is_empty() {
            let ids = ids.into_iter();
            self.under_way = ids
                .filter_map(|(key, id)| Some((id, known.remove(&key)?)))
                .collect();
        }
        self.note_change();
    }

    /// The real servers that are being drained, if they have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Option<BTreeSet<RealServerId>> {
        let changed = std::mem::take(&mut self.changed);
        changed.then(|| self.under_way.keys().copied().collect())
    }

    /// Takes drains, each with what was decided.
    fn take(
        &mut self,
        has_ended: impl Fn(RealServerId, &Drain) -> bool,
    ) -> Vec<(RealServerId, Decision)> {
        let ended = self
            .under_way
            .extract_if(.., |id, drain| has_ended(*id, drain));
        let ended: Vec<_> = ended.map(|(id, drain)| (id, drain.decision)).collect();
        if !ended.is_empty() {
            self.note_change();
        }
        ended
    }

    fn note_change(&mut self) {
        let drains = self.under_way.values();
        let by_deadline = drains.filter(|drain| drain.rule.deadline_only());
        self.next_deadline = by_deadline.map(|drain| drain.deadline).min();
        self.changed = true;
    }
}

#[cfg(test)]
mod tests;
