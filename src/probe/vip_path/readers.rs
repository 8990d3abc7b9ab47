//! The readers of the kernel's table that all probes through VIPs share.

use std::num::NonZeroU32;

use tokio::sync::{Mutex, MutexGuard};

use crate::kernel::IpvsReader;

/// How many probes may read the table at the same time, each over a socket of
/// its own: one socket carries one dump at a time. Marks are consecutive
/// numbers, so paths are spread evenly over the readers.
const READERS: usize = 8;

/// Several readers, each for a share of the marks.
///
/// All probes by one mark share one reader, and hold that reader while they make
/// a connection: the count of connections by a mark proves where a connection
/// went only if connections by that mark begin one at a time. Probes by other
/// marks have counts of their own and need not wait.
pub(crate) struct Readers {
    by_mark: [Mutex<IpvsReader>; READERS],
    host: Mutex<IpvsReader>,
}

impl Readers {
    /// Opens nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            by_mark: std::array::from_fn(|_| Mutex::new(IpvsReader::new())),
            host: Mutex::new(IpvsReader::new()),
        }
    }

    /// The reader for this mark, while nobody else makes a connection by the mark.
    pub(super) async fn of_mark(&self, mark: NonZeroU32) -> MutexGuard<'_, IpvsReader> {
        let share = usize::try_from(mark.get()).unwrap_or_default() % READERS;
        match self.by_mark.get(share) {
            Some(reader) => reader.lock().await,
            // The remainder is always less than the number of readers.
            None => self.host.lock().await,
        }
    }

    /// The reader of everything that no mark counts.
    pub(super) async fn of_host(&self) -> MutexGuard<'_, IpvsReader> {
        self.host.lock().await
    }
}

#[cfg(test)]
mod tests;
