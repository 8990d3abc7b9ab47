//! All that is wrong with a file, for people.

mod excerpt;

use std::fmt;

use thiserror::Error;

use super::node::Location;
use super::problem::{First, Problem, push_printable, with_file_text, without_file_text};
use super::syntax::lines;
use crate::model::with_noun;

/// Every problem of a configuration, in the order of its files and lines.
///
/// Displayed as one paragraph for each (`FILE:LINE:COL: MESSAGE`, the line
/// with the place marked, and a hint) and a last line with their number. Of
/// those after the first 100 it has the number alone.
/// The text ends without a line break. Columns count characters, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ConfigErrors {
    /// Not empty.
    reports: Vec<Report>,
    /// How many there are beside these.
    more: usize,
    warnings: Vec<ConfigWarning>,
}

/// A problem or a warning, with the place and the texts as they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    file: String,
    /// Line and column, both from 1.
    place: Option<(usize, usize)>,
    message: String,
    /// The message without what stands in the file.
    public: String,
    /// The line that the place is on, and the marks under it; without line breaks at the end.
    excerpt: Option<String>,
    hint: String,
}

impl ConfigErrors {
    /// A problem with the file as a whole.
    pub(super) fn file(file: &str, message: impl Into<String>, hint: &str) -> Self {
        let problem = Problem {
            location: None,
            message: message.into(),
            hint: hint.to_owned(),
        };
        Self::new(&[(file.to_owned(), String::new())], problem.into())
    }

    /// Sorts the problems and finds their lines in the files, each of which
    /// has a name and a text. One that an alias made appear many times, at the
    /// same place, is reported once.
    pub(super) fn new(files: &[(String, String)], found: First) -> Self {
        Self {
            reports: reports(files, found.problems),
            more: found.more,
            warnings: Vec::new(),
        }
    }

    /// Beside what is wrong, what is hardly meant.
    pub(super) fn beside(self, warnings: Vec<ConfigWarning>) -> Self {
        Self { warnings, ..self }
    }

    /// The problems, in the order of the files and lines; see
    /// [`unreported`](Self::unreported) for what is beside them.
    pub(crate) fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// The number of problems after the first 100.
    pub(crate) const fn unreported(&self) -> usize {
        self.more
    }

    /// What is hardly meant in the same files, as far as they could be read.
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The problems for those who may not read the files, such as whoever reads
    /// the log: places and messages, without anything that stands in the files,
    /// where there may be secrets. On one line; the first few of many.
    pub fn public(&self) -> String {
        /// As many as a person reads on a line.
        const SHOWN: usize = 5;
        let count = self.reports.len().saturating_add(self.more);
        let mut text = String::new();
        for report in self.reports.iter().take(SHOWN) {
            text.push_str(&report.place());
            text.push_str(": ");
            text.push_str(&report.public);
            if report.place.is_none() {
                // The message has nothing of the file.
                text.push_str(" (hint: ");
                text.push_str(&report.hint);
                text.push(')');
            }
            text.push_str("; ");
        }
        if count > SHOWN {
            text.push_str("and so on; ");
        }
        format!("{text}{}", with_noun(count, "problem"))
    }
}

/// What is valid in a configuration, and still hardly meant.
///
/// Displayed as a problem is, with `warning:` before the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning(Report);

impl ConfigWarning {
    /// As [`ConfigErrors::new`].
    pub(super) fn all(files: &[(String, String)], mut found: First) -> Vec<Self> {
        if found.more > 0 {
            found.problems.push(Problem {
                location: None,
                message: format!("there are {} more of the kind", found.more),
                hint: "see to the first ones, and look again".to_owned(),
            });
        }
        let reports = reports(files, found.problems);
        reports.into_iter().map(Self).collect()
    }

    /// `FILE:LINE:COL`.
    pub fn place(&self) -> String {
        self.0.place()
    }

    pub(crate) const fn report(&self) -> &Report {
        &self.0
    }

    /// What is hardly meant, in one sentence, without anything of the file.
    pub fn public_message(&self) -> &str {
        &self.0.public
    }

    /// What to write instead.
    pub fn hint(&self) -> &str {
        &self.0.hint
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: warning: {}", self.place(), self.0.message)?;
        if let Some(excerpt) = &self.0.excerpt {
            writeln!(f, "{excerpt}")?;
        }
        write!(f, "  hint: {}", self.hint())
    }
}

fn reports(files: &[(String, String)], mut problems: Vec<Problem>) -> Vec<Report> {
    problems.sort_by(|a, b| (a.location, &a.message).cmp(&(b.location, &b.message)));
    problems.dedup_by(|a, b| a.location == b.location && a.message == b.message);
    let of = |problem: &Problem| problem.location.map_or(0, |location| location.file);
    let reports = problems
        .chunk_by(|a, b| of(a) == of(b))
        .flat_map(|problems| {
            let file = problems.first().map_or(0, of);
            let (name, text) = match files.get(usize::from(file)) {
                Some((name, text)) => (name.as_str(), text.as_str()),
                None => ("", ""),
            };
            let mut printable = String::new();
            name.chars().for_each(|c| push_printable(&mut printable, c));
            of_one_file(&printable, text, problems)
        });
    reports.collect()
}

fn of_one_file(file: &str, text: &str, problems: &[Problem]) -> Vec<Report> {
    let mut numbered = (1..).zip(lines(text));
    // The last line taken, kept because a long one may have many problems.
    let mut current: (usize, Vec<char>) = (0, Vec::new());
    let report = |problem: &Problem| {
        let Some(location) = problem.location else {
            return Report::new(file, problem, None);
        };
        if current.0 < location.line() {
            // Past the end: the parsers name the end of the file so.
            let line = numbered
                .find(|(number, _)| *number == location.line())
                .map_or("", |(_, line)| line);
            current = (location.line(), line.chars().collect());
        }
        Report::new(file, problem, Some((location, &current.1)))
    };
    problems.iter().map(report).collect()
}

impl Report {
    /// The name of the file, as it is shown.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Line and column, both from 1; the column counts characters.
    pub(crate) const fn line_and_column(&self) -> Option<(usize, usize)> {
        self.place
    }

    /// What is wrong, for those who may read the file.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do.
    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }

    /// `FILE:LINE:COL`, or `FILE` of a problem with the file as a whole.
    fn place(&self) -> String {
        let Self { file, place, .. } = self;
        place.map_or_else(
            || file.clone(),
            |(line, column)| format!("{file}:{line}:{column}"),
        )
    }

    fn new(file: &str, problem: &Problem, found: Option<(Location, &[char])>) -> Self {
        Self {
            file: file.to_owned(),
            place: found.map(|(location, _)| (location.line(), location.column())),
            message: with_file_text(&problem.message),
            public: without_file_text(&problem.message),
            excerpt: found.map(|(location, line)| excerpt::render(location, line)),
            hint: with_file_text(&problem.hint),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for report in &self.reports {
            write!(f, "{}:", report.file)?;
            if let Some((line, column)) = report.place {
                write!(f, "{line}:{column}:")?;
            }
            writeln!(f, " {}", report.message)?;
            if let Some(excerpt) = &report.excerpt {
                writeln!(f, "{excerpt}")?;
            }
            writeln!(f, "  hint: {}", report.hint)?;
        }
        let count = self.reports.len();
        let mut files: Vec<_> = self.reports.iter().map(|report| &*report.file).collect();
        files.dedup();
        f.write_str(&with_noun(count, "problem"))?;
        if self.more > 0 {
            write!(f, " and {} more", self.more)?;
        }
        write!(f, " in {}", files.join(", "))
    }
}

#[cfg(test)]
mod tests;
