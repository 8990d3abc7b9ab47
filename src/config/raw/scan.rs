//! The values of a document with their places, and nothing that could hurt:
//! nesting is bounded, and so is what aliases stand for.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::config::node::Location;
use crate::config::problem::{First, Problem, Problems, quoted};
use crate::config::syntax;

/// How deep collections may lie within each other; the configuration's own
/// shape needs 7. Also below the 128 at which `serde_yaml` gives up.
const MAX_DEPTH: usize = 64;
/// How many values aliases may stand for, all together: some 10,000 services
/// that share one check.
const MAX_ALIASED: usize = 200_000;
/// How many keys and values all files of a configuration may have: room for
/// some 100,000 real servers. Each takes a few hundred bytes while it is read.
pub(in crate::config) const MAX_VALUES: usize = 1_000_000;

impl From<Span> for Location {
    /// Saphyr counts lines from 1 and columns from 0, both in characters.
    fn from(span: Span) -> Self {
        let one_line = span.start.line() == span.end.line();
        let width = span.end.col().saturating_sub(span.start.col());
        Self {
            file: 0,
            line: span.start.line(),
            column: span.start.col() + 1,
            width: if one_line { width.max(1) } else { 1 },
        }
    }
}

/// What an event is, as far as the walk needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar {
        /// Nothing is written here (`key:` and no value).
        empty: bool,
    },
    Sequence,
    Mapping,
    End,
    /// The index of the event that it stands for.
    Alias(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) location: Location,
    /// The text of what may be a number.
    pub(super) written: Option<Box<str>>,
}

/// A collection that is not closed yet.
struct Open {
    index: usize,
    /// The bracket, where there is one.
    bracket: Option<Location>,
    /// In a mapping, whether a key comes next.
    key_next: Option<bool>,
    anchor: usize,
    /// How many values it holds, aliases counted as what they stand for.
    size: usize,
}

/// Reads saphyr's events and refuses what we do not take.
#[derive(Default)]
struct Scan {
    steps: Vec<Step>,
    open: Vec<Open>,
    /// By saphyr's number of the anchor: the index of its event and, once it is closed, its size.
    anchors: BTreeMap<usize, (usize, Option<usize>)>,
    aliased: usize,
    /// How many keys and values there may be still.
    room: usize,
    documents: usize,
    problems: Problems,
}

/// The scan cannot go on; the reason is among the problems.
struct Stopped;

/// The values of the one document, in the file's order; empty if there is none.
/// They are taken from `room`.
pub(super) fn scan(text: &str, room: &mut usize) -> Result<Vec<Step>, First> {
    let scan = Scan {
        room: *room,
        ..Scan::default()
    };
    scan.run(text, room)
}

impl Scan {
    fn run(mut self, text: &str, room: &mut usize) -> Result<Vec<Step>, First> {
        let mut syntax_error = None;
        for event in Parser::new_from_str(text) {
            match event {
                Ok((event, span)) => {
                    if self.event(&event, span).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    let location = Location::from(Span::empty(*error.marker()));
                    syntax_error = Some(self.syntax_error(error.info(), location, text));
                    break;
                }
            }
        }
        *room = self.room;
        if self.problems.is_empty() && syntax_error.is_none() {
            return Ok(self.steps);
        }
        let mut found = self.problems.into_first();
        // It is the reason that the rest was not looked at.
        found.problems.extend(syntax_error);
        Err(found)
    }

    fn syntax_error(&self, said: &str, location: Location, text: &str) -> Problem {
        if let Some(open) = self.open.last()
            && let Some(bracket) = open.bracket
            && bracket.line < location.line
        {
            let closing = if open.key_next.is_some() { '}' } else { ']' };
            return syntax::unclosed_bracket(bracket, closing, location);
        }
        let before = self.steps.last().map(|step| step.location);
        syntax::explain(said, location, before, text)
    }

