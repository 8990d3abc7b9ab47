//! The lines of keepalived.conf without comments, with what they include and
//! with definitions put in.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::note::{Notes, SourceLocation};
use super::super::{ImportError, ReadIncluded, SourceText};
use crate::config::LARGEST;

/// How deep files include each other at most.
const DEEPEST: usize = 16;
/// How many files are included at most.
const MOST_FILES: usize = 1000;
/// How often definitions are put into one line at most.
const MOST_REPLACEMENTS: usize = 1000;

/// A line with something on it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) location: SourceLocation,
    pub(super) text: String,
}

struct Reader<'a, 'r> {
    read_included: &'a mut ReadIncluded<'r>,
    notes: &'a mut Notes,
    definitions: BTreeMap<String, String>,
    lines: Vec<Line>,
    /// The files that are being read, each included by the one before it.
    open: Vec<String>,
    files: usize,
    /// How many bytes may still be read or made.
    left: usize,
}

pub(super) fn read(
    main: SourceText,
    read_included: &mut ReadIncluded<'_>,
    notes: &mut Notes,
) -> Result<Vec<Line>, ImportError> {
    let mut reader = Reader {
        read_included,
        notes,
        definitions: BTreeMap::new(),
        lines: Vec::new(),
        open: Vec::new(),
        files: 0,
        left: usize::try_from(LARGEST).unwrap_or(usize::MAX),
    };
    reader.file(main, None)?;
    Ok(reader.lines)
}

impl Reader<'_, '_> {
    /// `from` is where it is included.
    fn file(
        &mut self,
        source: SourceText,
        from: Option<SourceLocation>,
    ) -> Result<(), ImportError> {
        let file = self.notes.add_file(&source);
        let location = from.unwrap_or(SourceLocation { file, line: 1 });
        self.take(source.text.len(), location)?;
        self.open.push(source.name);
        let mut lines = (1..).zip(source.text.lines());
        while let Some((line, text)) = lines.next() {
            let location = SourceLocation { file, line };
            let text = uncommented(text).trim();
            if let Some((name, first)) = definition(text) {
                let mut value = first.to_owned();
                while let Some(part) = continued(&value) {
                    let next = lines
                        .next()
                        .map_or("", |(_, text)| uncommented(text).trim());
                    value = format!("{part}\n{next}");
                    self.take(next.len(), location)?;
                }
                self.definitions.insert(name.to_owned(), value);
                continue;
            }
            let mut words = text.split_whitespace();
            match words.next() {
                None => {}
                Some(
                    "include" | "includea" | "includeb" | "includem" | "includer" | "includew",
                ) => {
                    let pattern = words.next().unwrap_or_default().trim_matches(['"', '\'']);
                    self.include(pattern, location)?;
                }
                Some(_) => self.line(text, location)?,
            }
        }
        self.open.pop();
        Ok(())
    }

    fn take(&mut self, bytes: usize, location: SourceLocation) -> Result<(), ImportError> {
        if let Some(left) = self.left.checked_sub(bytes) {
            self.left = left;
            return Ok(());
        }
        let message = format!(
            "with this, the files and what their definitions make are larger than {} MiB",
            LARGEST / (1024 * 1024)
        );
        Err(self.notes.not_understood(location, message))
    }

    fn include(&mut self, pattern: &str, location: SourceLocation) -> Result<(), ImportError> {
        if self.open.len() >= DEEPEST {
            let message = format!(
                "files include each other more than {DEEPEST} deep: let no file include itself"
            );
            return Err(self.notes.not_understood(location, message));
        }
        let name = self.open.last().map_or("", String::as_str);
        let directory = Path::new(name).parent().unwrap_or(Path::new(""));
        let sources = (self.read_included)(pattern, directory);
        let sources = sources.map_err(|source| ImportError::Unreadable {
            at: self.notes.at(location),
            path: pattern.to_owned(),
            source: Box::new(source),
        })?;
        if sources.is_empty() {
            let text = format!(
                "`include {pattern}` names no file that is here: what it holds is missing; \
                 run the import where keepalived runs"
            );
            self.notes.add(location, text);
        }
        for source in sources {
            self.files += 1;
            if self.files > MOST_FILES {
                let message = format!("more than {MOST_FILES} files are included");
                return Err(self.notes.not_understood(location, message));
            }
            if self.open.contains(&source.name) {
                let message = format!("`{}` includes itself", source.name);
                return Err(self.notes.not_understood(location, message));
            }
            self.file(source, Some(location))?;
        }
        Ok(())
    }

    /// A line in which definitions are put in, which may make several of it.
    fn line(&mut self, text: &str, location: SourceLocation) -> Result<(), ImportError> {
        let mut whole = text.to_owned();
        let mut replacements = 0;
        while let Some((range, value)) = self.first_use(&whole) {
            replacements += 1;
            self.take(value.len(), location)?;
            if replacements > MOST_REPLACEMENTS || whole.len() > 64 * 1024 {
                let message = "definitions are put into this line without an end: \
                               let no definition use itself";
                return Err(self.notes.not_understood(location, message));
            }
            whole.replace_range(range, &value);
        }
        for line in whole.lines() {
            let text = line.trim();
            if !text.is_empty() {
                self.lines.push(Line {
                    location,
                    text: text.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The first `${NAME}`, or `$NAME` before a blank, that is defined.
    fn first_use(&self, text: &str) -> Option<(std::ops::Range<usize>, String)> {
        text.match_indices('$').find_map(|(at, _)| {
            let rest = text.get(at + 1..)?;
            let braced = rest.strip_prefix('{');
            let rest = braced.unwrap_or(rest);
            let length = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at_checked(length)?;
            let next = after.chars().next();
            let (ends, marks) = match braced {
                Some(_) => (next == Some('}'), "${}".len()),
                None => (next.is_none_or(char::is_whitespace), "$".len()),
            };
            let value = self.definitions.get(name).filter(|_| ends)?;
            Some((at..at + length + marks, value.clone()))
        })
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The name and the value of `$NAME=VALUE`.
fn definition(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.strip_prefix('$')?.split_once('=')?;
    let is_name = name.starts_with(|c: char| is_of_name(c) && !c.is_ascii_digit());
    (is_name && name.chars().all(is_of_name)).then_some((name, value.trim()))
}

/// What stands before a `\` at the end.
fn continued(value: &str) -> Option<&str> {
    value.strip_suffix('\\').map(str::trim_end)
}

/// The line up to a `#` or a `!` that is not in quotes.
fn uncommented(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        let starts_word = before.is_whitespace();
        before = character;
        if std::mem::take(&mut escaped) {
            continue;
        }
        match (character, quote) {
            ('\\', _) => escaped = true,
            (_, Some(open)) if character == open => quote = None,
            ('"', None) => quote = Some('"'),
            // An apostrophe within a word is one.
            ('\'', None) if starts_word => quote = Some('\''),
            ('#' | '!', None) => return line.get(..at).unwrap_or(line),
            _ => {}
        }
    }
    line
}
