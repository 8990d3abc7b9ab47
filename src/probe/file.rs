use std::io;

use tokio::io::AsyncReadExt as _;

use super::Advice;
use super::advice::Said;
use super::probing::Probing;
use super::verdict::{Failure, Pass, Verdict};
use crate::config::FileCheck;

/// The most that is read.
const LINE: u64 = 1024;

/// The first line of a file on this host, in the words of the agent check.
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
    let unreadable = |error: io::Error| Failure::internal(format!("cannot read {path}: {error}"));
    let file = match tokio::fs::File::open(&path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ready("no file")),
        Err(error) => return Err(unreadable(error)),
    };
    let mut content = Vec::new();
    let mut file = file.take(LINE);
    file.read_to_end(&mut content).await.map_err(unreadable)?;
    match Said::read(&content) {
        Ok(said) if said.is_empty() => Ok(ready("an empty file")),
        Ok(said) => said.verdict(),
        Err(failure) => Err(Failure::internal(format!("{path}: {}", failure.detail))),
    }
}

#[cfg(test)]
mod tests;
