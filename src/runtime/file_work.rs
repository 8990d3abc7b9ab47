//! All work on files that the running agent does: on a few threads of its own
//! and with a deadline, so that a file system that hangs holds up nothing else.
//!
//! A system call that hangs, as on a file system whose server is away, cannot
//! be given up, and keeps its thread. So nothing of the runtime waits for one:
//! not its workers, not its blocking threads, and not its shutdown. Each use of
//! files has threads of its own, one file has one thread at the most, and one directory has
//! few.

mod claims;
mod file_use;
mod threads;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(not(test))]
use std::sync::LazyLock;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use self::claims::{ClaimedFile, UseState};
pub(crate) use self::file_use::FileUse;
use crate::runtime::clock;

/// How long a disk may take for what the agent reads or writes now and then,
/// before it counts as one that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Work on a file was not done, or nobody knows yet whether it was.
#[derive(Debug, Error)]
pub(crate) enum FileWorkError {
    /// The work was begun, now or earlier, and has not ended.
    #[error(
        "the file system of `{}` does not answer: see `timeout 5 stat {}` and `findmnt -T {}`",
        .0.display(), .0.display(), .0.display()
    )]
    Hangs(PathBuf),
    /// All threads are busy with others.
    #[error(
        "`{}` has to wait for other files, whose file systems do not answer: see `timeout 5 stat \
         {}`", .path.display(), .hanging.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// The one that has kept a thread for longest.
        hanging: PathBuf,
    },
    /// There is no thread.
    #[error("cannot start a thread for the work on files")]
    Thread(#[source] io::Error),
    /// The work ended without a result.
    #[error("the work on `{}` failed", .0.display())]
    Failed(PathBuf),
}

