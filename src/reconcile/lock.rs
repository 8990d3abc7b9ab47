//! Locks: one agent for each role and state directory.

mod held_file;

use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Weak, mpsc};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use self::held_file::{HeldFile, Refused, is_at, open};
use crate::model::{Role, Severity};
use crate::runtime::file_work::{self, FileUse, FileWorkError};
use crate::runtime::shared::Shared;
use crate::runtime::stored_file::{Damage, IfDamaged, Purpose, StoredFile};
use crate::runtime::{atomic_write, clock};
use crate::status::{Conditions, SharedConditions};

/// Where the locks are. Fixed, so that two agents with different
/// configurations find each other.
const DIRECTORY: &str = "/run/lvs-agent";

/// The kernel takes a moment to end a process that was killed, and holds its
/// locks until then.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(50);

/// From one look whether the state directory is the same to the next.
const LOOK: Duration = Duration::from_secs(5);

/// How long the end of the process waits for the state directory.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// A lock file in whose place something else is, such as a directory. The file is only locked:
/// its content does not matter, and so has no version.
static PURPOSE: Purpose = Purpose {
    version: 0,
    is_needed: false,
    severity: Severity::Warning,
    consequence: "a process that held the lock before holds it no longer, so two agents of the \
                  role may be running",
    fix: "see that a single agent of the role runs here: `ps -o pid,args -C lvs-agent`",
    moved: "",
};

/// Held while this process writes the kernel: one agent a role and network
/// namespace, which is what an IPVS table and a set of addresses belong to.
///
/// The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct RoleLock {
    path: PathBuf,
    /// What was in the place of the file.
    damage: Option<Damage>,
    _held: HeldFile,
}

/// Held while this process writes the files of its role in the state
/// directory, which an agent in another network namespace may share.
#[derive(Debug)]
pub(crate) struct StateLock {
    directory: PathBuf,
    role: Role,
    /// `None` where the directory cannot be written: then nobody writes there.
    held: Shared<Option<HeldFile>>,
    /// Whether another agent has the directory that has the name by now, which is told.
    is_lost: AtomicBool,
    /// What was in the place of the file when the lock was taken.
    damage: Option<Damage>,
}

/// What [`StateLock::look`] has changed.
#[derive(Debug, Default)]
struct LookResult {
    /// Whether the lock was taken again.
    is_taken: bool,
    /// What was in the place of the file.
    damage: Option<Damage>,
}

