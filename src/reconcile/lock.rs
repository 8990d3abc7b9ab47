use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::snapshot::Mode;

/// Where the locks are. Fixed, so that two agents with different
/// configurations find each other.
const DIRECTORY: &str = "/run/lvs-agent";

/// The kernel takes a moment to end a process that was killed, and holds its
/// locks until then.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(50);

/// Held while this process writes the kernel: one agent a role and network
/// namespace, which is what an IPVS table and a set of addresses belong to.
///
/// The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct RoleLock {
    path: PathBuf,
    file: File,
}

impl Drop for RoleLock {
    /// While it is held, so that nobody else's file goes.
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            // One that stays is removed by the next agent.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The lock could not be had.
#[derive(Debug, Error)]
pub(crate) enum LockError {
    /// Another agent has it.
    #[error(
        "another lvs-agent{} already runs here as {}: stop it first (`systemctl stop` or `kill`)",
        .pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), match .mode {
            Mode::Director => "director",
            Mode::RealServer => "real server",
        }
    )]
    Held {
        /// Its process id, where it could be read.
        pid: Option<String>,
        /// Its role.
        mode: Mode,
    },
    /// The lock file cannot be used.
    #[error("cannot use the lock file `{}`: run as root", .0.display())]
    File(PathBuf, #[source] io::Error),
}

impl RoleLock {
    /// Takes the lock of `mode` in this network namespace, or says who has it.
    ///
    /// Waits for a process that is ending: for up to 2 s.
    pub(crate) async fn take(mode: Mode) -> Result<Self, LockError> {
        let directory = Path::new(DIRECTORY);
        let take = async {
            loop {
                match Self::take_in(directory, mode) {
                    Err(LockError::Held { .. }) => sleep(INTERVAL).await,
                    taken => return taken,
                }
            }
        };
        let taken = timeout(PATIENCE, take).await;
        taken.unwrap_or_else(|_| Self::take_in(directory, mode))
    }

    fn take_in(directory: &Path, mode: Mode) -> Result<Self, LockError> {
        let error = |error| LockError::File(directory.to_owned(), error);
        fs::create_dir_all(directory).map_err(error)?;
        let namespace = fs::metadata("/proc/self/ns/net").map_err(error)?.ino();
        let path = directory.join(format!("{}-{namespace}.lock", mode.as_str()));
        let error = |error| LockError::File(path.clone(), error);
        let mut file = loop {
            let mut file = open(OpenOptions::new().create(true), &path).map_err(error)?;
            match file.try_lock() {
                // The one who had it may have removed the file meanwhile.
                Ok(()) if is_at(&file, &path) => break file,
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    let read = file.read_to_string(&mut pid);
                    let pid = read
                        .ok()
                        .map(|_| pid.trim().to_owned())
                        .filter(|pid| !pid.is_empty());
                    return Err(LockError::Held { pid, mode });
                }
                Err(TryLockError::Error(e)) => return Err(error(e)),
            }
        };
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(error)?;
        remove_others(directory, &path);
        Ok(Self { path, file })
    }
}

fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options
        .read(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Whether this file still has this name.
fn is_at(file: &File, path: &Path) -> bool {
    let place = |of: &fs::Metadata| (of.dev(), of.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(file), Ok(named)) => place(&file) == place(&named),
        _ => false,
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
mod tests {
    use super::*;

    #[test]
    fn one_agent_a_role_and_the_second_is_told_who_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let take = |mode| RoleLock::take_in(directory.path(), mode);
        let held = take(Mode::Director).unwrap();
        let refused = take(Mode::Director).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        take(Mode::RealServer).expect("the other role is free");
        drop(held);
        take(Mode::Director).expect("free again");
    }

    #[test]
    fn no_files_pile_up() {
        let directory = tempfile::tempdir().unwrap();
        let names = || {
            let entries = fs::read_dir(directory.path()).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        let left = |name: &str| File::create(directory.path().join(name)).unwrap();
        left("director-1.lock");
        left("other");
        let other = left("director-2.lock");
        other.lock().unwrap();
        let held = RoleLock::take_in(directory.path(), Mode::Director).unwrap();
        let names_held = names();
        assert_eq!(names_held.len(), 3, "{names_held:?}");
        assert!(!names_held.contains(&"director-1.lock".to_owned()));
        drop(held);
        assert_eq!(names(), ["director-2.lock", "other"]);
    }

    #[test]
    fn of_many_at_once_one_has_it_though_the_file_goes_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let holders = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut had = 0;
                    while had < 200 {
                        let Ok(lock) = RoleLock::take_in(directory.path(), Mode::Director) else {
                            std::thread::yield_now();
                            continue;
                        };
                        let others = holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(others, 0, "held twice");
                        holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                        had += 1;
                    }
                });
            }
        });
    }
}