impl From<FileWorkError> for io::Error {
    fn from(error: FileWorkError) -> Self {
        let kind = match error {
            FileWorkError::Hangs(_) | FileWorkError::Busy { .. } => io::ErrorKind::TimedOut,
            FileWorkError::Thread(_) | FileWorkError::Failed(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Does `work` on the file `path` on a thread for this use, and hands back what
/// it came to, if it has by `deadline`.
///
/// Work on a file begins when earlier work on the same file has ended. Where
/// that is past its own deadline, this fails at once. Work that has begun goes
/// on when whoever asked for it gives up.
pub(crate) async fn run<R, W>(
    file_use: FileUse,
    path: &Path,
    deadline: Instant,
    work: W,
) -> Result<R, FileWorkError>
where
    R: Send + 'static,
    W: FnOnce() -> R + Send + 'static,
{
    all().run(file_use, path, deadline, work).await
}

/// The same, with [`PATIENCE`].
pub(crate) async fn run_patiently<R, W>(
    file_use: FileUse,
    path: &Path,
    work: W,
) -> Result<R, FileWorkError>
where
    R: Send + 'static,
    W: FnOnce() -> R + Send + 'static,
{
    run(file_use, path, now() + PATIENCE, work).await
}

/// The same for work that computes as well, as long as the machine needs: each
/// [`access`] alone has [`PATIENCE`].
pub(crate) async fn run_with_accesses<R, W>(
    file_use: FileUse,
    path: &Path,
    work: W,
) -> Result<R, FileWorkError>
where
    R: Send + 'static,
    W: FnOnce() -> R + Send + 'static,
{
    all()
        .run_limited(file_use, path, Limit::EachAccess, work)
        .await
}

/// The files whose work is past its deadline.
pub(crate) fn hung_files() -> Vec<PathBuf> {
    let (all, now) = (all(), now());
    let hung = all.uses.iter().flat_map(|state| {
        let claimed = state.claimed.lock();
        let hung = claimed.iter().filter(|other| other.hangs(now));
        hung.map(|other| other.path.clone()).collect::<Vec<_>>()
    });
    hung.collect()
}

/// The threads of this process.
#[cfg(not(test))]
fn all() -> Arc<FileWork> {
    static ALL: LazyLock<Arc<FileWork>> = LazyLock::new(Arc::default);
    Arc::clone(&ALL)
}

/// The files of one test: the clock of another test, which is paused, says nothing here.
#[cfg(test)]
fn all() -> Arc<FileWork> {
    thread_local! {
        static ALL: Arc<FileWork> = Arc::default();
    }
    ALL.with(Arc::clone)
}

/// Accesses the file system, in work of [`run_with_accesses`] with a deadline.
pub(crate) fn access<R>(access: impl FnOnce() -> R) -> R {
    let set_deadline = |deadline| {
        CURRENT.with_borrow(|current| {
            if let Some(current) = current {
                current.set_deadline(deadline);
            }
        });
    };
    set_deadline(Some(now() + PATIENCE));
    let found = access();
    set_deadline(None);
    found
}

thread_local! {
    /// The file whose work this thread does, where only accesses have deadlines.
    static CURRENT: RefCell<Option<ClaimedFile>> = const { RefCell::new(None) };
}

/// Does the work with each [`access`] counted for this file.
fn with_accesses_of<R>(file: &ClaimedFile, work: impl FnOnce() -> R) -> R {
    struct Current;

    impl Drop for Current {
        fn drop(&mut self) {
            CURRENT.set(None);
        }
    }

    CURRENT.set(Some(file.clone()));
    let _current = Current;
    work()
}

fn now() -> Instant {
    Instant::from_std(clock::monotonic())
}

/// What has to be over in time.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// All the work, by then.
    Whole(Instant),
    /// Each access to the file system, within [`PATIENCE`].
    EachAccess,
}

/// The threads of all uses.
struct FileWork {
    uses: Vec<Arc<UseState>>,
}

impl Default for FileWork {
    fn default() -> Self {
        let uses = FileUse::ALL.map(|file_use| Arc::new(UseState::new(file_use)));
        Self { uses: uses.into() }
    }
}

impl FileWork {
    async fn run<R, W>(
        &self,
        file_use: FileUse,
        path: &Path,
        deadline: Instant,
        work: W,
    ) -> Result<R, FileWorkError>
    where
        R: Send + 'static,
        W: FnOnce() -> R + Send + 'static,
    {
        self.run_limited(file_use, path, Limit::Whole(deadline), work)
            .await
    }

    async fn run_limited<R, W>(
        &self,
        file_use: FileUse,
        path: &Path,
        limit: Limit,
        work: W,
    ) -> Result<R, FileWorkError>
    where
        R: Send + 'static,
        W: FnOnce() -> R + Send + 'static,
    {
        #[cfg(test)]
        let _paused = tests::paused_clock_stands();
        let found = self.uses.iter().find(|state| state.file_use == file_use);
        let state = found.ok_or_else(|| FileWorkError::Failed(path.to_owned()))?;
        let (deadline, of_work) = match limit {
            Limit::Whole(deadline) => (deadline, Some(deadline)),
            Limit::EachAccess => (now() + PATIENCE, None),
        };
        let claim = UseState::claim(state, path, deadline).await?;
        if state.all_hang() {
            return Err(state.busy(path));
        }
        let room = Arc::clone(&state.room).acquire_owned();
        let Ok(Ok(room)) = timeout_at(deadline, room).await else {
            return Err(state.busy(path));
        };
        let file = claim.0.clone();
        file.begin(of_work);
        let (done, mut result) = oneshot::channel();
        let job = move || {
            let found = match limit {
                Limit::Whole(_) => work(),
                Limit::EachAccess => with_accesses_of(&claim.0, work),
            };
            // In this order: who takes over finds room.
            drop((claim, room));
            // Nobody may wait for it any more.
            let _ = done.send(found);
        };
        let working = state.room_taken();
        let started = state.threads.give(Box::new(job), working);
        started.map_err(FileWorkError::Thread)?;
        let mut next_look = deadline;
        loop {
            match timeout_at(next_look, &mut result).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(_)) => return Err(FileWorkError::Failed(path.to_owned())),
                Err(_) => {
                    let hangs = || FileWorkError::Hangs(path.to_owned());
                    next_look = file.next_look(limit).ok_or_else(hangs)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
