//! The file of the drains that operators want, and the search for a command's target.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use tracing::error;

use crate::model::{ParseError, RealServerId, RealServerKey, ServiceKey, Target};
use crate::runtime::error_chain::error_chain;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::{atomic_write, regular_file};
use crate::status::{LeavingRecord, ServiceRecord, Snapshot};

/// The version of the file's shape that this program writes.
const VERSION: u32 = 1;

/// Far above what a file has: a drain takes about 150 bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The longest that a drain may be given.
pub(crate) const LONGEST_DEADLINE: Duration = Duration::from_hours(30 * 24);

/// The real servers that an operator wants drained, and the deadline of each:
/// `None` in a file of the first programs, which had none.
pub(crate) type Drained = BTreeMap<(ServiceKey, RealServerKey), Option<SystemTime>>;

/// The real servers that a command names. A target without any is an error that the operator sees.
pub(crate) fn find(snapshot: &Snapshot, target: &Target) -> Result<Vec<RealServerId>, TargetError> {
    let mut found = Vec::new();
    for (service, record) in (0..).zip(&snapshot.services) {
        if !target.has_service(&record.name) {
            continue;
        }
        let real_servers = (0..).zip(&record.real_servers);
        let named = real_servers.filter(|(_, record)| target.has_real_server(&record.name));
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
        target.has_service(&record.name)
            && sorry_server.is_some_and(|one| target.has_real_server(&one.name))
    };
    if services.any(is_sorry_server) {
        return Err(TargetError::SorryServer(target.to_string()));
    }
    let leaving = snapshot.leaving.lock();
    let is_leaving = |one: &&LeavingRecord| {
        target.has_service(&one.service) && target.has_real_server(&one.real_server)
    };
    Err(match leaving.iter().find(is_leaving) {
        Some(one) => TargetError::Leaving {
            target: target.to_string(),
            deadline: one.deadline,
        },
        None => TargetError::Unknown(target.to_string()),
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
    /// No real server has that name.
    #[error("no real server is called `{0}`: see `lvs-agent status` for the names")]
    Unknown(String),
}

/// Where [`Drained`] outlives the process: `drains.json` in the state directory.
#[derive(Debug, Clone)]
pub(crate) struct DrainFile(PathBuf);

/// The content of the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    drained: Drained,
    /// The entries that are damaged, and what is wrong with each.
    damaged: Vec<String>,
}

/// The file's shape. A damaged entry is no reason to forget the others.
#[derive(Serialize, Deserialize)]
struct Shape<Entry> {
    version: u32,
    drains: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    service: String,
    real_server: String,
    /// In RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
}

impl DrainFile {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("drains.json"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The file of a director whose table is inside its process: a drain there
    /// is none of the kernel's real servers.
    pub(crate) fn of_memory(state_dir: &Path) -> Self {
        Self(state_dir.join("drains-memory.json"))
    }

    /// What was wanted drained when the file was last written; nothing if
    /// there is no file.
    fn load(&self) -> Result<Told, DrainFileError> {
        let error = |cause| DrainFileError {
            path: self.0.clone(),
            cause,
        };
        let text = match regular_file::read(&self.0, LARGEST) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Told::default()),
            Err(cause) => return Err(error(Cause::Io(cause))),
        };
        let mut told = Told::default();
        for entry in entries(&text).map_err(error)? {
            match drain(&entry) {
                Ok((key, deadline)) => {
                    told.drained.insert(key, deadline);
                }
                Err(cause) => told
                    .damaged
                    .push(format!("{entry}: {}", error_chain(&cause))),
            }
        }
        Ok(told)
    }

    /// What was wanted drained; a file that is damaged stays where it is. Fails
    /// as [`DrainFile::load_or_set_aside`] does.
    pub(crate) fn load_only(&self) -> Result<Drained, DrainFileError> {
        let (drained, why) = match self.load() {
            Ok(Told { drained, damaged }) if damaged.is_empty() => return Ok(drained),
            Ok(Told { drained, damaged }) => (drained, damaged.join("; ")),
            Err(error) if matches!(error.cause, Cause::Newer(_)) => return Err(error),
            Err(error) => (Drained::new(), error_chain(&error)),
        };
        error!(
            error = why,
            "the drains in `{}` are damaged; the dry run leaves the file as it is",
            self.0.display()
        );
        Ok(drained)
    }

    /// Fails if the file is of a program newer than this one.
    pub(crate) fn refuse_newer(&self) -> Result<(), DrainFileError> {
        match self.load() {
            Err(error) if matches!(error.cause, Cause::Newer(_)) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// What was wanted drained, and whether the file holds it. A file that is
    /// damaged is set aside with an ERROR, for health checks come first; what
    /// can be read of it is still drained. Fails if the file is of a program
    /// newer than this one.
    pub(crate) fn load_or_set_aside(&self) -> Result<(Drained, bool), DrainFileError> {
        let (drained, what, why) = match self.load() {
            Ok(Told { drained, damaged }) if damaged.is_empty() => return Ok((drained, true)),
            Err(error) if matches!(error.cause, Cause::Newer(_)) => return Err(error),
            Ok(Told { drained, damaged }) => {
                let what = "some real servers are not drained any more";
                (drained, what, damaged.join("; "))
            }
            Err(error) => {
                let what = "nothing is drained any more";
                (Drained::new(), what, error_chain(&error))
            }
        };
        let aside = self.0.with_extension("json.damaged");
        let kept = fs::rename(&self.0, &aside);
        error!(
            error = why,
            set_aside = kept.is_ok(),
            "{what}: see `{}`, and drain again what it names",
            aside.display()
        );
        Ok((drained, false))
    }

    /// Does `work` with the file on a thread for it, within a deadline: else
    /// the file system counts as one that does not answer.
    pub(crate) async fn patiently<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<R, DrainFileError> + Send + 'static,
    ) -> Result<R, DrainFileError> {
        let file = self.clone();
        let done = file_work::run_patiently(FileUse::Drains, &self.0, move || work(&file)).await;
        done.unwrap_or_else(|error| {
            Err(DrainFileError {
                path: self.0.clone(),
                cause: Cause::Io(error.into()),
            })
        })
    }

    /// Writes the file whole or not at all.
    pub(crate) fn save(&self, drained: &Drained) -> Result<(), DrainFileError> {
        self.refuse_newer()?;
        let error = |cause| DrainFileError {
            path: self.0.clone(),
            cause,
        };
        let drains = drained
            .iter()
            .map(|((service, real_server), deadline)| Entry {
                service: service.to_string(),
                real_server: real_server.to_string(),
                deadline: deadline.map(|at| humantime::format_rfc3339_millis(at).to_string()),
            })
            .collect();
        let shape = Shape {
            version: VERSION,
            drains,
        };
        let text = serde_json::to_vec_pretty(&shape).map_err(|cause| error(Cause::Json(cause)))?;
        self.replace(&text).map_err(|cause| error(Cause::Io(cause)))
    }

    /// Removes the file. The answer is whether there was one.
    pub(crate) fn remove(&self) -> Result<bool, DrainFileError> {
        match fs::remove_file(&self.0) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(DrainFileError {
                path: self.0.clone(),
                cause: Cause::Io(cause),
            }),
        }
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let directory = self.0.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)?;
        atomic_write::replace(&self.0, text)
    }
}

