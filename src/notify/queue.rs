use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use super::event::Message;
use crate::runtime::shared::Shared;

/// Messages that may wait for one target: 300 KB of them, and what a program
/// that takes 50 ms works off in a minute. Who is told of events late enough
/// to need more is better served by the status page.
const DEPTH: usize = 1024;

/// What waits for one target, in order. When it is full the oldest goes: the
/// newest says how things stand.
#[derive(Debug, Default)]
pub(super) struct Queue {
    content: Shared<Content>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Content {
    waiting: VecDeque<Arc<Message>>,
    /// Whether the last one that was taken is still being delivered.
    in_delivery: bool,
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
            content.waiting.push_back(message);
            dropped
        };
        self.changed.notify_one();
        dropped
    }

    /// Waits for the oldest message, after the one before has been dealt with;
    /// `None` when the queue is closed and empty. For one task; cancel-safe.
    pub(super) async fn pop(&self) -> Option<Arc<Message>> {
        loop {
            {
                let mut content = self.content.lock();
                let oldest = content.waiting.pop_front();
                content.in_delivery = oldest.is_some();
                if oldest.is_some() || content.closed {
                    return oldest;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Takes no more; what is there can still be taken.
    pub(super) fn close(&self) {
        self.content.lock().closed = true;
        self.changed.notify_one();
    }

    /// Closes it and takes all that has not been delivered; how many that are,
    /// with the one in delivery.
    pub(super) fn abandon(&self) -> usize {
        let mut content = self.content.lock();
        content.closed = true;
        let left = content.waiting.len() + usize::from(content.in_delivery);
        content.waiting.clear();
        content.in_delivery = false;
        left
    }
}

#[cfg(test)]
mod tests;
