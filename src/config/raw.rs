//! From text to the tree: the only place that knows a YAML parser.
//!
//! `serde_yaml` decides what the text means. It does not say where a value
//! stands, so `saphyr_parser` reads the same text beside it, and the two are
//! walked in step: one value of the one for one event of the other.
//! What could hurt (aliases that multiply, deep nesting) is stopped in the
//! events, before anything is built from them.

use std::collections::BTreeMap;
use std::fmt;

use saphyr_parser::{Event, Parser, Span};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::node::{Content, Entry, Located, Location, Node, START};
use super::problem::{Problem, Problems, quoted};
use super::syntax;

/// How deep collections may lie within each other; the configuration's own
/// shape needs 7. Also below the 128 at which `serde_yaml` gives up.
const MAX_DEPTH: usize = 64;
/// How many values aliases may stand for, all together: some 10,000 services
/// that share one check.
const MAX_ALIASED: usize = 200_000;

/// The one document in the text; `None` if the text says nothing at all.
pub(super) fn read(text: &str) -> Result<Option<Node>, Vec<Problem>> {
    let events = Scan::default().run(text)?;
    if events.is_empty() {
        return Ok(None);
    }
    let mut walk = Walk {
        events: &events,
        next: 0,
        stuck: None,
    };
    match NodeSeed(&mut walk).deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(root) => Ok(Some(root)),
        Err(error) => {
            let found = error.location().map(|at| Location {
                line: at.line(),
                column: at.column(),
                width: 1,
            });
            let location = walk.stuck.or(found).unwrap_or(START);
            Err(vec![syntax::explain(&error.to_string(), location, text)])
        }
    }
}

impl From<Span> for Location {
    /// Saphyr counts lines from 1 and columns from 0, both in characters.
    fn from(span: Span) -> Self {
        let one_line = span.start.line() == span.end.line();
        let width = span.end.col().saturating_sub(span.start.col());
        Self {
            line: span.start.line(),
            column: span.start.col() + 1,
            width: if one_line { width.max(1) } else { 1 },
        }
    }
}

/// What an event is, as far as the walk needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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

#[derive(Debug, Clone, Copy)]
struct Step {
    kind: Kind,
    location: Location,
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
    documents: usize,
    problems: Problems,
}

/// The scan cannot go on; the reason is among the problems.
struct Stopped;

impl Scan {
    fn run(mut self, text: &str) -> Result<Vec<Step>, Vec<Problem>> {
        let mut syntax_error = None;
        for event in Parser::new_from_str(text) {
            match event {
                Ok((event, span)) => {
                    if self.event(&event, span).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    let marker = *error.marker();
                    let location = Location::from(Span::empty(marker));
                    let bracket = self.open.last().and_then(|open| open.bracket);
                    syntax_error = Some(match bracket {
                        Some(bracket) if bracket.line < location.line => {
                            syntax::unclosed_bracket(bracket, location)
                        }
                        _ => syntax::explain(error.info(), location, text),
                    });
                    break;
                }
            }
        }
        if self.problems.is_empty() && syntax_error.is_none() {
            return Ok(self.steps);
        }
        let mut problems = self.problems.into_vec();
        problems.extend(syntax_error);
        Err(problems)
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
            self.problems.add(
                location,
                format!("the tag {} has no meaning here", quoted(&tag.to_string())),
                "remove it; to make a number a text, put it in quotes",
            );
        }
        self.place(kind, anchor, location, !span.is_empty())
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
        self.steps.push(Step { kind, location });
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

/// Where the walk is in saphyr's events.
struct Walk<'e> {
    events: &'e [Step],
    next: usize,
    /// Where the two parsers did not see the same.
    stuck: Option<Location>,
}

impl Walk<'_> {
    fn take(&mut self) -> Option<Step> {
        let step = self.events.get(self.next).copied();
        self.next += 1;
        step
    }

    fn expect<E: de::Error>(&mut self, same: bool, location: Location) -> Result<(), E> {
        if same {
            return Ok(());
        }
        self.stuck = Some(location);
        Err(E::custom(syntax::READERS_DIFFER))
    }
}

/// Makes the tree of the value that comes next on both sides.
struct NodeSeed<'w, 'e>(&'w mut Walk<'e>);

impl<'de> DeserializeSeed<'de> for NodeSeed<'_, '_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let Self(walk) = self;
        let differ = || de::Error::custom(syntax::READERS_DIFFER);
        let mut step = walk.take().ok_or_else(differ)?;
        let mut after_alias = None;
        if let Kind::Alias(target) = step.kind {
            after_alias = Some(walk.next);
            walk.next = target;
            step = walk.take().ok_or_else(differ)?;
        }
        let content = deserializer.deserialize_any(ContentVisitor { walk, step })?;
        if let Some(after_alias) = after_alias {
            walk.next = after_alias;
        }
        Ok(Node {
            location: step.location,
            content,
        })
    }
}

struct ContentVisitor<'w, 'e> {
    walk: &'w mut Walk<'e>,
    step: Step,
}

impl ContentVisitor<'_, '_> {
    fn scalar<E: de::Error>(self, content: Content) -> Result<Content, E> {
        let same = matches!(self.step.kind, Kind::Scalar { .. });
        self.walk.expect(same, self.step.location)?;
        Ok(content)
    }

    fn end<E: de::Error>(self) -> Result<(), E> {
        let location = self.step.location;
        let end = self.walk.take();
        let same = end.is_some_and(|step| step.kind == Kind::End);
        self.walk
            .expect(same, end.map_or(location, |step| step.location))
    }
}

impl<'de> Visitor<'de> for ContentVisitor<'_, '_> {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
        self.scalar(Content::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Content, E> {
        self.scalar(Content::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Content, E> {
        self.scalar(Content::Integer(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Content, E> {
        self.scalar(Content::Integer(value.into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Content, E> {
        self.scalar(Content::Integer(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Content, E> {
        self.scalar(Content::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Content, E> {
        self.scalar(Content::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Content, E> {
        self.scalar(Content::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Content, A::Error> {
        let same = self.step.kind == Kind::Sequence;
        self.walk.expect(same, self.step.location)?;
        let mut nodes = Vec::new();
        while let Some(node) = values.next_element_seed(NodeSeed(self.walk))? {
            nodes.push(node);
        }
        self.end()?;
        Ok(Content::Sequence(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Content, A::Error> {
        let same = self.step.kind == Kind::Mapping;
        self.walk.expect(same, self.step.location)?;
        let mut entries = Vec::new();
        while let Some(key) = pairs.next_key_seed(NodeSeed(self.walk))? {
            let empty = matches!(
                self.walk.events.get(self.walk.next).map(|step| step.kind),
                Some(Kind::Scalar { empty: true })
            );
            let mut value = pairs.next_value_seed(NodeSeed(self.walk))?;
            if empty {
                value.location = key.location;
            }
            entries.push(Entry {
                key: Located {
                    value: key_text(key.content),
                    location: key.location,
                },
                value,
            });
        }
        self.end()?;
        Ok(Content::Mapping(entries))
    }
}

/// A key as text: one that YAML takes for a number or so is no key of ours
/// anyway, and only has to be shown.
fn key_text(content: Content) -> String {
    match content {
        Content::Text(text) => text,
        Content::Integer(number) => number.to_string(),
        Content::Float(number) => number.to_string(),
        Content::Bool(value) => value.to_string(),
        Content::Null => String::from("~"),
        // The scan lets no other key through.
        Content::Sequence(_) | Content::Mapping(_) => String::new(),
    }
}
