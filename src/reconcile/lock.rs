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
    _file: File,
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
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(error)?;
        match file.try_lock() {
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
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(error)?;
        Ok(Self { _file: file })
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
}
