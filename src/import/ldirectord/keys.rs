//! Lines `KEY = VALUE`, and those that have no equal.

use super::super::note::{Notes, SourceLocation};

/// A line.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) location: SourceLocation,
    pub(super) key: String,
    /// Without a comment, and without quotes around the whole.
    pub(super) value: String,
}

impl Setting {
    /// `None` if the line has no key.
    pub(super) fn read(line: &str, location: SourceLocation) -> Option<Self> {
        let line = uncommented(line).trim();
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key.trim_end(), value.trim_start()),
            None => (line, ""),
        };
        let is_key = !key.is_empty() && !key.contains(char::is_whitespace);
        is_key.then(|| Self {
            location,
            key: key.to_owned(),
            value: unquoted(value).to_owned(),
        })
    }
}

/// The line up to a `#` that is in no quotes.
fn uncommented(line: &str) -> &str {
    let mut is_quoted = false;
    let comment = line.char_indices().find(|(_, character)| {
        is_quoted ^= *character == '"';
        *character == '#' && !is_quoted
    });
    comment.map_or(line, |(at, _)| line.get(..at).unwrap_or(line))
}

fn unquoted(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(value)
}

/// A virtual server, or the global lines.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) location: SourceLocation,
    /// What stands after `virtual=`.
    pub(super) head: String,
    pub(super) is_ipv6: bool,
    pub(super) settings: Vec<Setting>,
}

impl Section {
    pub(super) const fn new(location: SourceLocation, head: String) -> Self {
        Self {
            location,
            head,
            is_ipv6: false,
            settings: Vec::new(),
        }
    }

    /// The last line with this key.
    pub(super) fn get(&self, key: &str) -> Option<&Setting> {
        self.settings
            .iter()
            .rev()
            .find(|setting| setting.key == key)
    }

    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.get(key).map(|setting| setting.value.as_str())
    }

    /// A number above 0; any other, with a note, counts as none.
    pub(super) fn number(&self, key: &str, notes: &mut Notes) -> Option<u32> {
        let setting = self.get(key)?;
        let number = super::super::draft::number(&setting.value, setting.location, notes);
        let number = number.filter(|number| *number > 0);
        if number.is_none() {
            let text = format!(
                "`{key} = {}` is left out: it is no number above 0",
                setting.value
            );
            notes.add(setting.location, text);
        }
        number
    }
}

/// Keys whose values may be secrets.
const SECRETS: [&str; 3] = ["passwd", "secret", "login"];

/// Global keys that virtual servers take over, which are read there.
pub(super) const SHARED: [&str; 9] = [
    "checktimeout",
    "negotiatetimeout",
    "checkinterval",
    "checkcount",
    "failurecount",
    "fallback",
    "fallback6",
    "quiescent",
    "fork",
];

/// A key that has no equal here; its value is shown unless it is a secret.
pub(super) fn note(setting: &Setting, notes: &mut Notes) {
    let (key, value) = (&setting.key, &setting.value);
    if SECRETS.contains(&key.as_str()) {
        let text = format!(
            "`{key}` is left out: a check here does not log in; `steps` of `tcp` can send what \
             a server asks for"
        );
        notes.add(setting.location, text);
    } else {
        notes.note_unsupported(setting.location, key, &format!("= {value}"));
    }
}

/// Notes on the global keys that are not read.
pub(super) fn note_global(global: &Section, notes: &mut Notes) {
    for setting in &global.settings {
        match setting.key.as_str() {
            key if SHARED.contains(&key) => {}
            "supervised" => notes.add(
                setting.location,
                "`supervised` is left out: `lvs-agent run` always stays in the foreground",
            ),
            "cleanstop" => note_cleanstop(setting, notes),
            "maintenancedir" => notes.add(
                setting.location,
                "`maintenancedir` is left out: `lvs-agent drain` takes a real server out of \
                 service, and the check `file` reads `down` from a file",
            ),
            "logfile" => notes.add(
                setting.location,
                "`logfile` is left out: the log is on standard error, for the journal",
            ),
            _ => note(setting, notes),
        }
    }
}

pub(super) fn note_cleanstop(setting: &Setting, notes: &mut Notes) {
    if setting.value == "no" {
        return;
    }
    notes.add(
        setting.location,
        "`cleanstop` is left out: the agent leaves the table as it is when it ends; \
         write `on_exit: remove` of `director` to have it removed",
    );
}
