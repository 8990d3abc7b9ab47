//! Conditions that go on, and when a target is told of them again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::event::Message;
use crate::model::ConditionType;
use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// The conditions that hold, each with the message that it began with.
#[derive(Debug, Default)]
pub(super) struct Ongoing(Shared<BTreeMap<(ConditionType, String), Began>>);

#[derive(Debug)]
struct Began {
    at: Instant,
    message: Arc<Message>,
}

impl Ongoing {
    /// Takes a message about a condition in. Returns the end of what was told of
    /// the condition before, if that had another severity.
    pub(super) fn note(&self, message: &Arc<Message>) -> Option<Message> {
        let condition = message.event.condition()?;
        let key = (condition.kind, condition.subject.clone());
        let mut ongoing = self.0.lock();
        if message.event.is_cleared() {
            ongoing.remove(&key);
            return None;
        }
        // One that has another cause goes on as before.
        let at = ongoing.get(&key).map_or_else(now, |began| began.at);
        let message = Arc::clone(message);
        let severity = condition.severity;
        let before = ongoing.insert(key, Began { at, message })?.message;
        let changed = before.event.condition()?.severity != severity;
        changed.then(|| before.as_cleared())
    }
}

/// When one target is told again: every condition in each interval from its
/// beginning on.
#[derive(Debug)]
pub(super) struct Repeats {
    interval: Duration,
    ongoing: Arc<Ongoing>,
    /// What was due until then has been told.
    told_until: Instant,
}

impl Repeats {
    pub(super) fn new(interval: Duration, ongoing: Arc<Ongoing>) -> Self {
        Self {
            interval,
            ongoing,
            told_until: now(),
        }
    }

    /// When the next one may be due: one that begins later is due later.
    pub(super) fn next(&self) -> Instant {
        let ongoing = self.ongoing.0.lock();
        let due = ongoing.values().map(|began| self.due_after(began.at));
        due.chain([self.told_until + self.interval])
            .min()
            .unwrap_or(self.told_until)
    }

    /// The messages that are due by now.
    pub(super) fn take_due(&mut self) -> Vec<Arc<Message>> {
        let now = now();
        let ongoing = self.ongoing.0.lock();
        let due = ongoing
            .values()
            .filter(|began| self.due_after(began.at) <= now);
        let at = clock::wall();
        let due: Vec<_> = due
            .map(|began| Arc::new(began.message.as_continuing(at)))
            .collect();
        drop(ongoing);
        self.told_until = now;
        due
    }

    /// The first time after `told_until` at which a condition that began at
    /// `began` is due.
    fn due_after(&self, began: Instant) -> Instant {
        let passed = self.told_until.saturating_duration_since(began);
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
