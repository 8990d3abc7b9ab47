//! The file of the drains and weights that operators have set.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::model::{Decision, MemberKey, OperatorWeight, ParseError, SetWeight, Severity};
use crate::runtime::error_chain::error_chain;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::printable::printable;
use crate::runtime::stored_file::{
    BackgroundWriter, Content, Format, FormatError, IfDamaged, Loaded, OnDisk, Purpose, StoredFile,
    StoredFileError, parse_object,
};

/// The version of the file's format that this program writes.
const VERSION: u32 = 1;

/// So many damaged entries of a file are named.
const ENTRIES_NAMED: usize = 8;

/// The longest that a drain may be given.
pub(crate) const LONGEST_DEADLINE: Duration = Duration::from_hours(30 * 24);

/// A drain that an operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedDrain {
    pub(crate) deadline: SystemTime,
    pub(crate) decision: Decision,
}

/// What operators want of real servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decisions {
    pub(crate) drains: BTreeMap<MemberKey, WantedDrain>,
    pub(crate) weights: BTreeMap<MemberKey, OperatorWeight>,
}

/// Neither can be guessed from the kernel: a weight of 0, or another one than the configured,
/// has many causes.
static PURPOSE: Purpose = Purpose {
    version: VERSION as u64,
    is_needed: false,
    severity: Severity::Problem,
    consequence: "real servers whose drains cannot be read from the file are no longer drained, and \
                  serve while their checks pass; real servers whose weights cannot be read from \
                  the file have their configured weights",
    fix: "compare the drains and weights in `lvs-agent status` with those that the damaged file \
          names, and set the missing ones again",
    moved: "ask again for the drains and weights that it names",
};

/// Where [`Decisions`] outlive the process: `drains.json` in the state directory.
#[derive(Debug, Clone)]
pub(crate) struct DecisionFile(StoredFile);

/// The content of the file. A damaged entry does not lose the others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionFileContent<Entry> {
    version: u32,
    drains: Vec<Entry>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    weights: Vec<Entry>,
}

/// A drain, which has a deadline, or with `weight` a weight. Points in time are in RFC 3339.
#[derive(Serialize, Deserialize)]
#[serde(expecting = "an object with `service` and `real_server`")]
struct Entry {
    service: String,
    real_server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Value>,
    /// Keys that no lvs-agent writes.
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

impl DecisionFile {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self(StoredFile::new(state_dir.join("drains.json"), &PURPOSE))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file of a director whose table is inside its process: a decision there
    /// is none on the kernel's real servers.
    pub(crate) fn of_memory(state_dir: &Path) -> Self {
        let path = state_dir.join("drains-memory.json");
        Self(StoredFile::new(path, &PURPOSE))
    }

    /// What was wanted when the file was last written; nothing if there is no
    /// file. What can be read of a damaged file is still wanted.
    ///
    /// Fails if a newer program wrote the file.
    pub(crate) fn load(&self, if_damaged: IfDamaged) -> Result<Loaded<Decisions>, StoredFileError> {
        self.0.load(if_damaged, content)
    }

    /// Does `work` with the file on a thread for it, within a deadline: else
    /// the file system counts as one that does not answer, which is `failed`.
    pub(crate) async fn patiently<R: Send + 'static>(
        &self,
        failed: fn(PathBuf, io::Error) -> StoredFileError,
        work: impl FnOnce(&Self) -> Result<R, StoredFileError> + Send + 'static,
    ) -> Result<R, StoredFileError> {
        let file = self.clone();
        let done = file_work::run_patiently(FileUse::Drains, self.path(), move || work(&file));
        done.await
            .unwrap_or_else(|error| Err(failed(self.path().to_owned(), error.into())))
    }

    /// Writes the file, of which `on_disk` is known.
    pub(crate) fn writer(&self, on_disk: OnDisk<Decisions>) -> BackgroundWriter<Decisions> {
        let format = Format { text, content };
        BackgroundWriter::new(self.0.clone(), FileUse::Drains, format, on_disk)
    }

    #[cfg(test)]
    pub(crate) fn save(&self, decisions: &Decisions) {
        let saved = self
            .0
            .save(decisions.clone(), &OnDisk::Unknown, text, content);
        saved.unwrap();
    }

    /// Checks whether another program has changed or removed the file.
    pub(crate) fn check_for_changes(&self) -> bool {
        self.0.check_for_changes()
    }

    /// Removes the file. The answer is whether there was one.
    pub(crate) fn remove(&self) -> Result<bool, StoredFileError> {
        self.0.remove()
    }
}

fn text(decisions: &Decisions) -> serde_json::Result<Vec<u8>> {
    let drains = decisions.drains.iter().map(|(key, drain)| Entry {
        deadline: Some(written(drain.deadline)),
        ..entry(*key, &drain.decision)
    });
    let weights = decisions.weights.iter().map(|(key, weight)| Entry {
        weight: serde_json::to_value(weight.set).ok(),
        ..entry(*key, &weight.decision)
    });
    serde_json::to_vec_pretty(&DecisionFileContent {
        version: VERSION,
        drains: drains.collect(),
        weights: weights.collect(),
    })
}

