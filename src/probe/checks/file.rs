//! The check `file`: the content of a file on the director.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::config::FileCheck;
use crate::probe::WeightAdvice;
use crate::probe::exchange_result::{ExchangeResult, Failure, Pass};
use crate::probe::haproxy_reply::{ADVICE, HaproxyReply};
use crate::probe::probing::Probing;
use crate::runtime::error_chain::error_chain;
use crate::runtime::file_work::{self, FileUse, FileWorkError};
use crate::runtime::regular_file;

/// The most that is read.
const LINE: u64 = 1024;
/// The first line of a file on this host that is not blank, in the words of
/// the agent check.
///
/// A file that is not there, or is empty, takes back what it has said: the
/// configured weight holds. One that cannot be read or understood is this
/// host's own fault, so the health stays as it is.
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &FileCheck) -> ExchangeResult {
    let path = probing.fill_in(&check.path);
    let ready = |detail| Pass {
        advice: Some(WeightAdvice::Ready),
        ..Pass::new(detail)
    };
    let deadline = probing.own_deadline();
    let file = PathBuf::from(&path);
    let reading = move || start_of(&file);
    let content = match file_work::run(FileUse::Checks, Path::new(&path), deadline, reading).await {
        Ok(Ok(content)) => content,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(ready("no file")),
        Ok(Err(error)) => {
            let failure = Failure::internal(format!("cannot read {path}: {error}"));
            return Err(failure.with_director_fix(format!(
                "let the agent read the file (`namei -l {path}`, `stat {path}`), or correct the \
                 check's `path`"
            )));
        }
        Err(FileWorkError::Hangs(_)) => {
            return Err(Failure::internal(format!(
                "cannot read {path} in time: its file system does not answer, or this host is busy"
            ))
            .with_director_fix(format!(
                "see whether the file system answers: `timeout 5 stat {path}`, `findmnt -T {path}`"
            )));
        }
        Err(error) => {
            let error = error_chain(&error);
            return Err(Failure::internal(format!("cannot read {path}: {error}")));
        }
    };
    match HaproxyReply::parse(content.trim_ascii_start()) {
        Ok(reply) if reply.is_empty() => Ok(ready("an empty file")),
        Ok(reply) => reply.exchange_result().map_err(|failure| {
            failure.with_director_fix(format!(
                "see who has written so into {path} (`stat {path}`): somebody may have taken the \
                 real server out of service on purpose"
            ))
        }),
        // Who writes there may have put a link to a secret of the agent's in the place of the
        // file, and what a probe says is for everybody who reads the status.
        Err(_) => Err(Failure::internal(format!("what {path} has is no advice"))
            .with_director_fix(format!(
                "write {ADVICE} into {path} (`head -n 1 {path}` shows what it has)"
            ))),
    }
}

fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    regular_file::open(path)?
        .take(LINE)
        .read_to_end(&mut start)?;
    Ok(start)
}

#[cfg(test)]
mod tests;
