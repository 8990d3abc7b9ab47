//! Whether this process ran at all: a virtual machine that is suspended, a
//! process that is stopped, and a host without processor time run nobody's probes.
//!
//! A thread of the operating system, apart from the runtime, sleeps for short
//! times and measures how late it wakes. What the probes or their peers do
//! does not delay it, so a peer cannot pass its own fault off as this host's.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// How long the thread sleeps at a time.
const SLEEP: Duration = Duration::from_millis(100);
/// A shorter delay is nothing unusual: on a busy host, and where a quota of
/// processor time is used up, which is renewed every 100 ms (cgroups(7)).
const SHORTEST: Duration = Duration::from_millis(250);
/// How many standstills are remembered. Few happen while a probe waits.
const REMEMBERED: usize = 64;

/// When this process did not run.
#[derive(Debug)]
pub(crate) struct Standstill(Shared<Record>);

#[derive(Debug)]
struct Record {
    /// When the thread is to wake; `None` if nobody measures.
    due: Option<Instant>,
    past: VecDeque<(Instant, Instant)>,
}

impl Standstill {
    /// Without a thread that measures: nothing ever stands still.
    pub(crate) fn unknown() -> Arc<Self> {
        Arc::new(Self(Shared::new(Record {
            due: None,
            past: VecDeque::new(),
        })))
    }

    /// Measures until it is dropped.
    pub(crate) fn watch() -> io::Result<Arc<Self>> {
        let watched = Self::unknown();
        watched.sleeps(clock::monotonic());
        let weak = Arc::downgrade(&watched);
        thread::Builder::new()
            .name("standstill".to_owned())
            .spawn(move || measure(&weak, sleep))?;
        Ok(watched)
    }

    /// A standstill that began at `from` and has not ended.
    #[cfg(test)]
    pub(crate) fn since(from: Instant) -> Arc<Self> {
        let standstill = Self::unknown();
        standstill.0.lock().due = Some(from);
        standstill
    }

    fn sleeps(&self, now: Instant) {
        self.0.lock().due = Some(now + SLEEP);
    }

    fn woke(&self, now: Instant) {
        let mut record = self.0.lock();
        let newest = record.running_until(now);
        record.due = None;
        if let Some(standstill) = newest {
            if record.past.len() == REMEMBERED {
                record.past.pop_front();
            }
            record.past.push_back(standstill);
        }
    }

    /// For how much of the time between two instants, the later of which is
    /// now, this process stood still.
    pub(crate) fn between(&self, from: Instant, now: Instant) -> Duration {
        let record = self.0.lock();
        // The thread may not have woken yet from the one that has just ended.
        let newest = record.running_until(now);
        let all = record.past.iter().copied().chain(newest);
        all.map(|(start, end)| end.min(now).saturating_duration_since(start.max(from)))
            .sum()
    }
}

impl Record {
    /// The standstill that the thread is in, or has just woken from.
    fn running_until(&self, now: Instant) -> Option<(Instant, Instant)> {
        let due = self.due?;
        (now.saturating_duration_since(due) >= SHORTEST).then_some((due, now))
    }
}

/// When its thread ends, by a panic too, nobody measures: the host would seem
/// to stand still for ever.
struct Measuring<'a>(&'a Weak<Standstill>);

impl Drop for Measuring<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.0.upgrade() {
            record.0.lock().due = None;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, which has nothing else to do"
)]
fn sleep(time: Duration) {
    thread::sleep(time);
}

#[expect(
    clippy::disallowed_methods,
    reason = "what this thread measures is the clock itself"
)]
fn measure(record: &Weak<Standstill>, sleep: impl Fn(Duration)) {
    let _measuring = Measuring(record);
    while let Some(record) = record.upgrade() {
        record.woke(Instant::now());
        record.sleeps(Instant::now());
        drop(record);
        sleep(SLEEP);
    }
}

#[cfg(test)]
mod tests;
