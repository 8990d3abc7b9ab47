//! The files of a configuration: the one that is named, and those that it
//! includes; and those of its secrets. The only place in `config` that reads
//! files and the environment.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::node::Entry;
use super::problem::{Parsed, Problems, quoted};
use super::scalar::Value;
use crate::runtime::file_work::access;
use crate::runtime::regular_file;

/// Far above any cluster's: 20,000 real servers take about 1.5 MB. Holds for
/// all files of a configuration together.
pub(crate) const LARGEST: u64 = 16 * 1024 * 1024;
/// Far above any key's or header's.
const LARGEST_SECRET: u64 = 64 * 1024;
/// How many files a configuration may include.
const MOST_FILES: usize = 1000;

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// As it is shown.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Source {
    /// Its text without a byte order mark, or the line on which it is none.
    pub(super) fn text(&self) -> Result<&str, usize> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(error) => {
                let before = self.bytes.get(..error.valid_up_to()).unwrap_or_default();
                Err(before.split(|byte| *byte == b'\n').count())
            }
        }
    }
}

/// At most one byte more than [`LARGEST`], of a regular file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    access(|| up_to_largest(&regular_file::open(path)?))
}

/// The same of the file that was named, which may also be what whoever started
/// the program handed over: `/dev/stdin`, or a shell's `<(COMMAND)`.
pub(crate) fn read_main(path: &Path) -> io::Result<Vec<u8>> {
    if is_handed_over(path) {
        access(|| up_to_largest(&File::open(path)?))
    } else {
        read(path)
    }
}

/// Whether whoever started the program handed the file over, and writes it now.
pub(crate) fn is_handed_over(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd")
}

/// The same of standard input.
pub(crate) fn read_standard_input() -> io::Result<Vec<u8>> {
    up_to_largest(io::stdin().lock())
}

fn up_to_largest(input: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that holds a secret.
pub(super) struct SecretFile {
    pub(super) bytes: Vec<u8>,
    /// Whether it is readable for others than its owner and group.
    pub(super) is_public: bool,
}

/// Without what the file has.
impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFile")
            .field("is_public", &self.is_public)
            .finish_non_exhaustive()
    }
}

/// The file of a secret, of at most 64 KiB.
pub(super) fn read_secret(path: &Path) -> io::Result<SecretFile> {
    let (is_public, bytes) = access(|| {
        let file = regular_file::open(path)?;
        let is_public = file.metadata()?.permissions().mode() & 0o004 != 0;
        let mut bytes = Vec::new();
        file.take(LARGEST_SECRET + 1).read_to_end(&mut bytes)?;
        io::Result::Ok((is_public, bytes))
    })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_SECRET) {
        let message = format!("it is larger than {} KiB", LARGEST_SECRET / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(SecretFile { bytes, is_public })
}

/// A file of certificates, of at most 1 MiB.
pub(super) fn read_certificates(path: &Path) -> io::Result<Vec<u8>> {
    const LARGEST_CERTIFICATES: u64 = 1024 * 1024;
    access(|| regular_file::read(path, LARGEST_CERTIFICATES))
}

/// Why nobody could run the program at this path, where that can be seen from here.
pub(super) fn not_a_program(path: &Path) -> Option<&'static str> {
    match access(|| fs::metadata(path)) {
        Ok(found) if !found.is_file() => Some("is not a file"),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Some("is not executable"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("is not there"),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Some("is not there"),
        // Another user may be able to see the file.
        Ok(_) | Err(_) => None,
    }
}

/// The value of an environment variable.
pub(super) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// Whether the path leads to a directory.
pub(super) fn is_directory(path: &Path) -> io::Result<bool> {
    access(|| fs::metadata(path)).map(|found| found.is_dir())
}

/// Where the path of `include` starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Base<'p> {
    /// In the directory of the file that has `include`.
    File(&'p Path),
    /// In another directory, which the user named.
    Named(&'p Path),
    /// In the working directory: the text is from standard input.
    Working,
}

impl<'p> Base<'p> {
    fn directory(self) -> &'p Path {
        match self {
            Self::File(directory) | Self::Named(directory) => directory,
            Self::Working => Path::new(""),
        }
    }
}

/// As in "the path starts ...".
impl fmt::Display for Base<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("where this file is"),
            Self::Named(directory) => {
                write!(f, "in {}", quoted(&directory.display().to_string()))
            }
            Self::Working => f.write_str("in the working directory"),
        }
    }
}

