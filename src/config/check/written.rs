//! Where a check is written: in one entry, or without a kind beside a check of `defaults`.

use super::super::declaration::{CHECK, SCHEDULE};
use super::super::fields::Fields;
use super::super::node::{Content, Entry, Location};
use super::super::problem::{Parsed, Problems};
use super::super::scalar::Value;

/// What stands in place of the mapping where nothing is asked.
const NONE: &str = "none";

/// The entry of a check, and the default whose keys hold where the entry does not have them.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct WrittenCheck<'n> {
    entry: Option<&'n Entry>,
    default: Option<&'n Entry>,
}

/// A key of a check as it is written.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct WrittenKey {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) location: Location,
    /// Whether a check that is written elsewhere takes the key from the default.
    pub(in crate::config) is_inherited: bool,
}

impl WrittenKey {
    /// Whether the key says what is asked.
    pub(in crate::config) fn is_kind(&self) -> bool {
        SCHEDULE.iter().all(|key| key.name != self.name)
    }
}

impl<'n> WrittenCheck<'n> {
    /// A check that takes nothing from another one.
    pub(in crate::config) const fn alone(entry: Option<&'n Entry>) -> Self {
        Self {
            entry,
            default: None,
        }
    }

    /// The check of a virtual service. A check that says no kind takes what it does not say from
    /// the default, whose kind would otherwise change in silence.
    pub(in crate::config) fn of_service(
        fields: &Fields<'n>,
        defaults: Parsed<&Fields<'n>>,
    ) -> Parsed<Self> {
        let alone = Self::alone(fields.optional("check")?);
        if alone.entry.is_none() || alone.says_kind() {
            return Ok(alone);
        }
        let default = defaults?.optional("check")?;
        Ok(Self { default, ..alone })
    }

    /// Where the entry is.
    pub(in crate::config) fn location(self) -> Option<Location> {
        self.entry.map(|entry| entry.key.location)
    }

    /// The keys that hold.
    pub(in crate::config) fn keys(self) -> Vec<WrittenKey> {
        let mut keys: Vec<WrittenKey> = Vec::new();
        let entries = [(self.entry, false), (self.default, true)];
        for (entry, is_inherited) in entries {
            let Some(Content::Mapping(entries)) = entry.map(|entry| entry.value.content()) else {
                continue;
            };
            for key in entries.iter().map(|entry| &entry.key) {
                let Some(declared) = CHECK.key(&key.value) else {
                    continue;
                };
                if keys.iter().all(|known| known.name != declared.name) {
                    keys.push(WrittenKey {
                        name: declared.name,
                        location: key.location,
                        is_inherited,
                    });
                }
            }
        }
        keys
    }

    /// Whether this is `check: none`.
    pub(super) fn is_none(self) -> bool {
        self.entry.is_some_and(is_none)
    }

    /// Whether the check says what is asked, so that HTTP is not asked for without a word.
    pub(in crate::config) fn says_kind(self) -> bool {
        self.entries().any(says_kind)
    }

    /// The keys of the check.
    pub(super) fn fields(self, problems: &mut Problems) -> Parsed<Fields<'n>> {
        let entry = self.entry.filter(|entry| !is_none(entry));
        if let Some(entry) = entry
            && let Content::Text(_) | Content::Null = entry.value.content()
        {
            let hint = "write a check, such as `check: { tcp: {} }`, or `check: none`, \
                        with which real servers are always up";
            return Err(Value::of(entry).wrong("a mapping or `none`", hint, problems));
        }
        let mut fields = Fields::section(entry, &CHECK, problems)?;
        let Some(default) = self.default else {
            return Ok(fields);
        };
        if is_none(default) {
            return Err(problems.add(
                fields.location,
                "the virtual service's check says no kind, and `defaults` has `check: none`",
                "write the whole check, such as `check: { tcp: {}, interval: 5s }`, or \
                 `check: none`",
            ));
        }
        let default = Fields::section(Some(default), &CHECK, problems)?;
        fields.inherit(Ok(&default), |_| true);
        Ok(fields)
    }

    /// The value of a key of the check, if it is there.
    pub(super) fn entry(self, name: &str) -> Option<&'n Entry> {
        let mut mappings = self.entries().filter_map(|entry| entry.value.mapping());
        mappings.find_map(|entries| entries.iter().find(|entry| &*entry.key.value == name))
    }

    /// Those in which a key is looked for, one after the other.
    fn entries(self) -> impl Iterator<Item = &'n Entry> {
        self.entry.into_iter().chain(self.default)
    }
}

fn is_none(entry: &Entry) -> bool {
    matches!(entry.value.content(), Content::Text(text) if &**text == NONE)
}

fn says_kind(entry: &Entry) -> bool {
    // What is no mapping is `none`, or no check at all, which is reported.
    entry.value.mapping().is_none_or(|entries| {
        let mut keys = entries.iter().map(|entry| &*entry.key.value);
        keys.any(|name| SCHEDULE.iter().all(|key| key.name != name))
    })
}
