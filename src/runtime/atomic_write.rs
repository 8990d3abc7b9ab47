//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use rustix::process::geteuid;
use tracing::info;

/// What the name of an unfinished file ends in; it begins with a `.` and the
/// name of the file, a `.` and this many letters and digits.
const UNFINISHED: &str = ".tmp";
const RANDOM: usize = 6;

/// Puts `text` in the place of the file: a new file, flushed, takes its name,
/// so that whoever reads it finds the old text or the new one. Its directory
/// must exist. The same cause makes the same error in every attempt.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    try_to_replace(path, text).map_err(|error| bare(&error))
}

/// Gives a file that root made to the owner of its directory: an agent that
/// runs as a user of its own must be able to open the files of a command that
/// root ran there.
pub(crate) fn give_to_owner_of(directory: &Path, file: &File) -> io::Result<()> {
    let directory = fs::metadata(directory)?;
    let owner = (directory.uid(), directory.gid());
    let made = file.metadata()?;
    if geteuid().is_root() && made.uid() != owner.0 {
        fchown(file, Some(owner.0), Some(owner.1))?;
    }
    Ok(())
}

/// Removes what processes that were killed left unfinished of this file.
/// Nobody may write it meanwhile.
pub(crate) fn remove_unfinished(path: &Path) {
    let Some(directory) = path.parent() else {
        return;
    };
    let prefix = unfinished_prefix(path);
    // What cannot be seen or removed now is left to the next start.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(UNFINISHED));
        let is_unfinished = random.is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if is_unfinished && fs::remove_file(entry.path()).is_ok() {
            let file = entry.path();
            info!(file = %file.display(), "removed an unfinished file of an agent that was killed");
        }
    }
}

fn unfinished_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

fn try_to_replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new()
        .prefix(&unfinished_prefix(path))
        .suffix(UNFINISHED)
        .rand_bytes(RANDOM)
        .tempfile_in(directory)?;
    give_to_owner_of(directory, file.as_file())?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(directory)?.sync_all()
}

/// The error without the name of the new file, which is another in every attempt.
fn bare(error: &io::Error) -> io::Error {
    let named = error.get_ref().and_then(|named| named.source());
    let inner = named.and_then(|inner| inner.downcast_ref::<io::Error>());
    let number = inner.unwrap_or(error).raw_os_error();
    number.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}
