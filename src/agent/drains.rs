//! The file of the drains that operators want, and the search for a command's target.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::model::{
    Candidate, ParseError, RealServerId, RealServerKey, ServiceKey, Severity, Target, UnknownTarget,
};
use crate::runtime::error_chain::error_chain;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::stored_file::{
    Content, Damage, IfDamaged, Loaded, OnDisk, Purpose, StoredFile, StoredFileError,
};
use crate::status::{LeavingRecord, ServiceRecord, Snapshot};

/// The version of the file's shape that this program writes.
const VERSION: u32 = 1;

/// So many damaged entries of a file are named.
const ENTRIES_NAMED: usize = 8;

/// The longest that a drain may be given.
pub(crate) const LONGEST_DEADLINE: Duration = Duration::from_hours(30 * 24);

/// The real servers that an operator wants drained, and the deadline of each:
/// `None` in a file of the first programs, which had none.
pub(crate) type Drained = BTreeMap<(ServiceKey, RealServerKey), Option<SystemTime>>;

/// The real servers that a command names. A target without any is an error that the operator sees.
pub(crate) fn find(snapshot: &Snapshot, target: &Target) -> Result<Vec<RealServerId>, TargetError> {
    let mut found = Vec::new();
    for (service, record) in (0..).zip(&snapshot.services) {
        let real_servers = (0..).zip(&record.real_servers);
        let named = real_servers.filter(|(_, one)| target.matches(&record.candidate(one)));
        found.extend(named.map(|(real_server, _)| RealServerId {
            service,
            real_server,
        }));
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let mut services = snapshot.services.iter();
    let is_sorry_server = |record: &ServiceRecord| {
        let sorry_server = record.sorry_server.as_ref();
        sorry_server.is_some_and(|one| target.matches(&record.candidate(one)))
    };
    if services.any(is_sorry_server) {
        return Err(TargetError::SorryServer(target.to_string()));
    }
    let leaving = snapshot.leaving.lock();
    let is_leaving = |one: &&LeavingRecord| {
        let service = (one.service.as_str(), one.service_key);
        target.matches(&Candidate::new(service, (&one.real_server, one.key)))
    };
    Err(match leaving.iter().find(is_leaving) {
        Some(one) => TargetError::Leaving {
            target: target.to_string(),
            deadline: one.deadline,
        },
        None => TargetError::Unknown {
            unknown: target.unknown(candidates(snapshot)),
            status: snapshot.command_line("status"),
        },
    })
}

/// What a command can name.
fn candidates(snapshot: &Snapshot) -> impl Iterator<Item = Candidate<'_>> + Clone {
    let services = snapshot.services.iter();
    services.flat_map(|record| {
        let real_servers = record.real_servers.iter();
        real_servers.map(|one| record.candidate(one))
    })
}

/// A target that names no real server.
#[derive(Debug, Error)]
pub(crate) enum TargetError {
    /// The target is a sorry server.
    #[error(
        "`{0}` can be neither drained nor undrained: a sorry server serves only while nobody else \
         does, so to be rid of it, take it out of the configuration and reload"
    )]
    SorryServer(String),
    /// The target was removed from the configuration.
    #[error(
        "`{target}` can be neither drained nor undrained: it is no longer configured, gets no new \
         connections, and is removed when its last one has ended, at the latest at {}",
        humantime::format_rfc3339_seconds(*.deadline)
    )]
    Leaving {
        /// As it was said.
        target: String,
        /// When it is removed whatever is left.
        deadline: SystemTime,
    },
    /// The target matches nothing.
    #[error("{unknown}: see `{status}` for what there is")]
    Unknown {
        /// What was looked for, and what was probably meant.
        unknown: UnknownTarget,
        /// The command line that shows the names.
        status: String,
    },
}

/// A drain cannot be guessed from the kernel, whose weight of 0 has many causes.
static PURPOSE: Purpose = Purpose {
    version: VERSION as u64,
    is_needed: false,
    severity: Severity::Problem,
    loss: "the real servers whose drains cannot be read there are drained no more, and serve when \
           their checks pass",
    fix: "see `lvs-agent status` for what is still drained, and drain again what the damaged file \
          names",
    moved: "drain again what it names",
};

/// Where [`Drained`] outlives the process: `drains.json` in the state directory.
#[derive(Debug, Clone)]
pub(crate) struct DrainFile(StoredFile);

/// The file's shape. A damaged entry is no reason to forget the others.
#[derive(Serialize, Deserialize)]
#[serde(expecting = "an object with `version` and `drains`")]
struct Shape<Entry> {
    version: u32,
    drains: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(expecting = "an object with `service` and `real_server`")]
struct Entry {
    service: String,
    real_server: String,
    /// In RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
}