/// The lock could not be had.
#[derive(Debug, Error)]
pub(crate) enum LockError {
    /// Another agent has it.
    #[error(
        "another lvs-agent{} already runs here as {}: stop it first (`systemctl stop` or `kill`)",
        process(.pid.as_ref()), name_of(*.role)
    )]
    Held {
        /// Its process id, where it could be read.
        pid: Option<String>,
        /// Its role.
        role: Role,
    },
    /// Another agent has the state directory.
    #[error(
        "another lvs-agent{} keeps its state as {} in `{}`, and each would overwrite the file of \
         the other: stop that one, or give this one a `state_dir` of its own",
        process(.pid.as_ref()), name_of(*.role), .directory.display()
    )]
    StateHeld {
        /// Its process id, where it could be read.
        pid: Option<String>,
        /// Its role.
        role: Role,
        /// The state directory.
        directory: PathBuf,
    },
    /// Another file has the name of the state directory.
    #[error(
        "the state directory `{}` is no directory: move away the file of that name, or correct \
         `state_dir`", .0.display()
    )]
    NoDirectory(PathBuf),
    /// The state directory cannot be looked at.
    #[error("cannot lock the state directory")]
    StateDirectory(#[source] FileWorkError),
    /// The lock file cannot be used.
    #[error("cannot use the lock file `{}`: run as root", .0.display())]
    File(PathBuf, #[source] io::Error),
}

fn process(pid: Option<&String>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

fn name_of(role: Role) -> &'static str {
    match role {
        Role::Director => "director",
        Role::RealServer => "real server",
    }
}

impl RoleLock {
    /// Takes the lock of `role` in this network namespace, or says who has it.
    ///
    /// Waits for a process that is ending: for up to 2 s.
    pub(crate) async fn take(role: Role) -> Result<Self, LockError> {
        patiently(async || Self::take_in(Path::new(DIRECTORY), role)).await
    }

    /// Whether an agent of this role runs in this network namespace. One whose
    /// lock cannot be looked at does not count.
    pub(crate) fn is_held(role: Role) -> bool {
        let file = Self::path(Path::new(DIRECTORY), role)
            .and_then(|path| open(&mut OpenOptions::new(), &path));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    fn path(directory: &Path, role: Role) -> io::Result<PathBuf> {
        let namespace = fs::metadata("/proc/self/ns/net")?.ino();
        Ok(directory.join(format!("{}-{namespace}.lock", role.as_str())))
    }

    fn take_in(directory: &Path, role: Role) -> Result<Self, LockError> {
        let error = |error| LockError::File(directory.to_owned(), error);
        fs::create_dir_all(directory).map_err(error)?;
        let path = Self::path(directory, role).map_err(error)?;
        let damage = set_aside_irregular(&path);
        let held = HeldFile::take(path.clone()).map_err(|refused| match refused {
            Refused::Held(pid) => LockError::Held { pid, role },
            Refused::Io(error) => LockError::File(path.clone(), error),
        })?;
        remove_others(directory, &path);
        Ok(Self {
            damage: damage.or_else(|| lock_file(&path).earlier_damage()),
            path,
            _held: held,
        })
    }

    /// Notes what was in the place of the file.
    pub(crate) fn note_damage(&self, conditions: &Conditions) {
        conditions.note_damage(&self.path, self.damage.as_ref(), clock::wall());
    }
}

impl StateLock {
    /// Takes the lock of the files of `role` in `directory`, or says who has
    /// it, as [`RoleLock::take`] does. Then no other process writes these
    /// files: what one that was killed left of a file half-written is removed.
    ///
    /// A directory that cannot be written is no reason not to run.
    pub(crate) async fn take(directory: &Path, role: Role) -> Result<Self, LockError> {
        patiently(async || {
            let of = directory.to_owned();
            let take = move || Self::take_in(&of, role);
            let taken = file_work::run_patiently(FileUse::State, directory, take).await;
            taken.unwrap_or_else(|error| Err(LockError::StateDirectory(error)))
        })
        .await
    }

    fn take_in(directory: &Path, role: Role) -> Result<Self, LockError> {
        let path = Self::path(directory, role);
        let damage = set_aside_irregular(&path);
        let taken = fs::create_dir_all(directory)
            .map_err(Refused::Io)
            .and_then(|()| HeldFile::take(path.clone()));
        let lock = |held| Self {
            directory: directory.to_owned(),
            role,
            held: Shared::new(held),
            is_lost: AtomicBool::new(false),
            damage: damage.or_else(|| lock_file(&path).earlier_damage()),
        };
        let held = match taken {
            Ok(held) => held,
            Err(Refused::Held(pid)) => {
                let directory = directory.to_owned();
                return Err(LockError::StateHeld {
                    pid,
                    role,
                    directory,
                });
            }
            Err(Refused::Io(_)) if is_no_directory(directory) => {
                return Err(LockError::NoDirectory(directory.to_owned()));
            }
            Err(Refused::Io(error)) => {
                let directory = directory.display();
                warn!(%directory, %error, "the state directory cannot be locked");
                return Ok(lock(None));
            }
        };
        let files: &[&str] = match role {
            Role::Director => &[
                "director.json",
                "director-memory.json",
                "drains.json",
                "drains-memory.json",
            ],
            Role::RealServer => &["real_server.json"],
        };
        for file in files {
            atomic_write::remove_unfinished(&directory.join(file));
        }
        Ok(lock(Some(held)))
    }

    pub(super) fn path(directory: &Path, role: Role) -> PathBuf {
        directory.join(role.as_str()).with_extension("lock")
    }

    /// What is in the place of the lock's file, or was at an earlier start: for those who only
    /// read.
    pub(crate) fn damage(directory: &Path, role: Role) -> Option<Damage> {
        let file = lock_file(&Self::path(directory, role));
        let found = file.check_is_regular(IfDamaged::Leave);
        found.or_else(|| file.earlier_damage())
    }

    /// Notes what was in the place of the file when the lock was taken.
    pub(crate) fn note_damage(&self, conditions: &Conditions) {
        let path = Self::path(&self.directory, self.role);
        conditions.note_damage(&path, self.damage.as_ref(), clock::wall());
    }

    /// Looks again and again whether the directory is still the one that is locked, until
    /// the lock is gone.
    pub(crate) async fn keep(lock: Weak<Self>, conditions: SharedConditions) {
        loop {
            sleep(LOOK).await;
            let Some(lock) = lock.upgrade() else {
                return;
            };
            let directory = lock.directory.clone();
            let path = Self::path(&directory, lock.role);
            let compare = move || lock.look();
            // Of a file system that hangs the writers tell.
            let looked = file_work::run_patiently(FileUse::State, &directory, compare).await;
            if let Ok(LookResult { is_taken, damage }) = looked
                && (is_taken || damage.is_some())
            {
                conditions.note_damage(&path, damage.as_ref(), clock::wall());
            }
        }
    }

    /// Takes the lock again where the directory was moved away or the lock's file removed,
    /// since the agent goes on to write in the directory that has the name.
    fn look(&self) -> LookResult {
        let path = Self::path(&self.directory, self.role);
        let mut held = self.held.lock();
        let is_held = held.as_ref().is_some_and(|held| is_at(&held.file, &path));
        if is_held || !self.directory.is_dir() {
            return LookResult::default();
        }
        let damage = set_aside_irregular(&path);
        let directory = self.directory.display();
        let taken = HeldFile::take(path);
        let is_taken = taken.is_ok();
        match taken {
            Ok(taken) => {
                *held = Some(taken);
                self.is_lost.store(false, Ordering::Relaxed);
                warn!(%directory, "the state directory or its lock file was replaced: it is locked again");
            }
            Err(Refused::Held(pid)) => {
                if !self.is_lost.swap(true, Ordering::Relaxed) {
                    let pid = pid.as_deref();
                    error!(
                        %directory,
                        pid,
                        "another lvs-agent has locked the state directory, and each overwrites \
                         the file of the other: stop one of them, or give one a `state_dir` of \
                         its own"
                    );
                }
            }
            // The writers tell of a directory that cannot be written.
            Err(Refused::Io(_)) => {}
        }
        LookResult { is_taken, damage }
    }
}

fn lock_file(path: &Path) -> StoredFile {
    StoredFile::new(path.to_owned(), &PURPOSE)
}

/// Sets aside what is in the place of a lock's file and is no regular file.
fn set_aside_irregular(path: &Path) -> Option<Damage> {
    lock_file(path).check_is_regular(IfDamaged::SetAside)
}

/// Whether no directory can be there as long as somebody's file, or a link that
/// leads round, is. What is not there may come, such as a disk.
fn is_no_directory(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(found) => !found.is_dir(),
        Err(error) => {
            error.kind() == io::ErrorKind::NotADirectory
                || Errno::from_io_error(&error) == Some(Errno::LOOP)
        }
    }
}

/// Tries again while another process has the lock, for up to 2 s.
async fn patiently<L>(take: impl AsyncFn() -> Result<L, LockError>) -> Result<L, LockError> {
    let taking = async {
        loop {
            match take().await {
                Err(LockError::Held { .. } | LockError::StateHeld { .. }) => sleep(INTERVAL).await,
                taken => return taken,
            }
        }
    };
    match timeout(PATIENCE, taking).await {
        Ok(taken) => taken,
        Err(_) => take().await,
    }
}

impl Drop for StateLock {
    /// The end of the process does not wait for a file system that hangs.
    fn drop(&mut self) {
        let Some(held) = self.held.lock().take() else {
            return;
        };
        let (ended, end) = mpsc::channel();
        let thread = thread::Builder::new().name("file-unlock".to_owned());
        let unlock = move || {
            drop(held);
            // Nobody may wait any more.
            let _ = ended.send(());
        };
        // Where there is no thread, the lock is dropped here, with what it owns.
        if thread.spawn(unlock).is_ok() {
            // A file that stays is taken over by the next agent.
            let _ = end.recv_timeout(LAST_PATIENCE);
        }
    }
}

/// Removes the lock files that nobody holds: those of agents that were killed,
/// in network namespaces that may be gone.
fn remove_others(directory: &Path, own: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_lock = path
            .extension()
            .is_some_and(|extension| extension == "lock");
        if !is_lock || path == own {
            continue;
        }
        // What cannot be removed now is left to the next agent.
        if let Ok(file) = open(&mut OpenOptions::new(), &path)
            && file.try_lock().is_ok()
            && is_at(&file, &path)
        {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests;
