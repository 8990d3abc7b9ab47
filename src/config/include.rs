//! The key `include`: the files that a configuration names by a path or a pattern.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::declaration::INCLUDE;
use super::node::Entry;
use super::problem::{Parsed, Problems, quoted};
use super::scalar::Value;
use super::source::{LARGEST, Source, read};
use crate::runtime::file_work::access;

/// How many files a configuration may include.
const MOST_FILES: usize = 1000;

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
    let wanted = INCLUDE.wanted;
    let hint = format!("{}; it starts {base}", INCLUDE.hint);
    let nothing_hint = format!("correct the path, which starts {base}, or remove the line");
    let Some(pattern) = value.node.text() else {
        return Err(value.wrong(wanted, hint, problems));
    };
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
