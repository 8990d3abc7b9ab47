use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use super::event::Message;
use crate::snapshot::Latest;

/// Messages that may wait for one target: 300 KB of them, and what a program
/// that takes 50 ms works off in a minute. Who is told of events late enough
/// to need more is better served by the status page.
const DEPTH: usize = 1024;

/// What waits for one target, in order. When it is full the oldest goes: the
/// newest says how things stand.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Latest<VecDeque<Arc<Message>>>,
    arrived: Notify,
}

impl Queue {
    /// Appends a message, and returns the one that had to go for it.
    pub(super) fn push(&self, message: Arc<Message>) -> Option<Arc<Message>> {
        let dropped = {
            let mut waiting = self.waiting.lock();
            let dropped = if waiting.len() >= DEPTH {
                waiting.pop_front()
            } else {
                None
            };
            waiting.push_back(message);
            dropped
        };
        self.arrived.notify_one();
        dropped
    }

    /// Waits for the oldest message. For one task; cancel-safe.
    pub(super) async fn pop(&self) -> Arc<Message> {
        loop {
            let oldest = self.waiting.lock().pop_front();
            match oldest {
                Some(message) => return message,
                None => self.arrived.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests;
