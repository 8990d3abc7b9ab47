//! Conditions that go on, and when a target is told of them again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::event::{EventKind, Message};
use super::queue::Group;
use crate::model::ConditionType;
use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// The conditions that hold, each with the message that it began with.
#[derive(Debug, Default)]
pub(super) struct ActiveConditions(Shared<BTreeMap<(ConditionType, String), RaisedCondition>>);

#[derive(Debug)]
struct RaisedCondition {
    at: Instant,
    message: Arc<Message>,
    /// An event of its source has told the end already. The condition itself follows
    /// with the next examination.
    is_over: bool,
}

impl ActiveConditions {
    /// Takes a message in. Returns the end of what was told of its condition before, if
    /// that had another severity.
    pub(super) fn note(&self, message: &Arc<Message>) -> Option<Message> {
        if let Some((kind, subject, is_over)) = message.event.source_of_condition() {
            let mut active = self.0.lock();
            let same = |key: &(ConditionType, String)| {
                key.0 == kind && subject.as_ref().is_none_or(|subject| *subject == key.1)
            };
            for (_, began) in active.iter_mut().filter(|(key, _)| same(key)) {
                began.is_over = is_over;
            }
            return None;
        }
        let condition = message.event.condition()?;
        let key = (condition.kind, condition.subject.clone());
        let mut active = self.0.lock();
        if message.event.is_cleared() {
            active.remove(&key);
            return None;
        }
        // One that has another cause goes on as before.
        let at = active.get(&key).map_or_else(now, |began| began.at);
        let message = Arc::clone(message);
        let severity = condition.severity;
        let began = RaisedCondition {
            at,
            message,
            is_over: false,
        };
        let before = active.insert(key, began)?.message;
        let changed = before.event.condition()?.severity != severity;
        changed.then(|| before.as_cleared())
    }

    /// That each condition which holds goes on, for a target that has not heard of any.
    pub(super) fn continuing(&self) -> Vec<Arc<Message>> {
        let at = clock::wall();
        let active = self.0.lock();
        let holding = active.values().filter(|began| !began.is_over);
        holding
            .map(|began| Arc::new(began.message.as_continuing(at)))
            .collect()
    }

    /// The group without the reminders of conditions that have ended since they were queued.
    pub(super) fn without_outdated(&self, group: Group) -> Group {
        let is_outdated = {
            let active = self.0.lock();
            move |message: &Message| {
                let reminded = message.event.condition();
                let reminded =
                    reminded.filter(|_| message.event.kind() == EventKind::ConditionContinues);
                reminded.is_some_and(|condition| {
                    let began = active.get(&(condition.kind, condition.subject.clone()));
                    began.is_none_or(|began| began.is_over)
                })
            }
        };
        if group.iter().any(|message| is_outdated(message)) {
            let current = group.iter().filter(|message| !is_outdated(message));
            current.cloned().collect()
        } else {
            group
        }
    }
}

/// When one target is told again: every condition in each interval from its
/// beginning on.
#[derive(Debug)]
pub(super) struct Repeats {
    interval: Duration,
    active: Arc<ActiveConditions>,
    /// What was due until then has been sent.
    repeated_until: Instant,
}

impl Repeats {
    pub(super) fn new(interval: Duration, active: Arc<ActiveConditions>) -> Self {
        Self {
            interval,
            active,
            repeated_until: now(),
        }
    }

    /// When the next one may be due: one that begins later is due later.
    pub(super) fn next(&self) -> Instant {
        let active = self.active.0.lock();
        let holding = active.values().filter(|began| !began.is_over);
        let due = holding.map(|began| self.due_after(began.at));
        due.chain([self.repeated_until + self.interval])
            .min()
            .unwrap_or(self.repeated_until)
    }

    /// The messages that are due by now.
    pub(super) fn take_due(&mut self) -> Vec<Arc<Message>> {
        let now = now();
        let active = self.active.0.lock();
        let due = active
            .values()
            .filter(|began| !began.is_over && self.due_after(began.at) <= now);
        let at = clock::wall();
        let due: Vec<_> = due
            .map(|began| Arc::new(began.message.as_continuing(at)))
            .collect();
        drop(active);
        self.repeated_until = now;
        due
    }

    /// The first time after `repeated_until` at which a condition that began at
    /// `began` is due.
    fn due_after(&self, began: Instant) -> Instant {
        let passed = self.repeated_until.saturating_duration_since(began);
        let intervals = passed.as_nanos() / self.interval.as_nanos().max(1) + 1;
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        began + self.interval.saturating_mul(intervals)
    }
}

fn now() -> Instant {
    Instant::from_std(clock::monotonic())
}

#[cfg(test)]
mod tests;
