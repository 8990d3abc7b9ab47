//! Reading single values: text, numbers, durations, names, paths.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::declaration::{Choice, INTERFACE, Key, Kind, NAME, PATH, Presence, Text};
use super::node::{Content, Entry, Node};
use super::problem::{ErrorGuaranteed, Parsed, Problems, quoted, shown};
use super::spelling::resembling;
use super::unexpanded::{UNEXPANDED_HINT, unexpanded};
use crate::model::{LONGEST_NAME, is_name_byte};

/// A value to be read, with its name for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'n> {
    /// The key, or for an entry of a list that of the list.
    pub(super) name: &'n str,
    pub(super) node: &'n Node,
    /// Its declaration, unless it is an entry of a list.
    pub(super) key: Option<&'static Key>,
}

impl<'n> Value<'n> {
    pub(super) fn of(entry: &'n Entry) -> Self {
        Self {
            name: &entry.key.value,
            node: &entry.value,
            key: None,
        }
    }

    /// Reports that it is not `wanted`, which has an article.
    pub(super) fn wrong(
        self,
        wanted: &str,
        hint: impl Into<String>,
        problems: &mut Problems,
    ) -> ErrorGuaranteed {
        let message = if *self.node.content() == Content::Null {
            format!("`{}` has no value", self.name)
        } else {
            format!("`{}` must be {wanted}, not {}", self.name, found(self.node))
        };
        if let Content::Text(text) = self.node.content()
            && unexpanded(text).is_some()
        {
            return problems.add(self.node.location, message, UNEXPANDED_HINT);
        }
        problems.add(self.node.location, message, hint)
    }

    /// What `read` makes of the text; without a text, and where `read` makes nothing of it,
    /// the value is not what is wanted.
    pub(super) fn read<T>(
        self,
        wanted: Text,
        read: impl FnOnce(&'n str) -> Option<T>,
        problems: &mut Problems,
    ) -> Parsed<T> {
        let read = self.node.text().and_then(read);
        read.ok_or_else(|| self.wrong(wanted.wanted, wanted.hint, problems))
    }

    /// A text of which `is_valid` holds.
    pub(super) fn text(
        self,
        wanted: Text,
        is_valid: impl FnOnce(&str) -> bool,
        problems: &mut Problems,
    ) -> Parsed<&'n str> {
        self.read(wanted, |text| is_valid(text).then_some(text), problems)
    }