/// The entries of a file, each still to be understood.
fn entries(text: &[u8]) -> Result<Vec<Value>, Cause> {
    let file: Value = serde_json::from_slice(text).map_err(Cause::Json)?;
    if let Value::Array(entries) = file {
        // The first programs wrote no more than these.
        return Ok(entries);
    }
    let shape: Shape<Value> = serde_json::from_value(file).map_err(Cause::Json)?;
    if shape.version > VERSION {
        return Err(Cause::Newer(shape.version));
    }
    Ok(shape.drains)
}

type Drain = ((ServiceKey, RealServerKey), Option<SystemTime>);

fn drain(entry: &Value) -> Result<Drain, Cause> {
    let entry = Entry::deserialize(entry).map_err(Cause::Json)?;
    let key = (entry.service.parse()?, entry.real_server.parse()?);
    let deadline = entry.deadline.as_deref().map(humantime::parse_rfc3339);
    Ok((key, deadline.transpose()?))
}

/// The file of what is drained cannot be used.
#[derive(Debug, Error)]
#[error(
    "cannot use `{}`",
    path.display()
)]
pub(crate) struct DrainFileError {
    path: PathBuf,
    #[source]
    cause: Cause,
}

#[derive(Debug, Error)]
enum Cause {
    #[error(transparent)]
    Io(io::Error),
    #[error(transparent)]
    Json(serde_json::Error),
    #[error(transparent)]
    Key(#[from] ParseError),
    #[error(
        "it has version {0}, which a newer lvs-agent wrote and this one cannot read: run that one, \
         for this one does not start with this file; or move the file away, and drain again what \
         it names"
    )]
    Newer(u32),
    #[error("a deadline is no point in time")]
    Deadline(#[from] humantime::TimestampError),
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::model::Connections;
    use crate::status::fixture;

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let file = DrainFile::new(&directory.path().join("made"));
        assert_eq!(file.load_or_set_aside().unwrap(), (Drained::new(), true));
        let key = (
            "tcp [2001:db8::200]:80".parse().unwrap(),
            "[2001:db8::21]:80".parse().unwrap(),
        );
        let drained: Drained = [(key, Some(fixture::start()))].into();
        file.save(&drained).unwrap();
        assert_eq!(file.load_or_set_aside().unwrap(), (drained.clone(), true));
        let path = directory.path().join("made/drains.json");
        let text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(text["version"], 1);
        let first = r#"[{"service":"tcp [2001:db8::200]:80","real_server":"[2001:db8::21]:80"}]"#;
        fs::write(&path, first).unwrap();
        assert_eq!(
            file.load_or_set_aside().unwrap(),
            ([(key, None)].into(), true)
        );
        assert!(file.remove().unwrap());
        assert!(!file.remove().unwrap());
    }

    #[test]
    fn what_is_damaged_is_set_aside_and_the_rest_is_still_drained() {
        let directory = tempfile::tempdir().unwrap();
        let file = DrainFile::new(directory.path());
        let path = directory.path().join("drains.json");
        let aside = || fs::read_to_string(path.with_extension("json.damaged")).unwrap();
        for (damaged, why) in [
            ("[{", "EOF"),
            (r#"{"drains":[]}"#, "missing field `version`"),
        ] {
            fs::write(&path, damaged).unwrap();
            let error = error_chain(&file.load().unwrap_err());
            assert!(error.contains("drains.json"), "{error}");
            assert!(error.contains(why), "{error}");
            assert_eq!(file.load_or_set_aside().unwrap(), (Drained::new(), false));
            assert_eq!(aside(), damaged, "nothing is lost");
            assert_eq!(file.load_or_set_aside().unwrap(), (Drained::new(), true));
        }

        let entry = |real_server: &str, deadline: &str| {
            format!(
                r#"{{"service":"tcp 192.0.2.1:80","real_server":"{real_server}","deadline":"{deadline}"}}"#
            )
        };
        let good = entry("192.0.2.21:80", "2026-01-01T00:00:00Z");
        let wrong = entry("rs1", "2026-01-01T00:00:00Z");
        let late = entry("192.0.2.22:80", "soon");
        let damaged = format!(r#"{{"version":1,"drains":[{wrong},7,{good},{late}]}}"#);
        fs::write(&path, &damaged).unwrap();
        let dropped = file.load().unwrap().damaged;
        assert_eq!(dropped.len(), 3, "{dropped:?}");
        assert!(dropped[0].contains("\"rs1\""), "{dropped:?}");
        let (drained, whole) = file.load_or_set_aside().unwrap();
        let kept: Vec<_> = drained.keys().map(|(_, key)| key.to_string()).collect();
        assert_eq!((kept, whole), (vec!["192.0.2.21:80".to_owned()], false));
        assert_eq!(aside(), damaged);
    }

    #[test]
    fn file_of_newer_program_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = DrainFile::new(directory.path());
        let newer = r#"{"version":2,"drains":[{"service":"web"}]}"#;
        fs::write(&file.0, newer).unwrap();
        for error in [
            file.load_or_set_aside().unwrap_err(),
            file.save(&Drained::new()).unwrap_err(),
        ] {
            let said = error_chain(&error);
            assert!(said.contains("drains.json"), "{said}");
            assert!(
                said.contains("version 2, which a newer lvs-agent"),
                "{said}"
            );
        }
        assert_eq!(fs::read_to_string(&file.0).unwrap(), newer);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_regular_file_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let file = DrainFile::new(directory.path());
        mknodat(CWD, &file.0, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let said = error_chain(&file.load().unwrap_err());
        assert!(said.contains("this is a FIFO"), "{said}");
        assert_eq!(file.load_or_set_aside().unwrap(), (Drained::new(), false));
        assert!(!file.0.exists());
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
