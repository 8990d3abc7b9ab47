//! From text to the tree: the only place that knows a YAML parser.
//!
//! Nesting is bounded, and so is what aliases stand for; the time and the
//! memory that a text takes grow with its length.

mod scalar;

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::node::{Content, Entry, Located, Location, Node};
use super::problem::{First, Problem, Problems, quoted};
use super::syntax;
pub(super) use scalar::{plain, plain_json};

/// How deep collections may lie within each other, aliases expanded; the
/// configuration's own shape needs 7.
const MAX_DEPTH: usize = 64;
/// How many values aliases may stand for, all together: some 10,000 services
/// that share one check.
const MAX_ALIASED: usize = 200_000;
/// How many keys and values all files of a configuration may have: room for
/// some 100,000 real servers. Each takes about a hundred bytes while it is read.
pub(super) const MAX_VALUES: usize = 1_000_000;

/// The one document in the text; `None` if there is none. Its keys and values
/// are taken from `budget`, and its positions are in the file with this number.
pub(super) fn parse(text: &str, file: u16, budget: &mut usize) -> Result<Option<Node>, First> {
    let mut tree = Tree {
        file,
        budget: *budget,
        ..Tree::default()
    };
    let mut syntax_error = None;
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                if tree.event(event, span).is_err() {
                    break;
                }
            }
            Err(error) => {
                let location = location(Span::empty(*error.marker()));
                syntax_error = Some(tree.syntax_error(error.info(), location, text));
                break;
            }
        }
    }
    *budget = tree.budget;
    if tree.problems.is_empty() && syntax_error.is_none() {
        return Ok(tree.root);
    }
    let mut found = tree.problems.into_first();
    // This problem is the reason that the rest was not read.
    found.problems.extend(syntax_error);
    Err(found)
}

/// Saphyr counts lines from 1 and columns from 0, both in characters.
fn location(span: Span) -> Location {
    let one_line = span.start.line() == span.end.line();
    let width = span.end.col().saturating_sub(span.start.col());
    let width = if one_line { width } else { 1 };
    Location::new(span.start.line(), span.start.col() + 1, width)
}

/// A collection that is not closed yet.
struct Open {
    location: Location,
    /// Whether there is a bracket.
    bracket: bool,
    anchor: usize,
    items: Items,
    /// How many values it holds, aliases counted as what they stand for.
    size: usize,
    /// How deep collections lie in it, itself counted.
    height: usize,
}

enum Items {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        /// The key whose value comes next.
        key: Option<Located<Box<str>>>,
    },
}

/// A value that an alias can repeat.
struct Anchored {
    node: Node,
    size: usize,
    height: usize,
}

/// Builds the tree and refuses what a configuration cannot have.
#[derive(Default)]
struct Tree {
    file: u16,
    root: Option<Node>,
    open: Vec<Open>,
    /// By saphyr's number of the anchor.
    anchors: BTreeMap<usize, Anchored>,
    aliased: usize,
    /// How many keys and values there may be still.
    budget: usize,
    documents: usize,
    /// Where the last key or value is.
    last: Option<Location>,
    problems: Problems,
}

/// The tree cannot go on; the reason is among the problems.
struct Stopped;

