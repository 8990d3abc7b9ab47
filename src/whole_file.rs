//! Files that are written whole or not at all.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Puts `text` in the place of the file: a new file, flushed, takes its name,
/// so that whoever reads it finds the old text or the new one. Its directory
/// must exist. The same trouble makes the same error in every attempt.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    try_to_replace(path, text).map_err(|error| bare(&error))
}

fn try_to_replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
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
