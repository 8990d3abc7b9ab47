//! Files that others put there, opened so that none of them can make us wait.

use std::fs::{self, File, FileType};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open as open_descriptor};

/// Opens a file to be read, and refuses what is not a regular one: a FIFO
/// would wait for its writer, a device may do something when it is opened. (A
/// directory is left to the reading, which fails with `EISDIR`.)
pub(crate) fn open(path: &Path) -> io::Result<File> {
    regular(fs::metadata(path)?.file_type())?;
    // The path may lead to another file by now: `O_NONBLOCK` does not wait for the writer
    // of a FIFO, and is without effect on a regular file (open(2)).
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(open_descriptor(path, flags, Mode::empty())?);
    regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// All that a regular file has, which is `most` bytes at the most.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    let length = file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(length).is_ok_and(|length| length > most) {
        let message = format!("it is larger than {} MiB", most / (1024 * 1024));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Fails for a FIFO, a socket and a device.
pub(super) fn regular(found: FileType) -> io::Result<()> {
    let what = if found.is_fifo() {
        "a FIFO"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_char_device() || found.is_block_device() {
        "a device"
    } else {
        return Ok(());
    };
    let message = format!("this is {what}, not a regular file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

#[cfg(test)]
mod tests;