    /// A whole number in the range of its declaration.
    pub(super) fn integer<T: TryFrom<i128>>(self, problems: &mut Problems) -> Parsed<T> {
        let (first, last, example) = match self.key.map(|key| &key.kind) {
            Some(Kind::Integer(first, last, example)) => (*first, *last, *example),
            _ => (0, i64::MAX, 1),
        };
        let range = i128::from(first)..=i128::from(last);
        let number = self.node.integer().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                let text = self.node.text();
                let hint = if text.is_some_and(|text| text.parse::<i128>().is_ok()) {
                    "write the number without quotes and leading zeros".to_owned()
                } else {
                    format!(
                        "write a number like `{}: {}`",
                        self.name,
                        self.number(example)
                    )
                };
                let wanted = format!("a whole number from {first} to {last}");
                self.wrong(&wanted, hint, problems)
            })
    }

    /// The example of the declaration; for bits, in hexadecimal as the default is.
    fn number(self, example: i64) -> String {
        match self.key.map(|key| key.presence) {
            Some(Presence::Default(text)) if text.starts_with("0x") => text.to_owned(),
            _ => example.to_string(),
        }
    }

    /// A duration such as `500ms` in the range of its declaration.
    pub(super) fn duration(self, problems: &mut Problems) -> Parsed<Duration> {
        let range = match self.key.map(|key| &key.kind) {
            Some(Kind::Duration(first, last)) => *first..=*last,
            _ => Duration::ZERO..=Duration::MAX,
        };
        let wanted = "a duration such as `500ms`, `1s` or `5m`";
        let text = match self.node.content() {
            Content::Text(text) => text,
            Content::Number(_) if self.node.integer().is_some() => {
                let hint = match self.node.integer() {
                    Some(number) if number > 0 => format!(
                        "write the unit: `{number}s` for seconds, `{number}ms` for milliseconds"
                    ),
                    _ => "write a number and its unit, like `1s`".to_owned(),
                };
                return Err(self.wrong(wanted, hint, problems));
            }
            _ => {
                let hint = "write a number and its unit, like `1s`";
                return Err(self.wrong(wanted, hint, problems));
            }
        };
        let Ok(duration) = humantime::parse_duration(text) else {
            let hint = if text.parse::<f64>().is_ok() {
                "write the unit as well: `ms`, `s` or `m`"
            } else {
                "write a number and its unit, like `1s`; units are `ms`, `s`, `m` and `h`"
            };
            return Err(self.wrong(wanted, hint, problems));
        };
        if range.contains(&duration) {
            return Ok(duration);
        }
        let (first, last) = (
            humantime::format_duration(*range.start()),
            humantime::format_duration(*range.end()),
        );
        Err(self.wrong(
            &format!("from {first} to {last}"),
            format!("write a duration from {first} to {last}"),
            problems,
        ))
    }

    /// `true` or `false`.
    pub(super) fn truth(self, problems: &mut Problems) -> Parsed<bool> {
        if let Content::Bool(value) = self.node.content() {
            return Ok(*value);
        }
        let hint = match self.key.map(|key| key.presence) {
            Some(Presence::Default("false")) => {
                format!("write `{}: true`, or remove it", self.name)
            }
            _ => format!("write `{0}: true` or `{0}: false`", self.name),
        };
        Err(self.wrong("`true` or `false`", hint, problems))
    }

    /// One of a few words; the hint explains them.
    pub(super) fn choice<T: Choice>(self, problems: &mut Problems) -> Parsed<T> {
        let text = self.node.text();
        if let Some((_, value, _)) = T::WORDS.iter().find(|(word, ..)| Some(*word) == text) {
            return Ok(*value);
        }
        let names: Vec<_> = T::WORDS.iter().map(|(word, ..)| *word).collect();
        let wanted = list(&names, "or");
        let docs = T::WORDS
            .iter()
            .map(|(word, _, doc)| format!("{word} {doc}"));
        let docs = docs.collect::<Vec<_>>().join(", ");
        let hint = match text.and_then(|text| resembling(text, names.into_iter())) {
            Some(word) => format!("did you mean `{word}`?"),
            None => docs,
        };
        Err(self.wrong(&wanted, hint, problems))
    }

    /// The name of a virtual service or real server.
    pub(super) fn name(self, problems: &mut Problems) -> Parsed<Arc<str>> {
        let hint = match self.node.content() {
            Content::Number(_) | Content::Bool(_) => "put it in quotes to make it a text",
            Content::Text(text) if !text.bytes().all(is_name_byte) => {
                "use only these characters: names appear in metrics and logs"
            }
            Content::Text(text) if text.len() > LONGEST_NAME => "choose a shorter name",
            Content::Text(text) if !text.is_empty() => return Ok((&**text).into()),
            _ => NAME.hint,
        };
        Err(self.wrong(NAME.wanted, hint, problems))
    }

    /// A path from the root on, of at most `longest` bytes where the kernel has a limit.
    pub(super) fn path(self, longest: Option<usize>, problems: &mut Problems) -> Parsed<PathBuf> {
        let text = self.path_text(problems)?;
        if let Some(longest) = longest.filter(|&longest| text.len() > longest) {
            return Err(problems.add(
                self.node.location,
                format!(
                    "`{}` is {} bytes long, and a socket's path has at most {longest}",
                    self.name,
                    text.len()
                ),
                "choose a shorter path, such as one below /run",
            ));
        }
        Ok(text.into())
    }

    /// A path from the root on, as text.
    pub(super) fn path_text(self, problems: &mut Problems) -> Parsed<&'n str> {
        let is_path = |text: &str| text.starts_with('/') && !text.contains(char::is_control);
        self.text(PATH, is_path, problems)
    }

    /// The name of a network interface, as `dev_valid_name` in the kernel's
    /// `net/core/dev.c` takes it: 1 to 15 bytes without `/`, `:` and white space.
    pub(super) fn interface(self, problems: &mut Problems) -> Parsed<String> {
        let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        let is_name = |text: &str| {
            (1..=15).contains(&text.len()) && !text.contains(bad) && text != "." && text != ".."
        };
        self.text(INTERFACE, is_name, problems).map(str::to_owned)
    }

    /// A list of texts, or a single one.
    pub(super) fn texts(self, problems: &mut Problems) -> Parsed<Vec<String>> {
        let hint = "write a list of texts, like `[\"192.0.2.1\", \"192.0.2.2\"]`";
        let Some(nodes) = self.node.one_or_many(|node| node.text().is_some()) else {
            return Err(self.wrong("a list of texts", hint, problems));
        };
        let texts: Vec<_> = nodes
            .iter()
            .map(|node| {
                let text = node.text().ok_or_else(|| {
                    let value = Value { node, ..self };
                    value.wrong("a list of texts", "put each in quotes", problems)
                })?;
                Ok(text.to_owned())
            })
            .collect();
        texts.into_iter().collect()
    }
}

/// What stands there, for a message.
pub(super) fn found(node: &Node) -> String {
    match node.content() {
        Content::Null => "nothing".to_owned(),
        Content::Bool(value) => format!("the truth value `{value}`"),
        Content::Number(written) => format!("the number {}", shown(written)),
        Content::Text(text) if text.is_empty() => "an empty text".to_owned(),
        Content::Text(text) => quoted(text),
        Content::Sequence(_) => "a list".to_owned(),
        Content::Mapping(_) => "a mapping".to_owned(),
    }
}

/// `a`, `b` and `c`, or with another conjunction.
pub(super) fn list(words: &[&str], conjunction: &str) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {conjunction} {last}", rest.join(", ")),
        None => String::new(),
    }
}
