//! All work on files that the running agent does: on a few threads of its own
//! and with a deadline, so that a file system that hangs holds up nothing else.
//!
//! A system call that hangs, as on a file system whose server is away, cannot
//! be given up, and keeps its thread. So nothing of the runtime waits for one:
//! not its workers, not its blocking threads, and not its shutdown. Each use of
//! files has threads of its own, one file has one thread at the most, and a
//! directory [`PER_DIRECTORY`].

mod threads;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(not(test))]
use std::sync::LazyLock;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use self::threads::Threads;
use crate::runtime::shared::Shared;
use crate::runtime::{clock, regular_file};

/// How long a disk may take for what the agent reads or writes now and then,
/// before it counts as one that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The most interpreters that a program takes, one for the other (`BINPRM_MAX_RECURSION`
/// in the kernel's `fs/exec.c`).
const INTERPRETERS: usize = 5;

/// So many files of one directory are worked on at a time: where they hang, so
/// would the others.
const PER_DIRECTORY: usize = 2;

/// What files are used for. Each use has its own threads, so that one which
/// hangs is felt by none of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileUse {
    /// The state file.
    State,
    /// The file of what is drained.
    Drains,
    /// The configuration and what it includes.
    Configuration,
    /// Certificates and keys.
    Tls,
    /// The names of users and of hosts, which may come from a file or from the network.
    Users,
    /// The files that `file` checks read.
    Checks,
    /// The programs that `exec` checks run.
    Programs,
}

impl FileUse {
    const ALL: [Self; 7] = [
        Self::State,
        Self::Drains,
        Self::Configuration,
        Self::Tls,
        Self::Users,
        Self::Checks,
        Self::Programs,
    ];

    /// The name of its threads, of 15 bytes at the most (`prctl(2)`).
    const fn thread_name(self) -> &'static str {
        match self {
            Self::State => "file-state",
            Self::Drains => "file-drains",
            Self::Configuration => "file-config",
            Self::Tls => "file-tls",
            Self::Users => "file-users",
            Self::Checks => "file-checks",
            Self::Programs => "file-programs",
        }
    }

    /// The most threads that it ever has: 32 for all uses together.
    const fn threads(self) -> usize {
        match self {
            Self::State | Self::Drains | Self::Configuration => 1,
            Self::Users => 2,
            Self::Tls => 3,
            Self::Programs => 8,
            Self::Checks => 16,
        }
    }
}

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

/// Looks at a program before it is started, for what starts it would hang
/// where its file system does, and cannot be ended then.
///
/// So would the interpreter that a script names, and the interpreter's own
/// (`execve(2)` follows four).
pub(crate) fn touch(program: &Path) {
    let mut program = program.to_owned();
    for _ in 0..=INTERPRETERS {
        let mut page = [0; 4096];
        let opened = regular_file::open(&program);
        // What is wrong with it the start tells.
        let Ok(length) = opened.and_then(|mut file| file.read(&mut page)) else {
            return;
        };
        match interpreter(page.get(..length).unwrap_or_default()) {
            Some(next) => program = next,
            None => return,
        }
    }
}

