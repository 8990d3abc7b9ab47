use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio::time::timeout_at;

use super::Advice;
use super::advice::Said;
use super::probing::Probing;
use super::verdict::{Failure, Pass, Verdict};
use crate::config::FileCheck;
use crate::regular_file;

/// The most that is read.
const LINE: u64 = 1024;
/// How many files are read at a time: half of the runtime's blocking threads
/// (`tokio::runtime::Builder::max_blocking_threads`), so that a file system
/// that hangs leaves the other half to all else.
const READS: usize = 256;

/// The first line of a file on this host that is not blank, in the words of
/// the agent check.
///
/// A file that is not there, or is empty, takes back what it has said: the
/// configured weight holds. One that cannot be read or understood is this
/// host's own trouble, so all stays as it is.
pub(super) async fn probe(probing: Probing<'_>, check: &FileCheck) -> Verdict {
    let path = probing.fill_in(&check.path);
    let ready = |detail| Pass {
        advice: Some(Advice::Ready),
        ..Pass::new(detail)
    };
    // A little before the whole probe is given up as if it were the real server's fault.
    let deadline = probing.deadline - probing.timeout / 10;
    let content = match timeout_at(deadline, probing.reads.read(&path, start_of)).await {
        Ok(Ok(content)) => content,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(ready("no file")),
        Ok(Err(error)) => {
            let failure = Failure::internal(format!("cannot read {path}: {error}"));
            return Err(failure.fixed_here(format!(
                "let the agent read the file (`namei -l {path}`, `stat {path}`), or correct the \
                 check's `path`"
            )));
        }
        Err(_) => {
            return Err(Failure::internal(format!(
                "cannot read {path} in time: its file system hangs, or this host is busy"
            ))
            .fixed_here(format!(
                "see whether the file system answers: `timeout 5 stat {path}`, `findmnt -T {path}`"
            )));
        }
    };
    match Said::read(content.trim_ascii_start()) {
        Ok(said) if said.is_empty() => Ok(ready("an empty file")),
        Ok(said) => said.verdict(),
        Err(failure) => Err(
            Failure::internal(format!("{path}: {}", failure.detail)).fixed_here(format!(
                "write one of `up`, `down`, `drain`, `maint`, `ready`, a weight or a percentage \
                 into {path}"
            )),
        ),
    }
}

/// The files that are being read for all probes.
///
/// A read that hangs, as on a file system whose server is away, cannot be
/// given up, and keeps its thread. So there is one a file at the most, whatever
/// became of the probe that began it.
#[derive(Debug)]
pub(super) struct FileReads {
    turns: Turns,
    room: Arc<Semaphore>,
}

/// Whose turn it is to read a file, for each that is waited for or being read.
type Turns = Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>;

impl FileReads {
    pub(super) fn new() -> Self {
        Self {
            turns: Turns::default(),
            room: Arc::new(Semaphore::new(READS)),
        }
    }

    /// What `read` finds in the file, once every earlier read of it has ended.
    async fn read<R>(&self, path: &str, read: R) -> io::Result<Vec<u8>>
    where
        R: FnOnce(&Path) -> io::Result<Vec<u8>> + Send + 'static,
    {
        let turn = Arc::clone(lock(&self.turns).entry(path.to_owned()).or_default());
        let turn = Turn {
            held: Some(turn.lock_owned().await),
            path: path.to_owned(),
            turns: Arc::clone(&self.turns),
        };
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.map_err(io::Error::other)?;
        let reading = tokio::task::spawn_blocking(move || {
            let found = read(Path::new(&turn.path));
            drop((turn, room));
            found
        });
        reading.await?
    }
}

fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    regular_file::open(path)?
        .take(LINE)
        .read_to_end(&mut start)?;
    Ok(start)
}

/// The right to read a file, which the next one has when this is dropped.
struct Turn {
    /// `None` while it is dropped.
    held: Option<OwnedMutexGuard<()>>,
    path: String,
    turns: Turns,
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut turns = lock(&self.turns);
        // Under this lock nobody else can come to wait for it.
        if turns.get(&self.path).map(Arc::strong_count) == Some(1) {
            turns.remove(&self.path);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