/// The files that `include` names, relative to `base` and sorted by name.
/// `taken` is how many bytes the including file has.
pub(super) fn included(
    entry: &Entry,
    base: Option<Base<'_>>,
    taken: usize,
    problems: &mut Problems,
) -> Parsed<Vec<Source>> {
    let Some(base) = base else {
        let message = "`include` starts where the file is, and this text is from no file";
        return Err(problems.add(entry.key.location, message, "give the path of the file"));
    };
    let paths = paths(entry, base, problems)?;
    let mut taken = u64::try_from(taken).unwrap_or(u64::MAX);
    let mut sources = Vec::new();
    let mut all = Ok(());
    for path in paths {
        let name = path.display().to_string();
        match read(&path) {
            Ok(bytes) => {
                taken = taken.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if taken > LARGEST {
                    let most = LARGEST / (1024 * 1024);
                    return Err(problems.add(
                        entry.value.location,
                        format!(
                            "with {} all files are larger than {most} MiB",
                            quoted(&name)
                        ),
                        "include configuration files only",
                    ));
                }
                sources.push(Source { name, bytes });
            }
            Err(error) => {
                let message = format!("{} cannot be read: {error}", quoted(&name));
                let hint = format!("correct the path, which starts {base}, or the file's mode");
                all = Err(problems.add(entry.value.location, message, hint));
            }
        }
    }
    all.map(|()| sources)
}

fn paths(entry: &Entry, base: Base<'_>, problems: &mut Problems) -> Parsed<Vec<PathBuf>> {
    let value = Value::of(entry);
    let directory = base.directory();
    let wanted = "the path of a file, or a pattern";
    let hint = format!("write it like `include: conf.d/*.yaml`; it starts {base}");
    let nothing_hint = format!("correct the path, which starts {base}, or remove the line");
    let pattern = value.text(wanted, &hint, problems)?;
    let whole = directory.join(pattern);
    let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(value.wrong(wanted, hint, problems));
    };
    let wild = |text: &str| text.contains(['*', '?', '[']);
    if wild(&parent.to_string_lossy()) && !wild(&directory.to_string_lossy()) {
        let hint = "only the last part of the path may have `*`, `?` and `[`";
        return Err(value.wrong(wanted, hint, problems));
    }
    let name = name.to_string_lossy();
    if pattern.ends_with('/') || pattern.contains(char::is_control) {
        return Err(value.wrong(wanted, hint, problems));
    }
    if !wild(&name) {
        return Ok(vec![whole]);
    }
    // A shell may take `[^` for `[!`; glob(7) leaves the meaning open.
    if name.contains("[^") {
        let message = format!("{} has `[^`", quoted(pattern));
        let hint = "write `[!a]` for any character but `a`";
        return Err(problems.add(value.node.location, message, hint));
    }
    let name = Pattern::new(&name).map_err(|error| {
        let message = format!("{} is no pattern: {}", quoted(pattern), error.msg);
        let hint = "`[` begins a set such as `[ab]`; the character itself is `[[]`";
        problems.add(value.node.location, message, hint)
    })?;
    let found = match matching(parent, &name) {
        Ok(found) if !found.is_empty() => found,
        // The services of files that are gone would be removed.
        Ok(none) => {
            problems.warn(
                value.node.location,
                format!("no file fits {}, so nothing is included", quoted(pattern)),
                nothing_hint,
            );
            none
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            problems.warn(
                value.node.location,
                format!(
                    "the directory of {} is not there, so nothing is included",
                    quoted(pattern)
                ),
                nothing_hint,
            );
            Vec::new()
        }
        Err(error) => {
            let message = format!("{} cannot be read: {error}", quoted(pattern));
            return Err(problems.add(value.node.location, message, hint));
        }
    };
    if found.len() > MOST_FILES {
        return Err(problems.add(
            value.node.location,
            format!("{} names more than {MOST_FILES} files", quoted(pattern)),
            "put what belongs together into one file",
        ));
    }
    Ok(found)
}

/// The files in `directory` whose names fit, sorted. Like a shell's, a
/// wildcard at the start fits no hidden file.
fn matching(directory: &Path, pattern: &Pattern) -> io::Result<Vec<PathBuf>> {
    // Of a file that is named without a directory, it is this one.
    let listed = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let options = MatchOptions {
        require_literal_leading_dot: true,
        ..MatchOptions::new()
    };
    let mut found = Vec::new();
    access(|| {
        for entry in fs::read_dir(listed)? {
            let name = entry?.file_name();
            if pattern.matches_with(&name.to_string_lossy(), options) {
                found.push(directory.join(name));
            }
        }
        io::Result::Ok(())
    })?;
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
