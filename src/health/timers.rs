//! The next deadline of every pool, and the nearest of all. Pure.

use std::collections::BTreeSet;
use std::time::Instant;

/// One deadline at most for each pool, the nearest of all at hand.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, usize)>,
    /// By pool.
    armed: Vec<Option<Instant>>,
}

impl Timers {
    /// For this many pools, none of them with a deadline.
    pub(crate) fn new(pools: usize) -> Self {
        Self {
            queue: BTreeSet::new(),
            armed: vec![None; pools],
        }
    }

    /// Sets the pool's deadline in place of the one it had.
    pub(crate) fn set(&mut self, pool: usize, deadline: Option<Instant>) {
        let Some(armed) = self.armed.get_mut(pool) else {
            return;
        };
        if let Some(before) = std::mem::replace(armed, deadline) {
            self.queue.remove(&(before, pool));
        }
        self.queue.extend(deadline.map(|deadline| (deadline, pool)));
    }

    /// The nearest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// Takes a pool whose deadline has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<usize> {
        let (_, pool) = self
            .queue
            .first()
            .filter(|(deadline, _)| *deadline <= now)?;
        let pool = *pool;
        self.set(pool, None);
        Some(pool)
    }
}

#[cfg(test)]
mod tests;