    fn event(&mut self, event: &Event<'_>, span: Span) -> Result<(), Stopped> {
        let location = Location::from(span);
        let (tag, anchor, kind) = match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problems.add(
                        location,
                        "a second document starts here, and the configuration is one",
                        "remove the line `---` and everything that does not belong",
                    );
                    return Err(Stopped);
                }
                return Ok(());
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(location);
                return Ok(());
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {
                return Ok(());
            }
            Event::Alias(anchor) => {
                let target = self.alias(*anchor, location)?;
                (None, 0, Kind::Alias(target))
            }
            Event::Scalar(_, _, anchor, tag) => {
                let empty = span.is_empty();
                (tag.as_ref(), *anchor, Kind::Scalar { empty })
            }
            Event::SequenceStart(anchor, tag) => (tag.as_ref(), *anchor, Kind::Sequence),
            Event::MappingStart(anchor, tag) => (tag.as_ref(), *anchor, Kind::Mapping),
        };
        if let Some(tag) = tag {
            let shown = if tag.is_yaml_core_schema() {
                format!("!!{}", tag.suffix)
            } else {
                tag.to_string()
            };
            self.problems.add(
                location,
                format!("the tag {} has no meaning here", quoted(&shown)),
                "remove it; to make a number a text, put it in quotes",
            );
        }
        self.place(kind, anchor, location, !span.is_empty())?;
        // No number of YAML starts otherwise.
        let number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
        if let Event::Scalar(text, ScalarStyle::Plain, ..) = event
            && text.starts_with(number)
            && let Some(step) = self.steps.last_mut()
        {
            step.written = Some(text.as_ref().into());
        }
        Ok(())
    }

    /// A value or a key: `kind` is never [`Kind::End`].
    fn place(
        &mut self,
        kind: Kind,
        anchor: usize,
        location: Location,
        written: bool,
    ) -> Result<(), Stopped> {
        let index = self.steps.len();
        let Some(room) = self.room.checked_sub(1) else {
            self.problems.add(
                location,
                format!("up to here there are more than {MAX_VALUES} keys and values"),
                "give the path of a configuration file",
            );
            return Err(Stopped);
        };
        self.room = room;
        self.steps.push(Step {
            kind,
            location,
            written: None,
        });
        if let Some(parent) = self.open.last_mut() {
            parent.size += 1;
            if let Some(key_next) = &mut parent.key_next {
                if *key_next && !matches!(kind, Kind::Scalar { .. }) {
                    self.problems.add(
                        location,
                        "a key must be plain text, not a list, a mapping or an alias",
                        "write `key: value`; in { } and [ ], put a space after each `:`",
                    );
                }
                *key_next = !*key_next;
            }
        }
        let key_next = match kind {
            Kind::Scalar { .. } | Kind::Alias(_) | Kind::End => {
                if anchor > 0 {
                    self.anchors.insert(anchor, (index, Some(1)));
                }
                return Ok(());
            }
            Kind::Sequence => None,
            Kind::Mapping => Some(true),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (index, None));
        }
        self.open.push(Open {
            index,
            bracket: written.then_some(location),
            key_next,
            anchor,
            size: 1,
        });
        if self.open.len() > MAX_DEPTH {
            self.problems.add(
                location,
                format!("lists and mappings are nested more than {MAX_DEPTH} deep"),
                syntax::TOO_DEEP_HINT,
            );
            return Err(Stopped);
        }
        Ok(())
    }

    fn close(&mut self, end: Location) {
        self.steps.push(Step {
            kind: Kind::End,
            location: end,
            written: None,
        });
        let Some(closed) = self.open.pop() else {
            return;
        };
        if closed.anchor > 0 {
            self.anchors
                .insert(closed.anchor, (closed.index, Some(closed.size)));
        }
        if let Some(parent) = self.open.last_mut() {
            parent.size = parent.size.saturating_add(closed.size);
        }
        // A collection between brackets on one line is underlined whole.
        if let (Some(bracket), Some(start)) = (closed.bracket, self.steps.get_mut(closed.index))
            && bracket.line == end.line
        {
            start.location.width = (end.column + end.width)
                .saturating_sub(bracket.column)
                .max(1);
        }
    }

    /// The index of the event that the alias stands for.
    fn alias(&mut self, anchor: usize, location: Location) -> Result<usize, Stopped> {
        let Some(&(target, Some(size))) = self.anchors.get(&anchor) else {
            self.problems.add(
                location,
                "this alias stands for a value that it is itself a part of",
                "write the value out in place of the alias",
            );
            return Err(Stopped);
        };
        self.aliased = self.aliased.saturating_add(size);
        if self.aliased > MAX_ALIASED {
            self.problems.add(
                location,
                format!("with this alias, aliases stand for more than {MAX_ALIASED} values"),
                syntax::ALIASES_HINT,
            );
            return Err(Stopped);
        }
        if let Some(parent) = self.open.last_mut() {
            parent.size = parent.size.saturating_add(size);
        }
        Ok(target)
    }
}
