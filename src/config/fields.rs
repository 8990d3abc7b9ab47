//! Reading the keys of one mapping.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Content, Entry, Location, Node, START};
use super::problem::{Problems, Read, Reported, quoted};
use super::scalar::{Value, found, resembling};

/// The keys of one mapping, each told once if it is unknown or comes twice.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    /// Where the mapping starts.
    pub(super) location: Location,
    entries: BTreeMap<&'n str, &'n Entry>,
    /// Known keys that are misspelt in the file: they are neither missing nor default.
    misspelt: BTreeMap<&'static str, Reported>,
    /// The mapping has a merge key, and every absent key may be meant to come from it.
    merged: Option<Reported>,
}

impl<'n> Fields<'n> {
    /// `what` is the mapping's name in messages, with its article.
    pub(super) fn read(
        node: &'n Node,
        what: &str,
        known: &[&'static str],
        problems: &mut Problems,
    ) -> Read<Self> {
        let Content::Mapping(entries) = &node.content else {
            return Err(problems.add(
                node.location,
                format!("{what} must be a mapping, not {}", found(node)),
                format!("write `key: value` pairs; the keys are {}", list(known)),
            ));
        };
        let mut fields = Self::at(node.location);
        let present: BTreeSet<&str> = entries
            .iter()
            .map(|entry| entry.key.value.as_str())
            .collect();
        for entry in entries {
            let key = &entry.key;
            if let Some(first) = fields.entries.get(key.value.as_str()) {
                problems.add(
                    key.location,
                    format!(
                        "the key {} is already on line {}",
                        quoted(&key.value),
                        first.key.location.line
                    ),
                    "keep one of the two",
                );
                continue;
            }
            fields.entries.insert(&key.value, entry);
            if known.contains(&key.value.as_str()) {
                continue;
            }
            if key.value == "<<" {
                fields.merged = Some(problems.add(
                    key.location,
                    "merge keys (`<<`) are not supported",
                    "write the keys out; a whole value can be repeated, as in `check: *name`",
                ));
                continue;
            }
            let message = format!("{what} has no key {}", quoted(&key.value));
            let absent: Vec<_> = known.iter().filter(|k| !present.contains(**k)).collect();
            match resembling(&key.value, absent.iter().map(|k| **k)) {
                Some(meant) => {
                    let reported =
                        problems.add(key.location, message, format!("did you mean `{meant}`?"));
                    fields.misspelt.insert(meant, reported);
                }
                None => {
                    problems.add(
                        key.location,
                        message,
                        format!("its keys are {}", list(known)),
                    );
                }
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
            Some(entry) if entry.value.content != Content::Null => {
                Self::read(&entry.value, what, known, problems)
            }
            _ => Ok(Self::at(entry.map_or(START, |entry| entry.key.location))),
        }
    }

    fn at(location: Location) -> Self {
        Self {
            location,
            entries: BTreeMap::new(),
            misspelt: BTreeMap::new(),
            merged: None,
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
        match (self.entries.get(key), self.misspelt.get(key), self.merged) {
            (Some(entry), _, _) => Ok(Some(entry)),
            (None, Some(&reported), _) | (None, None, Some(reported)) => Err(reported),
            (None, None, None) => Ok(None),
        }
    }

    /// Reports the key if it is not there; `example` is a line that would do.
    pub(super) fn required(
        &self,
        key: &'static str,
        what: &str,
        example: &str,
        problems: &mut Problems,
    ) -> Read<&'n Entry> {
        match self.optional(key)? {
            Some(entry) => Ok(entry),
            None => Err(problems.add(
                self.location,
                format!("{what} has no `{key}`"),
                format!("add a line like `{example}`"),
            )),
        }
    }
}

/// `a`, `b` and `c`.
fn list(keys: &[&str]) -> String {
    let quoted: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
