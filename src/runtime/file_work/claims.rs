//! The files of each use that are being worked on, or are next: one file has one thread at the
//! most, and a directory [`PER_DIRECTORY`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::file_use::FileUse;
use super::threads::Threads;
use super::{FileWorkError, Limit, PATIENCE, now};
use crate::runtime::shared::Shared;

/// So many files of one directory are worked on at a time: where they hang, so
/// would the others.
pub(super) const PER_DIRECTORY: usize = 2;

/// What one use has.
pub(super) struct UseState {
    pub(super) file_use: FileUse,
    /// One permit for each thread that may work.
    pub(super) room: Arc<Semaphore>,
    pub(super) threads: Threads,
    /// The files that are being worked on, or are next; oldest first.
    pub(super) claimed: Shared<Vec<ClaimState>>,
    /// Notified when a file is no longer claimed.
    released: Notify,
}

/// A file that is being worked on, or is next.
pub(super) struct ClaimState {
    pub(super) path: PathBuf,
    /// Past this, it hangs; `None` while it computes.
    pub(super) deadline: Option<Instant>,
    /// Whether a thread works on it.
    begun: bool,
}

impl ClaimState {
    pub(super) fn hangs(&self, now: Instant) -> bool {
        self.begun && self.deadline.is_some_and(|deadline| deadline < now)
    }
}

impl UseState {
    pub(super) fn new(file_use: FileUse) -> Self {
        Self {
            file_use,
            room: Arc::new(Semaphore::new(file_use.threads())),
            threads: Threads::new(file_use.thread_name()),
            claimed: Shared::default(),
            released: Notify::new(),
        }
    }

    /// The right to work on the file, once nobody else has it.
    pub(super) async fn claim(
        state: &Arc<Self>,
        path: &Path,
        deadline: Instant,
    ) -> Result<Claim, FileWorkError> {
        loop {
            let released = state.released.notified();
            if state.try_claim(path)? {
                return Ok(Claim(ClaimedFile {
                    state: Arc::clone(state),
                    path: path.to_owned(),
                }));
            }
            let waited = timeout_at(deadline, released).await;
            waited.map_err(|_| FileWorkError::Hangs(path.to_owned()))?;
        }
    }

    /// Whether the file is claimed now. Fails if it would hang.
    fn try_claim(&self, path: &Path) -> Result<bool, FileWorkError> {
        let mut claimed = self.claimed.lock();
        let now = now();
        let beside = claimed
            .iter()
            .filter(|other| other.path.parent() == path.parent());
        let hanging = beside.clone().filter(|other| other.hangs(now)).count();
        let all = beside.count();
        match claimed.iter().find(|other| other.path == path) {
            Some(same) if same.hangs(now) => Err(FileWorkError::Hangs(path.to_owned())),
            Some(_) => Ok(false),
            None if hanging >= PER_DIRECTORY => Err(FileWorkError::Hangs(path.to_owned())),
            None if all >= PER_DIRECTORY => Ok(false),
            None => {
                claimed.push(ClaimState {
                    path: path.to_owned(),
                    deadline: None,
                    begun: false,
                });
                Ok(true)
            }
        }
    }

    /// Whether each thread is past its deadline.
    pub(super) fn all_hang(&self) -> bool {
        let (claimed, now) = (self.claimed.lock(), now());
        let hanging = claimed.iter().filter(|other| other.hangs(now));
        hanging.count() >= self.file_use.threads()
    }

    pub(super) fn busy(&self, path: &Path) -> FileWorkError {
        let oldest = self
            .claimed
            .lock()
            .first()
            .map(|oldest| oldest.path.clone());
        FileWorkError::Busy {
            path: path.to_owned(),
            hanging: oldest.unwrap_or_default(),
        }
    }

    pub(super) fn room_taken(&self) -> usize {
        let free = self.room.available_permits();
        self.file_use.threads().saturating_sub(free)
    }
}

/// A file among those of its use.
#[derive(Clone)]
pub(super) struct ClaimedFile {
    state: Arc<UseState>,
    path: PathBuf,
}

impl ClaimedFile {
    pub(super) fn begin(&self, deadline: Option<Instant>) {
        self.change(|own| {
            own.begun = true;
            own.deadline = deadline;
        });
    }

    pub(super) fn set_deadline(&self, deadline: Option<Instant>) {
        self.change(|own| own.deadline = deadline);
    }

    fn change(&self, change: impl FnOnce(&mut ClaimState)) {
        let mut claimed = self.state.claimed.lock();
        if let Some(own) = claimed.iter_mut().find(|own| own.path == self.path) {
            change(own);
        }
    }

    /// When to look again whether the work hangs; `None` if it does.
    pub(super) fn next_look(&self, limit: Limit) -> Option<Instant> {
        if matches!(limit, Limit::Whole(_)) {
            return None;
        }
        let now = now();
        let claimed = self.state.claimed.lock();
        let own = claimed.iter().find(|own| own.path == self.path);
        match own.and_then(|own| own.deadline) {
            Some(deadline) if deadline <= now => None,
            Some(deadline) => Some(deadline),
            None => Some(now + PATIENCE),
        }
    }
}

/// The right to work on a file, which the next one has when this is dropped.
pub(super) struct Claim(pub(super) ClaimedFile);

impl Drop for Claim {
    fn drop(&mut self) {
        let ClaimedFile { state, path } = &self.0;
        let mut claimed = state.claimed.lock();
        claimed.retain(|other| other.path != *path);
        drop(claimed);
        state.released.notify_waiters();
    }
}