impl Tree {
    fn syntax_error(&self, parser_message: &str, location: Location, text: &str) -> Problem {
        if let Some(open) = self.open.last()
            && open.bracket
            && open.location.line() < location.line()
        {
            let closing = match open.items {
                Items::Mapping { .. } => '}',
                Items::Sequence(_) => ']',
            };
            return syntax::unclosed_bracket(open.location, closing, location);
        }
        syntax::explain(parser_message, location, self.last, text)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stopped> {
        let location = location(span).in_file(self.file);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.document(location),
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(location);
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, location),
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), location);
                self.count(location)?;
                let content = if style == ScalarStyle::Plain {
                    scalar::plain(&text)
                } else {
                    Content::Text(text.into())
                };
                if self.is_key_next() {
                    let value = scalar::key_text(content);
                    self.key(Located { value, location });
                    return Ok(());
                }
                // Where nothing is written, the key stands for it.
                let at = if span.is_empty() {
                    self.key_location()
                } else {
                    None
                };
                self.value(at.unwrap_or(location), content, anchor, 1, 0);
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), location);
                self.open(Items::Sequence(Vec::new()), anchor, location, span)
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), location);
                let items = Items::Mapping {
                    entries: Vec::new(),
                    key: None,
                };
                self.open(items, anchor, location, span)
            }
        }
    }

    fn document(&mut self, location: Location) -> Result<(), Stopped> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        self.problems.add(
            location,
            "a second document starts here, and the configuration is one",
            "remove the line `---` and everything that does not belong",
        );
        Err(Stopped)
    }

    fn tag(&mut self, tag: Option<&Tag>, location: Location) {
        let Some(tag) = tag else {
            return;
        };
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

    /// Takes one key or value from the budget.
    fn count(&mut self, location: Location) -> Result<(), Stopped> {
        self.last = Some(location);
        if let Some(open) = self.open.last_mut() {
            open.size += 1;
        }
        if let Some(budget) = self.budget.checked_sub(1) {
            self.budget = budget;
            return Ok(());
        }
        self.problems.add(
            location,
            format!("up to here there are more than {MAX_VALUES} keys and values"),
            "give the path of a configuration file",
        );
        Err(Stopped)
    }

    fn is_key_next(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                items: Items::Mapping { key: None, .. },
                ..
            })
        )
    }

    fn key_location(&self) -> Option<Location> {
        match self.open.last().map(|open| &open.items) {
            Some(Items::Mapping { key: Some(key), .. }) => Some(key.location),
            _ => None,
        }
    }

    fn key(&mut self, written: Located<Box<str>>) {
        if let Some(Items::Mapping { key, .. }) = self.open.last_mut().map(|open| &mut open.items) {
            *key = Some(written);
        }
    }

    /// A value of its own, which an anchor keeps for aliases.
    fn value(
        &mut self,
        location: Location,
        content: Content,
        anchor: usize,
        size: usize,
        height: usize,
    ) {
        if anchor == 0 {
            self.put(Node::new(location, content), height);
            return;
        }
        let node = Node::anchored(location, content);
        let anchored = Anchored {
            node: node.clone(),
            size,
            height,
        };
        self.anchors.insert(anchor, anchored);
        self.put(node, height);
    }

    fn put(&mut self, node: Node, height: usize) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        open.height = open.height.max(height + 1);
        match &mut open.items {
            Items::Sequence(nodes) => nodes.push(node),
            Items::Mapping { entries, key } => {
                if let Some(key) = key.take() {
                    entries.push(Entry { key, value: node });
                } else {
                    // A collection as a key, which is reported.
                    let value = Box::default();
                    let location = node.location;
                    *key = Some(Located { value, location });
                }
            }
        }
    }

    fn open(
        &mut self,
        items: Items,
        anchor: usize,
        location: Location,
        span: Span,
    ) -> Result<(), Stopped> {
        self.count(location)?;
        if self.is_key_next() {
            self.problems.add(location, COMPLEX_KEY.0, COMPLEX_KEY.1);
        }
        self.open.push(Open {
            location,
            bracket: !span.is_empty(),
            anchor,
            items,
            size: 1,
            height: 1,
        });
        self.depth(0, location)
    }

    /// Whether something of this height may stand here.
    fn depth(&mut self, height: usize, location: Location) -> Result<(), Stopped> {
        if self.open.len() + height <= MAX_DEPTH {
            return Ok(());
        }
        self.problems.add(
            location,
            format!("lists and mappings are nested more than {MAX_DEPTH} deep"),
            syntax::TOO_DEEP_HINT,
        );
        Err(Stopped)
    }

    fn close(&mut self, end: Location) {
        self.last = Some(end);
        let Some(closed) = self.open.pop() else {
            return;
        };
        if let Some(parent) = self.open.last_mut() {
            parent.size = parent.size.saturating_add(closed.size - 1);
        }
        let mut location = closed.location;
        // A collection between brackets on one line is underlined whole.
        if closed.bracket && location.line() == end.line() {
            let width = (end.column() + end.width()).saturating_sub(location.column());
            location = Location::new(location.line(), location.column(), width).in_file(self.file);
        }
        let content = match closed.items {
            Items::Sequence(mut nodes) => {
                nodes.shrink_to_fit();
                Content::Sequence(nodes)
            }
            Items::Mapping { mut entries, .. } => {
                entries.shrink_to_fit();
                Content::Mapping(entries)
            }
        };
        self.value(location, content, closed.anchor, closed.size, closed.height);
    }

    fn alias(&mut self, anchor: usize, location: Location) -> Result<(), Stopped> {
        self.count(location)?;
        let Some(Anchored { node, size, height }) = self.anchors.get(&anchor) else {
            self.problems.add(
                location,
                "this alias stands for a value that it is itself a part of",
                "write the value out in place of the alias",
            );
            return Err(Stopped);
        };
        let (node, size, height) = (node.clone(), *size, *height);
        self.aliased = self.aliased.saturating_add(size);
        if self.aliased > MAX_ALIASED {
            self.problems.add(
                location,
                format!("with this alias, aliases stand for more than {MAX_ALIASED} values"),
                syntax::ALIASES_HINT,
            );
            return Err(Stopped);
        }
        if let Some(open) = self.open.last_mut() {
            open.size = open.size.saturating_add(size - 1);
        }
        self.depth(height, location)?;
        if self.is_key_next() {
            self.problems.add(location, COMPLEX_KEY.0, COMPLEX_KEY.1);
        }
        self.put(node, height);
        Ok(())
    }
}

/// A key that is no text: the message and the hint.
const COMPLEX_KEY: (&str, &str) = (
    "a key must be plain text, not a list, a mapping or an alias",
    "write `key: value`; in { } and [ ], put a space after each `:`",
);

#[cfg(test)]
mod tests;