fn entry((service, real_server): MemberKey, decision: &Decision) -> Entry {
    Entry {
        service: service.to_string(),
        real_server: real_server.to_string(),
        weight: None,
        deadline: None,
        since: decision.since.map(written),
        by: decision.by.as_deref().map(Value::from),
        reason: decision.reason.as_deref().map(Value::from),
        unknown: BTreeMap::new(),
    }
}

fn written(at: SystemTime) -> Value {
    humantime::format_rfc3339_millis(at).to_string().into()
}

fn content(text: &[u8]) -> Content<Decisions> {
    let entries = match entries(text) {
        Ok(entries) => entries,
        Err(error) => {
            let (value, cause) = (whole_entries(text), Some(error.to_string()));
            return Content { value, cause };
        }
    };
    let (mut value, mut wrong) = (Decisions::default(), Vec::new());
    for entry in entries {
        if let Err(error) = value.take(&entry) {
            wrong.push(format!("{entry}: {}", error_chain(&error)));
        }
    }
    let number = wrong.len();
    wrong.truncate(ENTRIES_NAMED);
    let mut cause = wrong.join("; ");
    if number > ENTRIES_NAMED {
        cause = format!("{cause}; and {} more", number - ENTRIES_NAMED);
    }
    let cause = (number > 0).then_some(cause);
    Content { value, cause }
}

/// The entries of a file, each still to be understood.
fn entries(text: &[u8]) -> Result<Vec<Value>, Cause> {
    let file: DecisionFileContent<Value> = parse_object(text, VERSION)?;
    Ok([file.drains, file.weights].concat())
}

/// The entries that can be read in a text that is none as a whole: cut off, or with
/// something before or after it.
fn whole_entries(text: &[u8]) -> Decisions {
    let (mut found, mut rest) = (Decisions::default(), text);
    while let Some(begin) = rest.iter().position(|byte| *byte == b'{') {
        rest = &rest[begin..];
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
        let entry = values.next().and_then(Result::ok);
        let taken = entry.map(|entry| found.take(&entry));
        let is_entry = taken.is_some_and(|taken| !matches!(taken, Err(TakeError::NotTaken(_))));
        // What is no entry may have entries in it. A brace in a reason begins none.
        rest = &rest[if is_entry { values.byte_offset() } else { 1 }..];
    }
    found
}

impl Decisions {
    /// Takes in what an entry says. Whatever is wrong beside the real server and its weight is an
    /// error, and the rest is taken in all the same: a real server that an operator has drained
    /// does not serve for it.
    fn take(&mut self, entry: &Value) -> Result<(), TakeError> {
        let entry = Entry::deserialize(entry).map_err(Cause::Json)?;
        let service = entry.service.parse().map_err(Cause::Key)?;
        let key = (service, entry.real_server.parse().map_err(Cause::Key)?);
        let unknown = entry.unknown.into_keys().next();
        let mut wrong = unknown.map(Cause::UnknownKey);
        let since = or_note(point_in_time("since", entry.since), &mut wrong);
        let by = or_note(text_of("by", entry.by), &mut wrong);
        let reason = or_note(text_of("reason", entry.reason), &mut wrong);
        let decision = Decision {
            since,
            by: by.map(|by| printable(&by).into()),
            reason: reason.map(|reason| printable(&reason).into()),
        };
        if let Some(set) = entry.weight {
            let set = SetWeight::deserialize(set).map_err(Cause::Json)?;
            self.weights.insert(key, OperatorWeight { set, decision });
        } else {
            let deadline = point_in_time("deadline", entry.deadline);
            let deadline = deadline.and_then(|deadline| deadline.ok_or(Cause::NoDeadline));
            let deadline = or_note(deadline.map(Some), &mut wrong);
            let begun = since.unwrap_or(SystemTime::UNIX_EPOCH);
            let deadline = deadline.unwrap_or(begun + LONGEST_DEADLINE);
            self.drains.insert(key, WantedDrain { deadline, decision });
        }
        wrong.map_or(Ok(()), |wrong| Err(TakeError::Taken(wrong)))
    }
}

/// The value; without one, what is wrong is noted, unless something else was before.
fn or_note<T>(value: Result<Option<T>, Cause>, wrong: &mut Option<Cause>) -> Option<T> {
    value.unwrap_or_else(|cause| {
        wrong.get_or_insert(cause);
        None
    })
}

fn text_of(key: &'static str, value: Option<Value>) -> Result<Option<String>, Cause> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Cause::NoText(key)),
    }
}

fn point_in_time(key: &'static str, value: Option<Value>) -> Result<Option<SystemTime>, Cause> {
    let text = text_of(key, value)?;
    Ok(text.as_deref().map(humantime::parse_rfc3339).transpose()?)
}

/// What is wrong with an entry.
#[derive(Debug, Error)]
enum TakeError {
    /// The entry is in effect all the same.
    #[error(transparent)]
    Taken(Cause),
    #[error(transparent)]
    NotTaken(#[from] Cause),
}

/// What is wrong with a file or an entry.
#[derive(Debug, Error)]
enum Cause {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Json(serde_json::Error),
    #[error(transparent)]
    Key(#[from] ParseError),
    #[error("the drain has no deadline")]
    NoDeadline,
    #[error("its `{0}` is no text")]
    NoText(&'static str),
    #[error("it has the unknown key `{0}`")]
    UnknownKey(String),
    #[error("a deadline or a beginning is no point in time")]
    Time(#[from] humantime::TimestampError),
}

#[cfg(test)]
mod tests;
