//! Problems as they are found, and the proof that one was.

mod inherited;

use std::sync::Arc;

pub(super) use inherited::DefaultsText;
use inherited::{InheritedProblem, Origin};

use super::node::Location;
use super::secret_reader::{IfMissing, SecretReader};
use crate::runtime::printable::is_hidden;

/// One mistake in the file, and the way out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// `None` for a problem with the file as a whole.
    pub(super) location: Option<Location>,
    /// What is wrong.
    pub(super) message: String,
    /// What to do next.
    pub(super) hint: String,
}

impl Problem {
    fn at(location: Location, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            location: Some(location),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// Stands where a value is missing because its problem has been reported:
/// nobody can make one but [`Problems::add`], so nothing is lost in silence,
/// and nothing that depends on the value is reported a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ErrorGuaranteed(());

/// A value, or the proof that what keeps it from being one is reported.
pub(super) type Parsed<T> = Result<T, ErrorGuaranteed>;

/// The most problems of one kind that are kept. A file that is no configuration
/// at all may have millions.
const MOST: usize = 100;

/// The first problems, and the number of those after them.
#[derive(Debug, Default)]
pub(super) struct First {
    pub(super) problems: Vec<Problem>,
    pub(super) more: usize,
    /// Those with values of the section `defaults`.
    inherited: Vec<InheritedProblem>,
}

impl First {
    /// Adds one. One that an alias makes appear again is none.
    pub(super) fn push(&mut self, problem: Problem) {
        let is_same = |other: &Problem| {
            (other.location, &other.message) == (problem.location, &problem.message)
        };
        if self.problems.iter().any(is_same) {
            return;
        }
        if self.problems.len() < MOST {
            self.problems.push(problem);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// The same of one whose place is in the section `defaults`, if there is an origin.
    fn push_of(&mut self, problem: Problem, origin: Option<Origin>) {
        let Some(origin) = origin else {
            self.push(problem);
            return;
        };
        let mut inherited = self.inherited.iter_mut();
        if inherited.any(|known| known.is_also(&problem, &origin)) {
            return;
        }
        if self.inherited.len() < MOST {
            let problem = InheritedProblem::new(problem, origin);
            self.inherited.push(problem);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// All of them as they are shown.
    fn whole(mut self) -> Self {
        let inherited = std::mem::take(&mut self.inherited);
        let inherited = inherited.into_iter().map(InheritedProblem::into_problem);
        self.problems.extend(inherited);
        self
    }

    fn is_empty(&self) -> bool {
        self.problems.is_empty() && self.inherited.is_empty()
    }
}

impl From<Problem> for First {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            ..Self::default()
        }
    }
}

/// All problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: First,
    /// What is valid, and still hardly meant.
    warnings: First,
    /// What is valid and works, and could be better.
    suggestions: First,
    /// The names of the files, by [`Location::file`].
    files: Vec<String>,
    /// Where the section `defaults` is.
    defaults: Option<DefaultsText>,
    /// The virtual service that is read, or compared with others.
    service: Option<Arc<str>>,
    /// Reads the secrets that are not in the files.
    pub(super) secrets: SecretReader,
}

impl Problems {
    /// None yet; `if_missing` says what a secret is that this host does not have.
    pub(super) fn reading_secrets(if_missing: IfMissing) -> Self {
        Self {
            secrets: SecretReader::new(if_missing),
            ..Self::default()
        }
    }

    pub(super) fn add(
        &mut self,
        location: Location,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ErrorGuaranteed {
        let problem = Problem::at(location, message, hint);
        let origin = self.origin(location);
        self.found.push_of(problem, origin);
        ErrorGuaranteed(())
    }

    /// Adds what is valid and still hardly meant; the hint says what to write if it is not.
    pub(super) fn warn(
        &mut self,
        location: Location,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem::at(location, message, hint);
        let origin = self.origin(location);
        self.warnings.push_of(problem, origin);
    }

    /// Adds what is valid and works, and could be better.
    pub(super) fn suggest(
        &mut self,
        location: Location,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem::at(location, message, hint);
        let origin = self.origin(location);
        self.suggestions.push_of(problem, origin);
    }

    /// Warnings and suggestions.
    pub(super) fn into_warnings(self) -> (First, First) {
        (self.warnings.whole(), self.suggestions.whole())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What is wrong, and what is hardly meant.
    pub(super) fn into_all(self) -> (First, First) {
        (self.found.whole(), self.warnings.whole())
    }

    pub(super) fn into_first(self) -> First {
        self.found.whole()
    }

    /// Adds problems that were found in the text of `file` alone.
    pub(super) fn extend(&mut self, file: u16, found: First) -> ErrorGuaranteed {
        for mut problem in found.problems {
            if let Some(location) = &mut problem.location {
                location.file = file;
            }
            self.found.push(problem);
        }
        self.found.more = self.found.more.saturating_add(found.more);
        ErrorGuaranteed(())
    }

    /// Adds what was found apart, if anything is wrong there.
    pub(super) fn take_over(&mut self, apart: Self) -> Parsed<()> {
        let found = apart.found.whole();
        if found.is_empty() {
            return Ok(());
        }
        for problem in found.problems {
            match problem.location {
                Some(location) => {
                    self.add(location, problem.message, problem.hint);
                }
                None => self.found.push(problem),
            }
        }
        self.found.more = self.found.more.saturating_add(found.more);
        Err(ErrorGuaranteed(()))
    }

    /// From now on, problems with values of the section `defaults` say so.
    pub(super) fn set_defaults(&mut self, defaults: DefaultsText) {
        self.defaults = Some(defaults);
    }

    /// Problems with defaults that come up meanwhile are those of the virtual service with this
    /// name.
    pub(super) fn for_service<T>(
        &mut self,
        name: Option<Arc<str>>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.service = name;
        let read = read(self);
        self.service = None;
        read
    }

    /// The default that has a problem at this place; `None` where there is no default.
    fn origin(&self, location: Location) -> Option<Origin> {
        let key = self.defaults.as_ref()?.key(location)?;
        Some(Origin {
            key: key.into(),
            service: self.service.clone(),
        })
    }

    /// Whether the place is in the section `defaults`.
    pub(super) fn is_of_defaults(&self, location: Location) -> bool {
        self.origin(location).is_some()
    }

    /// Adds a problem with the file that was named, as a whole.
    pub(super) fn add_whole(&mut self, message: String, hint: &str) -> ErrorGuaranteed {
        self.found.push(Problem {
            location: None,
            message,
            hint: hint.to_owned(),
        });
        ErrorGuaranteed(())
    }

    /// The next file's name.
    pub(super) fn add_file(&mut self, name: &str) {
        self.files.push(name.to_owned());
    }

    /// `line 7`, and the file where `here` is in another one.
    pub(super) fn line(&self, there: Location, here: Location) -> String {
        match self.files.get(usize::from(there.file)) {
            Some(file) if there.file != here.file => {
                let mut text = format!("line {} of ", there.line());
                file.chars().for_each(|c| push_printable(&mut text, c));
                text
            }
            _ => format!("line {}", there.line()),
        }
    }
}

/// The longest piece of the file that a message repeats, in characters.
const LONGEST_QUOTE: usize = 60;

/// Stand around a piece of the file in the text of a problem, so that it can be
/// left out where others read it. They never come from a file: both are for
/// private use, and [`push_printable`] escapes those.
const FROM_FILE: (char, char) = ('\u{e000}', '\u{e001}');

/// Stands for a piece of the file that is left out.
const LEFT_OUT: &str = "...";

/// A text of a problem for whoever may read the file.
pub(super) fn with_file_text(text: &str) -> String {
    text.replace([FROM_FILE.0, FROM_FILE.1], "")
}

/// A text of a problem for everybody: without what stands in the file.
pub(super) fn without_file_text(text: &str) -> String {
    let mut public = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once(FROM_FILE.0) {
        public.push_str(before);
        public.push_str(LEFT_OUT);
        rest = tail.split_once(FROM_FILE.1).map_or("", |(_, rest)| rest);
    }
    public + rest
}

/// A piece of the file for use in a message: between backticks, on one line,
/// cut if it is long, and with nothing in it that a terminal would act on.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// The same of what is no secret whoever reads the message: the name of a variable, a
/// file or a credential.
pub(super) fn quoted_name(name: &str) -> String {
    let mut quoted = String::from("`");
    for character in name.chars().take(LONGEST_QUOTE) {
        push_printable(&mut quoted, character);
    }
    quoted.push('`');
    quoted
}

/// The same without backticks, for a number.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::from(FROM_FILE.0);
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST_QUOTE {
            shown.push_str("...");
            break;
        }
        push_printable(&mut shown, character);
    }
    shown.push(FROM_FILE.1);
    shown
}

/// Appends a character, or its escape if it is invisible or commands the terminal.
pub(super) fn push_printable(line: &mut String, character: char) {
    if character.is_control() {
        line.extend(character.escape_debug());
    } else if is_hidden(character) {
        line.extend(character.escape_unicode());
    } else {
        line.push(character);
    }
}
