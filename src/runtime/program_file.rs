//! The look at a program's file before the program is started.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::regular_file;

/// The most interpreters that a program takes, one for the other (`BINPRM_MAX_RECURSION`
/// in the kernel's `fs/exec.c`).
const INTERPRETERS: usize = 5;

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

#[cfg(test)]
mod tests;
