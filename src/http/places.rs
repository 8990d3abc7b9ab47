//! The connections that are served at once, and which of them has to end when
//! there is no place left for the next one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// Connections served at once; the next one waits in the listener's backlog.
pub(super) const PLACES: usize = 256;

/// How many of them may read what is large. The others are left for `/readiness`,
/// `/livez` and `/readyz`, whose answers fit in the socket's buffer.
const READERS: usize = 224;

/// A client that has not sent its request for so long ends for a newer one.
const REQUEST_GRACE: Duration = Duration::from_millis(250);

/// A reader that has taken so long ends for a newer one.
const READING_GRACE: Duration = Duration::from_secs(1);

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
}

#[derive(Debug)]
struct Entry {
    source: Option<IpAddr>,
    phase: Phase,
    since: Instant,
    ended: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

/// The table of all connections of one listener.
#[derive(Debug, Default)]
pub(super) struct Places {
    table: Shared<Table>,
    freed: Notify,
}

/// The place of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
    ended: Arc<Notify>,
}

impl Places {
    /// A place for a connection from `source`, once there is one.
    pub(super) async fn take(self: &Arc<Self>, source: Option<IpAddr>) -> Arc<Place> {
        loop {
            if let Some(place) = self.try_take(source, clock::monotonic()) {
                return Arc::new(place);
            }
            // Either a connection ends, or one has been there for long enough.
            let _ = tokio::time::timeout(LOOK, self.freed.notified()).await;
        }
    }

    fn try_take(self: &Arc<Self>, source: Option<IpAddr>, now: Instant) -> Option<Place> {
        let mut table = self.table.lock();
        if table.entries.len() >= PLACES {
            let ends = table
                .oldest(Phase::Requesting, now, REQUEST_GRACE)
                .or_else(|| table.oldest(Phase::Reading, now, READING_GRACE))?;
            table.end(ends);
        }
        let id = table.next;
        table.next += 1;
        let ended = Arc::new(Notify::new());
        let entry = Entry {
            source,
            phase: Phase::Requesting,
            since: now,
            ended: Arc::clone(&ended),
        };
        table.entries.insert(id, entry);
        Some(Place {
            places: Arc::clone(self),
            id,
            ended,
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
            entry.ended.notify_one();
        }
    }
}

impl Place {
    /// The request is complete.
    pub(super) fn requested(&self) {
        self.change(Phase::Answered);
    }

    /// The answer is a large one. `false` if too many read such a one already,
    /// none of which has taken long enough to end for this one.
    pub(super) fn reads(&self) -> bool {
        let now = clock::monotonic();
        let mut table = self.places.table.lock();
        let entries = table.entries.values();
        let readers = entries.filter(|entry| entry.phase == Phase::Reading);
        if readers.count() >= READERS {
            let Some(ends) = table.oldest(Phase::Reading, now, READING_GRACE) else {
                return false;
            };
            table.end(ends);
        }
        drop(table);
        self.change(Phase::Reading);
        true
    }

    fn change(&self, phase: Phase) {
        let now = clock::monotonic();
        if let Some(entry) = self.places.table.lock().entries.get_mut(&self.id) {
            entry.phase = phase;
            entry.since = now;
        }
    }

    /// Ends the connection.
    pub(super) fn end(&self) {
        self.places.table.lock().end(self.id);
        self.places.freed.notify_one();
    }

    /// Waits until the connection has to end.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table.lock().entries.remove(&self.id);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