impl DrainFile {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self(StoredFile::new(state_dir.join("drains.json"), &PURPOSE))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file of a director whose table is inside its process: a drain there
    /// is none of the kernel's real servers.
    pub(crate) fn of_memory(state_dir: &Path) -> Self {
        let path = state_dir.join("drains-memory.json");
        Self(StoredFile::new(path, &PURPOSE))
    }

    /// What was wanted drained when the file was last written; nothing if
    /// there is no file. What can be read of a damaged file is still drained.
    ///
    /// Fails if a newer program wrote the file.
    pub(crate) fn load(&self, if_damaged: IfDamaged) -> Result<Loaded<Drained>, StoredFileError> {
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

    /// Writes the file unless it holds what is drained, as [`StoredFile::save`] does.
    pub(crate) fn save(
        &self,
        drained: Drained,
        before: &OnDisk<Drained>,
    ) -> Result<(OnDisk<Drained>, Option<Damage>), StoredFileError> {
        self.0.save(drained, before, text, content)
    }

    /// Looks whether another hand has changed or removed the file.
    pub(crate) fn look(&self) -> bool {
        self.0.look()
    }

    /// What was last seen of that.
    pub(crate) fn is_changed(&self) -> bool {
        self.0.is_changed()
    }

    /// Removes the file. The answer is whether there was one.
    pub(crate) fn remove(&self) -> Result<bool, StoredFileError> {
        self.0.remove()
    }
}

fn text(drained: &Drained) -> serde_json::Result<Vec<u8>> {
    let entries = drained
        .iter()
        .map(|((service, real_server), deadline)| Entry {
            service: service.to_string(),
            real_server: real_server.to_string(),
            deadline: deadline.map(|at| humantime::format_rfc3339_millis(at).to_string()),
        });
    serde_json::to_vec_pretty(&Shape {
        version: VERSION,
        drains: entries.collect(),
    })
}

fn content(text: &[u8]) -> Content<Drained> {
    let entries = match entries(text) {
        Ok(entries) => entries,
        Err(error) => {
            let (value, cause) = (whole_entries(text), Some(error.to_string()));
            return Content { value, cause };
        }
    };
    let (mut value, mut wrong) = (Drained::new(), Vec::new());
    for entry in entries {
        match drain(&entry) {
            Ok((key, deadline)) => {
                value.insert(key, deadline);
            }
            Err(error) => wrong.push(format!("{entry}: {}", error_chain(&error))),
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
    let file: Value = serde_json::from_slice(text).map_err(Cause::Json)?;
    if let Value::Array(entries) = file {
        // The first programs wrote no more than these.
        return Ok(entries);
    }
    let shape: Shape<Value> = serde_json::from_value(file).map_err(Cause::Json)?;
    Ok(shape.drains)
}

/// The entries that can be read in a text that is none as a whole: cut off, or with
/// something before or after it. No entry has another in it.
fn whole_entries(text: &[u8]) -> Drained {
    let pieces = text.split_inclusive(|byte| *byte == b'}');
    let entries = pieces.filter_map(|piece| {
        let begin = piece.iter().rposition(|byte| *byte == b'{')?;
        let entry = serde_json::from_slice(&piece[begin..]).ok()?;
        drain(&entry).ok()
    });
    entries.collect()
}

type Drain = ((ServiceKey, RealServerKey), Option<SystemTime>);

fn drain(entry: &Value) -> Result<Drain, Cause> {
    let entry = Entry::deserialize(entry).map_err(Cause::Json)?;
    let key = (entry.service.parse()?, entry.real_server.parse()?);
    let deadline = entry.deadline.as_deref().map(humantime::parse_rfc3339);
    Ok((key, deadline.transpose()?))
}

/// What is wrong with a file or an entry.
#[derive(Debug, Error)]
enum Cause {
    #[error(transparent)]
    Json(serde_json::Error),
    #[error(transparent)]
    Key(#[from] ParseError),
    #[error("a deadline is no point in time")]
    Deadline(#[from] humantime::TimestampError),
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::Connections;
    use crate::status::fixture;

    fn load(file: &DrainFile) -> (Drained, bool) {
        let loaded = file.load(IfDamaged::SetAside).unwrap();
        (loaded.value, loaded.damage.is_none())
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let file = DrainFile::new(&directory.path().join("made"));
        assert_eq!(load(&file), (Drained::new(), true));
        let key = (
            "tcp [2001:db8::200]:80".parse().unwrap(),
            "[2001:db8::21]:80".parse().unwrap(),
        );
        let drained: Drained = [(key, Some(fixture::start()))].into();
        file.save(drained.clone(), &OnDisk::Unknown).unwrap();
        assert_eq!(load(&file), (drained.clone(), true));
        let path = directory.path().join("made/drains.json");
        let text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(text["version"], 1);
        let first = r#"[{"service":"tcp [2001:db8::200]:80","real_server":"[2001:db8::21]:80"}]"#;
        fs::write(&path, first).unwrap();
        assert_eq!(load(&file), ([(key, None)].into(), true));
        assert!(file.remove().unwrap());
        assert!(!file.remove().unwrap());
    }

    #[test]
    fn damaged_entries_are_named_and_the_others_are_still_drained() {
        let entry = |real_server: &str, deadline: &str| {
            format!(
                r#"{{"service":"tcp 192.0.2.1:80","real_server":"{real_server}","deadline":"{deadline}"}}"#
            )
        };
        let good = entry("192.0.2.21:80", "2026-01-01T00:00:00Z");
        let wrong = entry("rs1", "2026-01-01T00:00:00Z");
        let late = entry("192.0.2.22:80", "soon");
        let damaged = format!(r#"{{"version":1,"drains":[{wrong},7,{good},{late}]}}"#);
        let Content { value, cause } = content(damaged.as_bytes());
        let kept: Vec<_> = value.keys().map(|(_, key)| key.to_string()).collect();
        assert_eq!(kept, ["192.0.2.21:80"]);
        let cause = cause.unwrap();
        for named in ["\"rs1\"", "; 7: ", "no point in time"] {
            assert!(cause.contains(named), "{cause}");
        }
        let many = format!(r#"{{"version":1,"drains":[{}7]}}"#, "7,".repeat(99));
        let cause = content(many.as_bytes()).cause.unwrap();
        assert!(cause.ends_with("; and 92 more"), "{cause}");
    }

    #[test]
    fn whole_entries_of_a_text_that_is_damaged_elsewhere_are_still_drained() {
        let key = |number: u8| {
            let real_server = format!("192.0.2.{number}:80").parse().unwrap();
            ("tcp 192.0.2.1:80".parse().unwrap(), real_server)
        };
        let drained: Drained = [(key(21), Some(fixture::start())), (key(22), None)].into();
        let whole = text(&drained).unwrap();
        let first = whole.iter().position(|byte| *byte == b'}').unwrap() + 1;
        let cases = [
            ("cut off after the first", whole[..first].to_vec(), 1),
            ("cut off before its end", whole[..first - 1].to_vec(), 0),
            ("cut off in the second", whole[..first + 60].to_vec(), 1),
            ("zeros after it", [&whole[..], &[0; 512]].concat(), 2),
            ("zeros before it", [&[0; 512][..], &whole].concat(), 2),
            (
                "a byte order mark",
                [&b"\xef\xbb\xbf"[..], &whole].concat(),
                2,
            ),
            ("twice", whole.repeat(2), 2),
            ("no drains", b"{\"version\":1,\"drains\":{}}".to_vec(), 0),
            ("braces", b"}{}{{}}".to_vec(), 0),
        ];
        for (name, text, number) in cases {
            let Content { value, cause } = content(&text);
            assert!(cause.is_some(), "{name}");
            let expected: Drained = drained.clone().into_iter().take(number).collect();
            assert_eq!(value, expected, "{name}");
        }
    }

    #[test]
    fn a_target_is_one_real_server_or_that_one_everywhere() {
        let snapshot = fixture::director();
        let target = |text: &str| text.parse::<Target>().unwrap();
        let id = |service, real_server| RealServerId {
            service,
            real_server,
        };
        assert_eq!(find(&snapshot, &target("web/rs2")).unwrap(), [id(0, 1)]);
        assert_eq!(find(&snapshot, &target("*/rs6")).unwrap(), [id(1, 0)]);
        let marked: Vec<_> = (0..).zip(&snapshot.services[1].real_servers).collect();
        let marked: Vec<_> = marked.into_iter().map(|(place, _)| id(1, place)).collect();
        assert_eq!(find(&snapshot, &target("marked")).unwrap(), marked);
        snapshot.leaving.lock().push(LeavingRecord {
            service: "web".to_owned(),
            real_server: "rs3".to_owned(),
            service_key: snapshot.services[0].key,
            key: "192.168.11.23:80".parse().unwrap(),
            connections: Connections::default(),
            deadline: fixture::start(),
            serves: false,
        });
        for (name, why) in [
            ("web/rs3", "it is no longer configured"),
            ("*/rs3", "it is no longer configured"),
            ("marked/sorry_server", "a sorry server serves only while"),
            ("*/sorry_server", "a sorry server serves only while"),
            ("web/sorry_server", "no real server is called"),
            ("marked/rs3", "no real server is called"),
        ] {
            let error = find(&snapshot, &target(name)).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
            assert!(error.contains(why), "{error}");
        }
        for wrong in ["web/rs6", "*/nobody", "nobody/rs1"] {
            assert!(find(&snapshot, &target(wrong)).is_err(), "{wrong}");
        }
    }
}