/// The interpreter in the first line of a script.
fn interpreter(page: &[u8]) -> Option<PathBuf> {
    let line = page
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut words = line.split(is_blank).filter(|word| !word.is_empty());
    Some(PathBuf::from(OsStr::from_bytes(words.next()?)))
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

/// The files whose work is past its deadline.
pub(crate) fn hung_files() -> Vec<PathBuf> {
    let (all, now) = (all(), now());
    let hung = all.uses.iter().flat_map(|(_, state)| {
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
    static CURRENT: RefCell<Option<Place>> = const { RefCell::new(None) };
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
    uses: Vec<(FileUse, Arc<UseState>)>,
}

/// What one use has.
struct UseState {
    /// One permit for each thread that may work.
    room: Arc<Semaphore>,
    threads: Threads,
    /// The files that are being worked on, or are next; oldest first.
    claimed: Shared<Vec<Claimed>>,
    /// Notified when a file is no longer claimed.
    released: Notify,
}

struct Claimed {
    path: PathBuf,
    /// Past this, it hangs; `None` while it computes.
    deadline: Option<Instant>,
    /// Whether a thread works on it.
    begun: bool,
}

impl Claimed {
    fn hangs(&self, now: Instant) -> bool {
        self.begun && self.deadline.is_some_and(|deadline| deadline < now)
    }
}

impl Default for FileWork {
    fn default() -> Self {
        let state = |file_use: FileUse| UseState {
            room: Arc::new(Semaphore::new(file_use.threads())),
            threads: Threads::new(file_use.thread_name()),
            claimed: Shared::default(),
            released: Notify::new(),
        };
        let uses = FileUse::ALL.map(|file_use| (file_use, Arc::new(state(file_use))));
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
        let found = self.uses.iter().find(|(of, _)| *of == file_use);
        let (_, state) = found.ok_or_else(|| FileWorkError::Failed(path.to_owned()))?;
        let (deadline, of_work) = match limit {
            Limit::Whole(deadline) => (deadline, Some(deadline)),
            Limit::EachAccess => (now() + PATIENCE, None),
        };
        let claim = UseState::claim(state, path, deadline).await?;
        if state.all_hang(file_use) {
            return Err(state.busy(path));
        }
        let room = Arc::clone(&state.room).acquire_owned();
        let Ok(Ok(room)) = timeout_at(deadline, room).await else {
            return Err(state.busy(path));
        };
        let place = claim.0.clone();
        place.begin(of_work);
        let (done, mut result) = oneshot::channel();
        let job = move || {
            let found = match limit {
                Limit::Whole(_) => work(),
                Limit::EachAccess => claim.0.while_current(work),
            };
            // In this order: who takes over finds room.
            drop((claim, room));
            // Nobody may wait for it any more.
            let _ = done.send(found);
        };
        let working = state.room_taken(file_use);
        let started = state.threads.give(Box::new(job), working);
        started.map_err(FileWorkError::Thread)?;
        let mut next_look = deadline;
        loop {
            match timeout_at(next_look, &mut result).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(_)) => return Err(FileWorkError::Failed(path.to_owned())),
                Err(_) => {
                    let hangs = || FileWorkError::Hangs(path.to_owned());
                    next_look = place.next_look(limit).ok_or_else(hangs)?;
                }
            }
        }
    }
}

impl UseState {
    /// The right to work on the file, once nobody else has it.
    async fn claim(
        state: &Arc<Self>,
        path: &Path,
        deadline: Instant,
    ) -> Result<Claim, FileWorkError> {
        loop {
            let released = state.released.notified();
            if state.try_claim(path)? {
                return Ok(Claim(Place {
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
                claimed.push(Claimed {
                    path: path.to_owned(),
                    deadline: None,
                    begun: false,
                });
                Ok(true)
            }
        }
    }

    /// Whether each thread is past its deadline.
    fn all_hang(&self, file_use: FileUse) -> bool {
        let (claimed, now) = (self.claimed.lock(), now());
        let hanging = claimed.iter().filter(|other| other.hangs(now));
        hanging.count() >= file_use.threads()
    }

    fn busy(&self, path: &Path) -> FileWorkError {
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

    fn room_taken(&self, file_use: FileUse) -> usize {
        let free = self.room.available_permits();
        file_use.threads().saturating_sub(free)
    }
}

/// A file among those of its use.
#[derive(Clone)]
struct Place {
    state: Arc<UseState>,
    path: PathBuf,
}

impl Place {
    fn begin(&self, deadline: Option<Instant>) {
        self.change(|own| {
            own.begun = true;
            own.deadline = deadline;
        });
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        self.change(|own| own.deadline = deadline);
    }

    fn change(&self, change: impl FnOnce(&mut Claimed)) {
        let mut claimed = self.state.claimed.lock();
        if let Some(own) = claimed.iter_mut().find(|own| own.path == self.path) {
            change(own);
        }
    }

    /// Does the work with each [`access`] counted for this file.
    fn while_current<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Current;

        impl Drop for Current {
            fn drop(&mut self) {
                CURRENT.set(None);
            }
        }

        CURRENT.set(Some(self.clone()));
        let _current = Current;
        work()
    }

    /// When to look again whether the work hangs; `None` if it does.
    fn next_look(&self, limit: Limit) -> Option<Instant> {
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
struct Claim(Place);

impl Drop for Claim {
    fn drop(&mut self) {
        let Place { state, path } = &self.0;
        let mut claimed = state.claimed.lock();
        claimed.retain(|other| other.path != *path);
        drop(claimed);
        state.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
