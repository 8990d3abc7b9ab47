//! Reading the keys of one mapping.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::declaration::{Alternatives, Choice, Mapping, Presence};
use super::foreign;
use super::node::{Content, Entry, Located, Location, Node, START};
use super::problem::{ErrorGuaranteed, Parsed, Problems, quoted};
use super::scalar::{Value, found, list};
use super::spelling::resembling;
use super::yaml;

/// The keys of one mapping. A key that is unknown or comes twice is reported once.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    /// Where the mapping starts.
    pub(super) location: Location,
    mapping: &'static Mapping,
    /// The values of keys that are not there and have a default.
    defaults: Vec<(&'static str, Node)>,
    entries: BTreeMap<&'n str, &'n Entry>,
    /// Known keys that are misspelt in the file, or rejected: they are neither missing nor default.
    misspelt: BTreeSet<&'static str>,
    /// The mapping has a merge key, and every absent key may be meant to come from it.
    merged: bool,
    /// For a misspelt key and the merge key.
    reported: Option<ErrorGuaranteed>,
    /// For a key that is unknown, misspelt or not.
    unknown: Option<ErrorGuaranteed>,
    /// Unknown keys that belong into the mappings that inherit from this one.
    misplaced: BTreeSet<&'static str>,
}

impl<'n> Fields<'n> {
    pub(super) fn read(
        node: &'n Node,
        mapping: &'static Mapping,
        problems: &mut Problems,
    ) -> Parsed<Self> {
        let what = mapping.what;
        let known: Vec<_> = mapping.keys().map(|key| key.name).collect();
        let known = known.as_slice();
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
        let mut fields = Self::at(node.location, mapping);
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
            fields.unknown = Some(reported);
            if let Some(meant) = meant {
                fields.misspelt.insert(meant);
                fields.reported = Some(reported);
            }
        }
        fields.set_defaults();
        Ok(fields)
    }

    /// A section that may be left out, or be there and say nothing.
    pub(super) fn section(
        entry: Option<&'n Entry>,
        mapping: &'static Mapping,
        problems: &mut Problems,
    ) -> Parsed<Self> {
        match entry {
            Some(entry) if *entry.value.content() != Content::Null => {
                Self::read(&entry.value, mapping, problems)
            }
            _ => {
                let location = entry.map_or(START, |entry| entry.key.location);
                let mut fields = Self::at(location, mapping);
                fields.set_defaults();
                Ok(fields)
            }
        }
    }

    /// Takes from `others` the entries that are not here. What others should have and is
    /// reported there, is not missing here.
    pub(super) fn inherit(&mut self, others: Parsed<&Self>, is_taken: impl Fn(&str) -> bool) {
        let others = match others {
            Ok(others) => others,
            Err(reported) => {
                self.merged = true;
                self.reported = Some(reported);
                return;
            }
        };
        self.merged |= others.merged;
        self.misspelt.extend(&others.misspelt);
        self.reported = self.reported.or(others.reported);
        for (name, entry) in &others.entries {
            let is_known = others.mapping.key(name).is_some() && self.mapping.key(name).is_some();
            if is_known && is_taken(name) {
                self.entries.entry(name).or_insert(entry);
            }
        }
        if let Some(reported) = others.unknown {
            let misplaced = others.misplaced.iter().filter(|name| is_taken(name));
            misplaced.for_each(|name| self.excuse(name, reported));
        }
    }

    /// Finds keys, perhaps misspelt, that only `heirs` have, which inherit from this mapping.
    pub(super) fn find_misplaced(&mut self, heirs: &'static Mapping) {
        let theirs = heirs.keys().map(|key| key.name);
        let theirs: Vec<_> = theirs
            .filter(|name| self.mapping.key(name).is_none())
            .collect();
        let unknown = self.entries.keys();
        let unknown = unknown.filter(|name| self.mapping.key(name).is_none());
        let meant = unknown.filter_map(|name| {
            let exact = theirs.iter().find(|key| *key == name);
            exact
                .copied()
                .or_else(|| resembling(name, theirs.iter().copied()))
        });
        self.misplaced = meant.collect();
    }

    /// Lets a key be neither missing nor default that stands where it is inherited from, and is
    /// reported there.
    fn excuse(&mut self, name: &'static str, reported: ErrorGuaranteed) {
        let alternatives = match self.mapping.alternatives {
            Alternatives::ExactlyOne(keys) | Alternatives::AtMostOne(keys) => keys,
            Alternatives::None => &[],
        };
        let mut others = alternatives.iter();
        let is_there = others.any(|key| self.entries.contains_key(key));
        // A mapping that has another one of the alternatives lacks nothing.
        if !(alternatives.contains(&name) && is_there) {
            self.misspelt.insert(name);
            self.reported = self.reported.or(Some(reported));
        }
    }

    /// One of the keys with its value alone, if the key is there.
    pub(super) fn alone(&self, name: &'static str) -> Option<Self> {
        let (name, entry) = self.entries.get_key_value(name)?;
        let mut alone = Self::at(self.location, self.mapping);
        alone.entries.insert(name, entry);
        alone.set_defaults();
        Some(alone)
    }

    /// Leaves out a key whose value is wrong, as is reported.
    pub(super) fn reject(&mut self, name: &'static str, reported: ErrorGuaranteed) {
        self.entries.remove(name);
        self.misspelt.insert(name);
        self.reported = Some(reported);
    }

    /// The entries, in the order of their keys.
    pub(super) fn entries(&self) -> impl Iterator<Item = &'n Entry> {
        self.entries.values().copied()
    }

    /// Whether one of these keys is there.
    pub(super) fn has_any(&self, mut keys: impl Iterator<Item = &'static str>) -> bool {
        keys.any(|key| self.entries.contains_key(key))
    }

    /// Where the next key of the mapping stands after this place, if there is one.
    pub(super) fn next_key(&self, place: Location) -> Option<Location> {
        let keys = self.entries().map(|entry| entry.key.location);
        keys.filter(|key| *key > place).min()
    }

    fn at(location: Location, mapping: &'static Mapping) -> Self {
        Self {
            location,
            mapping,
            defaults: Vec::new(),
            entries: BTreeMap::new(),
            misspelt: BTreeSet::new(),
            merged: false,
            reported: None,
            unknown: None,
            misplaced: BTreeSet::new(),
        }
    }

    fn set_defaults(&mut self) {
        for key in self.mapping.keys() {
            if let Presence::Default(text) = key.presence
                && !self.entries.contains_key(key.name)
            {
                let node = Node::new(self.location, yaml::plain(text));
                self.defaults.push((key.name, node));
            }
        }
    }

    /// The value of a key that must be there or has a default.
    pub(super) fn value(&self, name: &'static str, problems: &mut Problems) -> Parsed<Value<'_>> {
        if let Some(value) = self.written(name)? {
            return Ok(value);
        }
        let key = self.mapping.key(name);
        match self.defaults.iter().find(|(default, _)| *default == name) {
            Some((_, node)) => Ok(Value { name, node, key }),
            None => Err(self.missing(name, problems)),
        }
    }

    /// The value of a key that may be missing.
    pub(super) fn written(&self, name: &'static str) -> Parsed<Option<Value<'_>>> {
        let entry = self.optional(name)?;
        Ok(entry.map(|entry| Value {
            key: self.mapping.key(name),
            ..Value::of(entry)
        }))
    }

    /// What `read` makes of the value of a key that may be missing.
    pub(super) fn maybe<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(Value<'_>) -> Parsed<T>,
    ) -> Parsed<Option<T>> {
        self.written(name)?.map(read).transpose()
    }

    /// The name of a virtual service or real server.
    pub(super) fn name(&self, problems: &mut Problems) -> Parsed<Located<Arc<str>>> {
        let value = self.value("name", problems)?;
        let location = value.node.location;
        let value = value.name(problems)?;
        Ok(Located { value, location })
    }

    /// The mapping's name in messages, with its article.
    pub(super) const fn what(&self) -> &'static str {
        self.mapping.what
    }

    pub(super) fn duration(&self, name: &'static str, problems: &mut Problems) -> Parsed<Duration> {
        self.value(name, problems)?.duration(problems)
    }

    pub(super) fn integer<T: TryFrom<i128>>(
        &self,
        name: &'static str,
        problems: &mut Problems,
    ) -> Parsed<T> {
        self.value(name, problems)?.integer(problems)
    }

    pub(super) fn truth(&self, name: &'static str, problems: &mut Problems) -> Parsed<bool> {
        self.value(name, problems)?.truth(problems)
    }

    pub(super) fn choice<T: Choice>(
        &self,
        name: &'static str,
        problems: &mut Problems,
    ) -> Parsed<T> {
        self.value(name, problems)?.choice(problems)
    }

    /// The entry of a key that may be missing.
    pub(super) fn optional(&self, key: &'static str) -> Parsed<Option<&'n Entry>> {
        debug_assert!(self.mapping.key(key).is_some(), "`{key}` is not declared");
        self.entry(key)
    }

    /// The same of a key that another mapping declares, and whose presence is
    /// reported here.
    pub(super) fn entry(&self, key: &'static str) -> Parsed<Option<&'n Entry>> {
        let absent_for_a_reason = self.merged || self.misspelt.contains(key);
        match (self.entries.get(key), self.reported) {
            (Some(entry), _) => Ok(Some(entry)),
            (None, Some(reported)) if absent_for_a_reason => Err(reported),
            (None, _) => Ok(None),
        }
    }

    /// The value of the only one of these keys that is there.
    pub(super) fn exactly_one(
        &self,
        names: &[&'static str],
        hint: &str,
        problems: &mut Problems,
    ) -> Parsed<Value<'_>> {
        let mut found: Option<Value<'_>> = None;
        for name in names {
            let Some(entry) = self.optional(name)? else {
                continue;
            };
            if let Some(first) = found {
                let message = format!("{} has both `{}` and `{name}`", self.what(), first.name);
                return Err(problems.add(entry.key.location, message, "keep one of the two"));
            }
            found = self.written(name)?;
        }
        found.ok_or_else(|| {
            let message = format!("{} has none of {}", self.what(), list(names, "and"));
            problems.add(self.location, message, hint)
        })
    }

    /// The entry of a key that must be there.
    pub(super) fn required(&self, key: &'static str, problems: &mut Problems) -> Parsed<&'n Entry> {
        if let Some(entry) = self.optional(key)? {
            return Ok(entry);
        }
        Err(self.missing(key, problems))
    }

    fn missing(&self, name: &str, problems: &mut Problems) -> ErrorGuaranteed {
        let hint = match self.mapping.key(name).map(|key| key.presence) {
            Some(Presence::Required(hint)) => hint,
            _ => "add the key",
        };
        let what = self.mapping.what;
        problems.add(self.location, format!("{what} has no `{name}`"), hint)
    }
}

/// The nodes of a list, which must not be empty.
pub(super) fn list_nodes<'n>(
    entry: &'n Entry,
    hint: &str,
    problems: &mut Problems,
) -> Parsed<&'n [Node]> {
    match entry.value.content() {
        Content::Sequence(nodes) if !nodes.is_empty() => Ok(nodes),
        Content::Sequence(_) | Content::Null => Err(problems.add(
            entry.key.location,
            format!("the list `{}` is empty", entry.key.value),
            hint,
        )),
        _ => Err(Value::of(entry).wrong("a list", hint, problems)),
    }
}
