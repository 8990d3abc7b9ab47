//! Configurations of other programs as configurations of ours: text goes in, YAML
//! and notes come out. Pure: the caller reads the files.
//!
//! 1. [`keepalived`], [`ldirectord`] and [`ipvsadm`] read one format each into
//!    [`Draft`](draft::Draft)s, in which each real server still has its own
//!    check and forwarding.
//! 2. [`conversion`] makes of each draft what one virtual service can have.
//! 3. [`render`] writes the services with a YAML serializer, and writes a
//!    service that our own reader refuses as a comment.
//!
//! Whatever is left out, or means something else afterwards, is a [`note`].

mod check;
mod conversion;
mod draft;
mod ipvsadm;
mod keepalived;
mod ldirectord;
mod names;
mod note;
mod render;

use std::io;
use std::path::Path;

use clap::ValueEnum;
use thiserror::Error;

use self::note::{Notes, SourceLocation};
use crate::config::{LARGEST, MOST_EXPANDED, Report};
use crate::runtime::printable::printable;

/// What is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// keepalived.conf: its virtual servers.
    Keepalived,
    /// ldirectord.cf.
    Ldirectord,
    /// What `ipvsadm --save --numeric` prints.
    Ipvsadm,
}

impl Format {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Keepalived => "keepalived",
            Self::Ldirectord => "ldirectord",
            Self::Ipvsadm => "ipvsadm",
        }
    }
}

/// A file that was read.
#[derive(Debug, Clone)]
pub(crate) struct SourceText {
    /// As messages call it; included files are looked for beside it.
    name: String,
    text: String,
    /// The first line that is not UTF-8.
    damaged: Option<usize>,
}

impl SourceText {
    /// Comments may be in any encoding: what is not UTF-8 is replaced. The error
    /// is for what is no text.
    pub(crate) fn new(name: String, bytes: &[u8]) -> Result<Self, ImportError> {
        let message = if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
            format!(
                "larger than {} MiB: give the path of a configuration file",
                LARGEST / (1024 * 1024)
            )
        } else if bytes.contains(&0) {
            "a binary file: it has NUL bytes; give the path of a configuration file".to_owned()
        } else {
            let text = String::from_utf8_lossy(bytes);
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let damaged = std::str::from_utf8(bytes).err().map(|error| {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                before.split(|byte| *byte == b'\n').count()
            });
            return Ok(Self {
                name,
                text: text.to_owned(),
                damaged,
            });
        };
        let at = printable(&name);
        Err(ImportError::NotUnderstood { at, message })
    }
}

/// Reads the files that a pattern names, which starts in the directory.
pub(crate) type ReadIncluded<'r> =
    dyn FnMut(&str, &Path) -> Result<Vec<SourceText>, IncludeError> + 'r;

/// Why an included file is not read.
#[derive(Debug, Error)]
pub(crate) enum IncludeError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error(transparent)]
    Text(#[from] ImportError),
}

/// Our configuration, and what there is to know of it.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) yaml: String,
    /// Lines for standard error, in the order of the file.
    pub(crate) notes: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub(crate) enum ImportError {
    /// The text is not what it should be.
    #[error("{at}: {message}")]
    NotUnderstood { at: String, message: String },
    /// A file that the text includes.
    #[error("{at}: the included file `{path}` cannot be read")]
    Unreadable {
        at: String,
        path: String,
        source: Box<IncludeError>,
    },
}

impl ImportError {
    /// Whether a file is at fault that cannot be read at all.
    pub(crate) const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

/// The services of a file. The errors name the place in the file.
pub(crate) fn import(
    format: Format,
    main: SourceText,
    read_included: &mut ReadIncluded<'_>,
) -> Result<Imported, ImportError> {
    let name = printable(&main.name);
    let mut notes = Notes::new(format.name());
    let (drafts, timeouts) = match format {
        Format::Keepalived => keepalived::read(main, read_included, &mut notes)?,
        Format::Ldirectord => ldirectord::read(&main, &mut notes)?,
        Format::Ipvsadm => ipvsadm::read(&main, &mut notes)?,
    };
    let not_understood = |message| ImportError::NotUnderstood {
        at: name.clone(),
        message,
    };
    let count = drafts.len();
    if count > MOST_EXPANDED {
        return Err(not_understood(format!(
            "the file has {count} virtual services, more than {MOST_EXPANDED}: import the file \
             in parts"
        )));
    }
    let services = conversion::convert(drafts, &mut notes);
    let yaml = render::yaml(format, &name, count, &services, &timeouts, &mut notes);
    let yaml = yaml.map_err(|errors| {
        let first = errors.reports().first().map(Report::message);
        not_understood(format!(
            "what comes of it is no valid configuration: {}; import the file in parts",
            first.unwrap_or_default()
        ))
    })?;
    let Some(yaml) = yaml else {
        let lines: Vec<_> = notes.lines().collect();
        return Err(not_understood(if lines.is_empty() {
            format!(
                "there is no virtual service in this file of {}: nothing can be imported",
                format.name()
            )
        } else {
            format!("no virtual service can be imported:\n{}", lines.join("\n"))
        }));
    };
    Ok(Imported {
        yaml,
        notes: notes.lines().collect(),
    })
}

/// What is left of [`MOST_EXPANDED`].
#[derive(Debug)]
struct ExpansionBudget(usize);

impl Default for ExpansionBudget {
    fn default() -> Self {
        Self(MOST_EXPANDED)
    }
}

impl ExpansionBudget {
    /// Whether there is room for so many; a note says that there is not.
    fn take(&mut self, count: u128, location: SourceLocation, notes: &mut Notes) -> bool {
        let count = usize::try_from(count).ok();
        let left = count.and_then(|count| self.0.checked_sub(count));
        if left.is_none() {
            let text = format!(
                "this range is left out: with it, ranges make more than {MOST_EXPANDED} entries; \
                 write a smaller range"
            );
            notes.add(location, text);
        }
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

#[cfg(fuzzing)]
pub(crate) mod fuzzing;

#[cfg(test)]
mod tests;
