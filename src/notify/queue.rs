//! The queue of messages to one target.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::event::Message;
use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// Messages that may wait for one target: 300 KB of them, and what a program
/// that takes 50 ms works off in a minute. Who is told of events late enough
/// to need more is better served by the status page.
const DEPTH: usize = 1024;

/// Messages that are delivered together, at the most.
const LARGEST_GROUP: usize = 100;

/// What is delivered together, in order; not empty.
pub(super) type Group = Arc<[Arc<Message>]>;

/// What waits for one target, in order. When it is full the oldest goes: the
/// newest says how things stand.
#[derive(Debug, Default)]
pub(super) struct Queue {
    content: Shared<Content>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Content {
    /// Each with the time of its arrival.
    waiting: VecDeque<(Instant, Arc<Message>)>,
    /// How many of those that were taken last are still being delivered.
    in_delivery: usize,
    closed: bool,
}

impl Queue {
    /// Appends a message, and returns the one that had to go for it.
    pub(super) fn push(&self, message: Arc<Message>) -> Option<Arc<Message>> {
        let dropped = {
            let mut content = self.content.lock();
            if content.closed {
                return Some(message);
            }
            let dropped = if content.waiting.len() >= DEPTH {
                content.waiting.pop_front()
            } else {
                None
            };
            content.waiting.push_back((now(), message));
            dropped
        };
        self.changed.notify_one();
        dropped.map(|(_, message)| message)
    }

    /// Waits for the oldest message, after those before have been dealt with.
    /// With `group_wait`, waits as long from its arrival, and takes those that
    /// came meanwhile with it. `None` when the queue is closed and empty. For
    /// one task; cancel-safe.
    pub(super) async fn pop(&self, group_wait: Option<Duration>) -> Option<Group> {
        let most = group_wait.map_or(1, |_| LARGEST_GROUP);
        loop {
            let due = {
                let mut content = self.content.lock();
                content.in_delivery = 0;
                let oldest = content.waiting.front();
                match oldest.map(|(came, _)| *came + group_wait.unwrap_or_default()) {
                    None if content.closed => return None,
                    None => None,
                    Some(due)
                        if content.closed || content.waiting.len() >= most || due <= now() =>
                    {
                        return Some(content.take(most));
                    }
                    due => due,
                }
            };
            let changed = self.changed.notified();
            match due {
                Some(due) => {
                    let _ = timeout_at(due, changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// Takes no more; what is there can still be taken, and waits for no others.
    pub(super) fn close(&self) {
        self.content.lock().closed = true;
        self.changed.notify_one();
    }

    /// Closes it and takes all that has not been delivered; how many that are,
    /// with those in delivery.
    pub(super) fn abandon(&self) -> usize {
        let mut content = self.content.lock();
        content.closed = true;
        let left = content.waiting.len() + content.in_delivery;
        content.waiting.clear();
        content.in_delivery = 0;
        left
    }
}

impl Content {
    fn take(&mut self, most: usize) -> Group {
        let number = self.waiting.len().min(most);
        self.in_delivery = number;
        let taken = self.waiting.drain(..number);
        taken.map(|(_, message)| message).collect()
    }
}

fn now() -> Instant {
    Instant::from_std(clock::monotonic())
}

#[cfg(test)]
mod tests;
