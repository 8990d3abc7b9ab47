//! `lvs-agent import`: another program's configuration as one of ours.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::arguments::ImportArguments;
use super::{CommandFailure, ExitStatus};
use crate::config::{read_file, read_main, read_standard_input};
use crate::import::{self, IncludeError, SourceText};

pub(super) fn run(arguments: &ImportArguments) -> Result<ExitStatus, CommandFailure> {
    let path = &arguments.file;
    let read = if path == Path::new("-") {
        read_standard_input()
    } else {
        read_main(path)
    };
    let bytes = read.map_err(|source| CommandFailure::Unreadable {
        path: path.clone(),
        source,
    })?;
    let main = SourceText::new(path.display().to_string(), &bytes)?;
    let imported = import::import(arguments.format, main, &mut included)?;
    io::stdout().write_all(imported.yaml.as_bytes())?;
    for note in imported.notes {
        // Where standard error is gone, the comments of the configuration say it.
        let _ = writeln!(io::stderr(), "{note}");
    }
    Ok(ExitStatus::Success)
}

/// The files that a pattern names, sorted by name.
fn included(pattern: &str, directory: &Path) -> Result<Vec<SourceText>, IncludeError> {
    let whole = directory.join(pattern);
    let invalid = |error: glob::PatternError| io::Error::new(io::ErrorKind::InvalidInput, error);
    let paths = glob::glob(&whole.to_string_lossy()).map_err(invalid)?;
    let paths: Result<Vec<PathBuf>, _> = paths.collect();
    let paths = paths.map_err(io::Error::from)?;
    let files = paths.into_iter().filter(|path| !path.is_dir());
    files
        .map(|path| {
            let bytes = read_file(&path)?;
            Ok(SourceText::new(path.display().to_string(), &bytes)?)
        })
        .collect()
}
