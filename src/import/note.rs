//! What an import has to say: each note names its place, what was found, why
//! it is not here as it was there, and what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::{ImportError, SourceText};
use crate::config::foreign_meaning;
use crate::runtime::printable::printable;

/// The longest note, in characters: a line of a file may have millions.
const LONGEST: usize = 1000;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceLocation {
    /// The index of the file in [`Notes`].
    pub(super) file: usize,
    /// From 1 on.
    pub(super) line: usize,
}

#[derive(Debug)]
struct Note {
    location: SourceLocation,
    /// The index of the draft that the note is about.
    service: Option<usize>,
    text: String,
}

/// All notes, and the files that they are about.
#[derive(Debug)]
pub(super) struct Notes {
    program: &'static str,
    files: Vec<String>,
    service: Option<usize>,
    all: Vec<Note>,
    /// The keys of notes that are made once.
    made_once: BTreeSet<&'static str>,
    /// Those that are there: VIPs of one group have the same real servers.
    seen: BTreeSet<(SourceLocation, String)>,
}

impl Notes {
    pub(super) fn new(program: &'static str) -> Self {
        Self {
            program,
            files: Vec::new(),
            service: None,
            all: Vec::new(),
            made_once: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    /// The index of a further file.
    pub(super) fn add_file(&mut self, source: &SourceText) -> usize {
        let file = self.files.len();
        self.files.push(source.name.clone());
        if let Some(line) = source.damaged {
            let text = "from here on there are bytes that are not UTF-8, which are replaced; \
                        save the file as UTF-8 if they stand in a value";
            self.add(SourceLocation { file, line }, text);
        }
        file
    }

    /// What the next notes are about: the draft with this index, or the whole file.
    pub(super) fn set_service(&mut self, service: Option<usize>) {
        self.service = service;
    }

    pub(super) fn add(&mut self, location: SourceLocation, text: impl AsRef<str>) {
        let text = shown(text.as_ref());
        if self.seen.insert((location, text.clone())) {
            self.all.push(Note {
                location,
                service: self.service,
                text,
            });
        }
    }

    /// Adds a note on the whole file, unless one with this key is there.
    pub(super) fn once(
        &mut self,
        key: &'static str,
        location: SourceLocation,
        text: impl AsRef<str>,
    ) {
        if self.made_once.insert(key) {
            let service = self.service.take();
            self.add(location, text);
            self.service = service;
        }
    }

    /// A keyword that has no equal; `value` is what stands after it, if it may be shown.
    pub(super) fn note_unsupported(
        &mut self,
        location: SourceLocation,
        keyword: &str,
        value: &str,
    ) {
        let text = self.unsupported(keyword, value);
        self.add(location, text);
    }

    /// The same, said once for the whole file.
    pub(super) fn note_unsupported_once(
        &mut self,
        location: SourceLocation,
        keyword: &'static str,
    ) {
        let text = self.unsupported(keyword, "");
        self.once(keyword, location, text);
    }

    fn unsupported(&self, keyword: &str, value: &str) -> String {
        let shown = if value.is_empty() {
            format!("`{keyword}`")
        } else {
            format!("`{keyword} {value}`")
        };
        match foreign_meaning(self.program, keyword) {
            Some(meaning) if meaning.starts_with('`') => {
                format!("{shown} is left out: here this is {meaning}")
            }
            Some(meaning) => format!("{shown} is left out: {meaning}"),
            None => format!("{shown} is left out: it has no equal here"),
        }
    }

    /// `FILE:LINE`.
    pub(super) fn at(&self, location: SourceLocation) -> String {
        let file = self.files.get(location.file).map_or("-", String::as_str);
        format!("{}:{}", printable(file), location.line)
    }

    pub(super) fn not_understood(
        &self,
        location: SourceLocation,
        message: impl AsRef<str>,
    ) -> ImportError {
        ImportError::NotUnderstood {
            at: self.at(location),
            message: shown(message.as_ref()),
        }
    }

    /// All notes as `FILE:LINE: TEXT`, in the order of the files.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let mut notes: Vec<_> = self.all.iter().collect();
        notes.sort_by_key(|note| note.location);
        notes.into_iter().map(|note| self.line(note))
    }

    /// The same by what they are about; `None` has those on the whole file.
    pub(super) fn by_service(&self) -> BTreeMap<Option<usize>, Vec<String>> {
        let mut lines: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for note in &self.all {
            lines.entry(note.service).or_default().push(self.line(note));
        }
        lines
    }

    fn line(&self, note: &Note) -> String {
        format!("{}: {}", self.at(note.location), note.text)
    }
}

/// The text on one line, cut if it is long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "...",
        None => printable(text),
    }
}
