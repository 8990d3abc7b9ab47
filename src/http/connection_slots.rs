//! The connections that are served at once: how long each may stay, and which of them has to
//! end when there is no slot left for the next one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// Connections served at once; the next one waits in the listener's backlog.
pub(super) const SLOTS: usize = 256;

/// How many of them may read what is large. The others are left for `/readiness`,
/// `/livez` and `/readyz`, whose answers fit in the socket's buffer.
const READERS: usize = 224;

/// A client that has not sent its request for so long ends for a newer one.
const REQUEST_GRACE: Duration = Duration::from_millis(250);

/// A reader that has taken so long ends for a newer one.
const READING_GRACE: Duration = Duration::from_secs(1);

/// For the head of the first request, from the connection's being accepted.
const HEAD_DEADLINE: Duration = Duration::from_secs(3);

/// From a whole head to the last byte of the answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How long a connection is kept for the next request: more than the usual intervals of
/// scrapes. It costs nobody a slot, as it ends for any newer connection.
const IDLE_DEADLINE: Duration = Duration::from_mins(3);

/// How often a full house is looked at again.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of the request is not complete.
    Requesting,
    /// A small answer is made or written.
    Answered,
    /// A large answer is made or written.
    Reading,
    /// A large answer is written, and the next request may come.
    Idle,
}

#[derive(Debug)]
struct Entry {
    source: Option<IpAddr>,
    phase: Phase,
    since: Instant,
    /// When the last request came, or the connection was accepted.
    requested: Instant,
    /// How many requests came.
    requests: u64,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

/// The table of all connections of one listener.
#[derive(Debug, Default)]
pub(super) struct ConnectionSlots {
    table: Shared<Table>,
    freed: Notify,
}

/// The slot of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    id: u64,
    changed: Arc<Notify>,
}

/// A connection that a large answer is written to.
#[derive(Debug)]
pub(super) struct Reader {
    slot: Arc<ConnectionSlot>,
    request: u64,
}

/// Why a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Another one takes its slot.
    Displaced,
    /// The time of the connection is over.
    Late,
}

impl ConnectionSlots {
    /// A slot for a connection from `source`, once there is one.
    pub(super) async fn take(self: &Arc<Self>, source: Option<IpAddr>) -> Arc<ConnectionSlot> {
        loop {
            if let Some(slot) = self.try_take(source, clock::monotonic()) {
                return Arc::new(slot);
            }
            // Either a connection ends, or one has been there for long enough.
            let _ = tokio::time::timeout(LOOK, self.freed.notified()).await;
        }
    }

    fn try_take(self: &Arc<Self>, source: Option<IpAddr>, now: Instant) -> Option<ConnectionSlot> {
        let mut table = self.table.lock();
        if table.entries.len() >= SLOTS {
            let ends = table
                .oldest(Phase::Idle, now, Duration::ZERO)
                .or_else(|| table.oldest(Phase::Requesting, now, REQUEST_GRACE))
                .or_else(|| table.oldest(Phase::Reading, now, READING_GRACE))?;
            table.end(ends);
        }
        let id = table.next;
        table.next += 1;
        let changed = Arc::new(Notify::new());
        let entry = Entry {
            source,
            phase: Phase::Requesting,
            since: now,
            requested: now,
            requests: 0,
            changed: Arc::clone(&changed),
        };
        table.entries.insert(id, entry);
        Some(ConnectionSlot {
            slots: Arc::clone(self),
            id,
            changed,
        })
    }
}

impl Table {
    /// Of those that are in `phase` for at least `grace`: the oldest of the
    /// source that has the most connections, so that one host's many never
    /// cost another host its few.
    fn oldest(&self, phase: Phase, now: Instant, grace: Duration) -> Option<u64> {
        let mut of_source: BTreeMap<Option<IpAddr>, usize> = BTreeMap::new();
        for entry in self.entries.values() {
            *of_source.entry(entry.source).or_default() += 1;
        }
        let connections = |entry: &Entry| of_source.get(&entry.source).copied().unwrap_or(0);
        let candidates = self.entries.iter().filter(|(_, entry)| {
            entry.phase == phase && now.saturating_duration_since(entry.since) >= grace
        });
        candidates
            .max_by(|(_, a), (_, b)| {
                let more = connections(a).cmp(&connections(b));
                more.then_with(|| b.since.cmp(&a.since))
            })
            .map(|(id, _)| *id)
    }

    fn end(&mut self, id: u64) {
        if let Some(entry) = self.entries.remove(&id) {
            entry.changed.notify_one();
        }
    }
}

impl Entry {
    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
        self.changed.notify_one();
    }

    fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Requesting => self.since + HEAD_DEADLINE,
            Phase::Answered | Phase::Reading => self.requested + ANSWER_DEADLINE,
            Phase::Idle => self.since + IDLE_DEADLINE,
        }
    }
}

impl ConnectionSlot {
    /// The request is complete.
    pub(super) fn requested(&self) {
        let now = clock::monotonic();
        if let Some(entry) = self.slots.table.lock().entries.get_mut(&self.id) {
            entry.requested = now;
            entry.requests += 1;
            entry.enter(Phase::Answered, now);
        }
    }

    /// The answer is a large one. `None` if too many read such a one already,
    /// none of which has taken long enough to end for this one.
    pub(super) fn reads(slot: &Arc<Self>) -> Option<Reader> {
        let now = clock::monotonic();
        let mut table = slot.slots.table.lock();
        let entries = table.entries.values();
        let readers = entries.filter(|entry| entry.phase == Phase::Reading);
        if readers.count() >= READERS {
            let ends = table.oldest(Phase::Reading, now, READING_GRACE)?;
            table.end(ends);
        }
        let entry = table.entries.get_mut(&slot.id);
        let request = entry.map_or(0, |entry| {
            entry.enter(Phase::Reading, now);
            entry.requests
        });
        Some(Reader {
            slot: Arc::clone(slot),
            request,
        })
    }

    /// Ends the connection.
    pub(super) fn end(&self) {
        self.slots.table.lock().end(self.id);
        self.slots.freed.notify_one();
    }

    /// Waits until the connection has to end.
    pub(super) async fn ended(&self) -> End {
        loop {
            let deadline = {
                let table = self.slots.table.lock();
                match table.entries.get(&self.id) {
                    Some(entry) => entry.deadline(),
                    None => return End::Displaced,
                }
            };
            if clock::monotonic() >= deadline {
                return End::Late;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(deadline.into()) => {}
            }
        }
    }
}

impl Reader {
    /// The answer is written, unless the client has asked again meanwhile.
    pub(super) fn done(&self) {
        let now = clock::monotonic();
        let mut table = self.slot.slots.table.lock();
        let entry = table.entries.get_mut(&self.slot.id);
        if let Some(entry) =
            entry.filter(|entry| entry.requests == self.request && entry.phase == Phase::Reading)
        {
            entry.enter(Phase::Idle, now);
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.slots.table.lock().entries.remove(&self.id);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
