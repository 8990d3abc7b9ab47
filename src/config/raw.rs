//! From text to the tree: the only place that knows a YAML parser.
//!
//! `serde_yaml` decides what the text means. It does not say where a value
//! stands, so [`scan()`] lists the values of the same text with their places,
//! and the two are walked in step: one value of the one for one of the other.

mod scan;

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::node::{Content, Entry, Located, Location, Node, START};
use super::problem::First;
use super::syntax;
pub(super) use scan::MAX_VALUES;
use scan::{Kind, Step, scan};

/// The one document in the text; `None` if the text says nothing at all.
/// Its keys and values are taken from `budget`.
pub(super) fn read(text: &str, budget: &mut usize) -> Result<Option<Node>, First> {
    let events = scan(text, budget)?;
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
                file: 0,
                line: at.line(),
                column: at.column(),
                width: 1,
            });
            let location = walk.stuck.or(found).unwrap_or(START);
            let problem = syntax::explain(&error.to_string(), location, None, text);
            Err(problem.into())
        }
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
        let step = self.events.get(self.next).cloned();
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
        let (location, written) = (step.location, step.written.take());
        let content = deserializer.deserialize_any(ContentVisitor { walk, step })?;
        if let Some(after_alias) = after_alias {
            walk.next = after_alias;
        }
        Ok(Node {
            location,
            written: match content {
                Content::Integer(_) | Content::Float(_) => written,
                Content::Null
                | Content::Bool(_)
                | Content::Text(_)
                | Content::Sequence(_)
                | Content::Mapping(_) => None,
            },
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
        let same = end.as_ref().is_some_and(|step| step.kind == Kind::End);
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
                    location: key.location,
                    value: key_text(key),
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
fn key_text(key: Node) -> String {
    match key.content {
        Content::Text(text) => text,
        Content::Integer(_) | Content::Float(_) => key.written.unwrap_or_default().into(),
        Content::Bool(value) => value.to_string(),
        Content::Null => String::from("~"),
        // The scan lets no other key through.
        Content::Sequence(_) | Content::Mapping(_) => String::new(),
    }
}
