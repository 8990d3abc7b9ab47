//! What must be found in an answer.

use std::cmp::Ordering;
use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Look;

/// What must be found in an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// This text.
    Text(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// A match of this.
    Regex(Expression),
}

impl Pattern {
    /// Where the first match ends.
    pub fn end_in(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Text(text) => end_of(text.as_bytes(), bytes),
            Self::Bytes(wanted) => end_of(wanted, bytes),
            Self::Regex(expression) => expression.regex.find(bytes).map(|found| found.end()),
        }
    }

    /// Whether what is found in the first part of an answer is there whatever
    /// comes after it.
    pub fn is_settled_by_a_part(&self) -> bool {
        match self {
            Self::Text(_) | Self::Bytes(_) => true,
            Self::Regex(expression) => !expression.looks_ahead,
        }
    }
}

impl fmt::Display for Pattern {
    /// On one line, without anything that a terminal acts on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{}\"", text.escape_debug()),
            Self::Bytes(bytes) => {
                f.write_str("the bytes")?;
                bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
            Self::Regex(expression) => {
                write!(f, "/{}/", expression.regex.as_str().escape_debug())
            }
        }
    }
}

fn end_of(wanted: &[u8], bytes: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    let mut windows = bytes.windows(wanted.len());
    let at = windows.position(|window| window == wanted)?;
    Some(at + wanted.len())
}

/// What the body of an HTTP answer must have, or must not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpectedBody {
    /// The body must have this.
    With(Pattern),
    /// The body must not have this.
    Without(Pattern),
}

/// A regular expression over bytes, in the syntax of the `regex` crate; equal
/// to others that are written alike.
#[derive(Debug, Clone)]
pub struct Expression {
    regex: Regex,
    /// Whether the byte after a match, or that there is none, matters.
    looks_ahead: bool,
}

impl Expression {
    /// The most that a compiled expression may take, in bytes.
    const LARGEST: usize = 256 * 1024;

    /// Fails if it is not one, or too large.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        let mut builder = RegexBuilder::new(text);
        let builder = builder.size_limit(Self::LARGEST);
        let regex = builder.dfa_size_limit(Self::LARGEST).build()?;
        Ok(Self {
            looks_ahead: looks_ahead(text),
            regex,
        })
    }
}

/// What of all answers has a match of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matched {
    /// Every one, also the empty one.
    All,
    None,
    /// What the answer has decides.
    Some,
}

impl Pattern {
    /// As far as the pattern itself tells.
    pub(super) fn matched(&self) -> Matched {
        match self {
            Self::Regex(expression) => expression.matched(),
            // Neither is empty.
            Self::Text(_) | Self::Bytes(_) => Matched::Some,
        }
    }
}

impl Expression {
    /// Whether some texts have a match, and others have none.
    pub(crate) fn tells_texts_apart(&self) -> bool {
        self.matched() == Matched::Some
    }

    fn matched(&self) -> Matched {
        let mut parser = ParserBuilder::new().utf8(false).build();
        let Ok(parsed) = parser.parse(self.regex.as_str()) else {
            return Matched::Some;
        };
        let properties = parsed.properties();
        let mut places = properties.look_set().iter();
        match properties.minimum_len() {
            None => Matched::None,
            // An empty match is at the start of every answer, or at its end.
            Some(0)
                if places.clone().all(|place| place == Look::Start)
                    || places.all(|place| place == Look::End) =>
            {
                Matched::All
            }
            Some(_) => Matched::Some,
        }
    }
}

/// Whether an expression has more than `^` that matches a place and not a
/// byte, as `$` and `\b` do.
fn looks_ahead(text: &str) -> bool {
    let mut parser = ParserBuilder::new().utf8(false).build();
    let Ok(parsed) = parser.parse(text) else {
        return true;
    };
    let places = parsed.properties().look_set();
    places
        .iter()
        .any(|place| !matches!(place, Look::Start | Look::StartLF))
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Expression {}

impl PartialOrd for Expression {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Expression {
    fn cmp(&self, other: &Self) -> Ordering {
        self.regex.as_str().cmp(other.regex.as_str())
    }
}

#[cfg(test)]
mod tests;
