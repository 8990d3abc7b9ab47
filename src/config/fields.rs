//! Reading the keys of one mapping.

use std::collections::{BTreeMap, BTreeSet};

use super::foreign;
use super::node::{Content, Entry, Location, Node, START};
use super::problem::{Problems, Read, Reported, quoted};
use super::scalar::{Value, found, list, resembling};

/// The keys of one mapping, each told once if it is unknown or comes twice.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    /// Where the mapping starts.
    pub(super) location: Location,
    entries: BTreeMap<&'n str, &'n Entry>,
    /// Known keys that are misspelt in the file: they are neither missing nor default.
    misspelt: BTreeSet<&'static str>,
    /// The mapping has a merge key, and every absent key may be meant to come from it.
    merged: bool,
    /// For a misspelt key and the merge key.
    reported: Option<Reported>,
}

impl<'n> Fields<'n> {
    /// `what` is the mapping's name in messages, with its article.
    pub(super) fn read(
        node: &'n Node,
        what: &str,
        known: &[&'static str],
        problems: &mut Problems,
    ) -> Read<Self> {
        let Content::Mapping(entries) = node.content() else {
            return Err(problems.add(
                node.location,
                format!("{what} must be a mapping, not {}", found(node)),
                format!(
                    "write lines like `key: value`; known keys: {}",
                    list(known, "and")
                ),
            ));
        };
        let mut fields = Self::at(node.location);
        let present: BTreeSet<&str> = entries.iter().map(|entry| &*entry.key.value).collect();
        for entry in entries {
            let key = &entry.key;
            if let Some(first) = fields.entries.get(&*key.value) {
                problems.add(
                    key.location,
                    format!(
                        "the key {} is already on line {}",
                        quoted(&key.value),
                        first.key.location.line()
                    ),
                    "keep one of the two",
                );
                continue;
            }
            fields.entries.insert(&key.value, entry);
            if known.contains(&&*key.value) {
                continue;
            }
            if &*key.value == "<<" {
                fields.merged = true;
                fields.reported = Some(problems.add(
                    key.location,
                    "merge keys (`<<`) are not supported",
                    "write the keys out; a whole value can be repeated, as in `check: *name`",
                ));
                continue;
            }
            let absent = known.iter().copied().filter(|key| !present.contains(key));
            let foreign = foreign::key(&key.value, known);
            let meant = match &foreign {
                Some((ours, _)) => ours.filter(|ours| !present.contains(ours)),
                None => resembling(&key.value, absent),
            };
            let hint = match (meant, foreign) {
                (_, Some((_, hint))) => hint,
                (Some(meant), None) => format!("did you mean `{meant}`?"),
                (None, None) if known.is_empty() => {
                    "remove it: there is nothing to say here".to_owned()
                }
                (None, None) => format!("known keys: {}", list(known, "and")),
            };
            let message = format!("{what} has no key {}", quoted(&key.value));
            let reported = problems.add(key.location, message, hint);
            if let Some(meant) = meant {
                fields.misspelt.insert(meant);
                fields.reported = Some(reported);
            }
        }
        Ok(fields)
    }

    /// A section that may be left out, or be there and say nothing.
    pub(super) fn section(
        entry: Option<&'n Entry>,
        what: &str,
        known: &[&'static str],
        problems: &mut Problems,
    ) -> Read<Self> {
        match entry {
            Some(entry) if *entry.value.content() != Content::Null => {
                Self::read(&entry.value, what, known, problems)
            }
            _ => Ok(Self::at(entry.map_or(START, |entry| entry.key.location))),
        }
    }

    fn at(location: Location) -> Self {
        Self {
            location,
            entries: BTreeMap::new(),
            misspelt: BTreeSet::new(),
            merged: false,
            reported: None,
        }
    }

    /// The value of a key that has a default.
    pub(super) fn or_default<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(Value<'n>) -> Read<T>,
    ) -> Read<T> {
        match self.optional(key)? {
            Some(entry) => read(Value::of(entry)),
            None => Ok(default),
        }
    }

    /// `None` if the key is not there and its default holds.
    pub(super) fn optional(&self, key: &'static str) -> Read<Option<&'n Entry>> {
        let absent_for_a_reason = self.merged || self.misspelt.contains(key);
        match (self.entries.get(key), self.reported) {
            (Some(entry), _) => Ok(Some(entry)),
            (None, Some(reported)) if absent_for_a_reason => Err(reported),
            (None, _) => Ok(None),
        }
    }

    /// Reports the key if it is not there; the hint says what to add.
    pub(super) fn required(
        &self,
        key: &'static str,
        what: &str,
        hint: &str,
        problems: &mut Problems,
    ) -> Read<&'n Entry> {
        match self.optional(key)? {
            Some(entry) => Ok(entry),
            None => Err(problems.add(self.location, format!("{what} has no `{key}`"), hint)),
        }
    }
}
