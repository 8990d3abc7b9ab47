//! What operators want drained, and how it outlives the process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::error;

use crate::error_chain::error_chain;
use crate::model::{ParseError, RealServerId, RealServerKey, ServiceKey};
use crate::regular_file;
use crate::snapshot::Snapshot;
use crate::whole_file;

/// The longest that a drain may be given.
pub(crate) const LONGEST_DEADLINE: Duration = Duration::from_hours(30 * 24);

/// The real servers that an operator wants drained, and the deadline of each:
/// `None` in a file of the first programs, which had none.
pub(crate) type Drained = BTreeMap<(ServiceKey, RealServerKey), Option<SystemTime>>;

/// Real servers by name: `web/rs1`, or `*/rs1` for that one in every service.
///
/// Such a name comes from the command line: that it fits nothing is the
/// operator's to hear.
pub(crate) fn find(snapshot: &Snapshot, target: &str) -> Result<Vec<RealServerId>, TargetError> {
    let (service, real_server) = target
        .split_once('/')
        .ok_or_else(|| TargetError::Shape(target.to_owned()))?;
    let mut found = Vec::new();
    for (place, record) in (0..).zip(&snapshot.services) {
        if service != "*" && service != &*record.name {
            continue;
        }
        let places = (0..).zip(&record.real_servers);
        let named = places.filter(|(_, record)| *record.name == *real_server);
        found.extend(named.map(|(real_server, _)| RealServerId {
            service: place,
            real_server,
        }));
    }
    if found.is_empty() {
        return Err(TargetError::Unknown(target.to_owned()));
    }
    Ok(found)
}

/// A target that names no real server.
#[derive(Debug, Error)]
pub(crate) enum TargetError {
    /// It is not of the right shape.
    #[error("`{0}` is not SERVICE/REAL_SERVER, such as `web/rs1` or `*/rs1`")]
    Shape(String),
    /// Nothing has that name.
    #[error("no real server is called `{0}`: see `lvs-agent status` for the names")]
    Unknown(String),
}

/// Where [`Drained`] outlives the process: `drains.json` in the state directory.
#[derive(Debug)]
pub(crate) struct DrainFile(PathBuf);

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

    /// What was wanted drained when the file was last written; nothing if
    /// there is no file.
    pub(crate) fn load(&self) -> Result<Drained, DrainFileError> {
        let error = |cause| DrainFileError {
            path: self.0.clone(),
            cause,
        };
        let mut text = Vec::new();
        let read = regular_file::open(&self.0).and_then(|mut file| file.read_to_end(&mut text));
        match read {
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Drained::new()),
            Err(cause) => return Err(error(Cause::Io(cause))),
        }
        let entries: Vec<Entry> =
            serde_json::from_slice(&text).map_err(|cause| error(Cause::Json(cause)))?;
        let entries = entries.iter().map(|entry| {
            let key = (entry.service.parse()?, entry.real_server.parse()?);
            let deadline = entry.deadline.as_deref().map(humantime::parse_rfc3339);
            Ok((key, deadline.transpose()?))
        });
        entries.collect::<Result<_, Cause>>().map_err(error)
    }

    /// What was wanted drained; nothing, and an ERROR, if the file cannot be
    /// used: that is set aside, for health checks come first.
    pub(crate) fn load_or_set_aside(&self) -> Drained {
        self.load().unwrap_or_else(|error| {
            let aside = self.0.with_extension("json.damaged");
            let kept = fs::rename(&self.0, &aside);
            error!(
                error = error_chain(&error),
                set_aside = kept.is_ok(),
                "nothing is drained any more: see `{}`, and drain again what it names",
                aside.display()
            );
            Drained::new()
        })
    }

    /// Writes the file whole or not at all.
    pub(crate) fn save(&self, drained: &Drained) -> Result<(), DrainFileError> {
        let error = |cause| DrainFileError {
            path: self.0.clone(),
            cause,
        };
        let entries: Vec<_> = drained
            .iter()
            .map(|((service, real_server), deadline)| Entry {
                service: service.to_string(),
                real_server: real_server.to_string(),
                deadline: deadline.map(|at| humantime::format_rfc3339_millis(at).to_string()),
            })
            .collect();
        let text =
            serde_json::to_vec_pretty(&entries).map_err(|cause| error(Cause::Json(cause)))?;
        self.replace(&text).map_err(|cause| error(Cause::Io(cause)))
    }

    /// Removes the file; tells whether there was one.
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
        whole_file::replace(&self.0, text)
    }
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
    #[error("a deadline is no point in time")]
    Deadline(#[from] humantime::TimestampError),
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::snapshot::fixture;

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let file = DrainFile::new(&directory.path().join("made"));
        assert_eq!(file.load().unwrap(), Drained::new());
        let key = (
            "tcp [2001:db8::200]:80".parse().unwrap(),
            "[2001:db8::21]:80".parse().unwrap(),
        );
        let drained: Drained = [(key, Some(fixture::start()))].into();
        file.save(&drained).unwrap();
        assert_eq!(file.load().unwrap(), drained);
        let first = r#"[{"service":"tcp [2001:db8::200]:80","real_server":"[2001:db8::21]:80"}]"#;
        fs::write(directory.path().join("made/drains.json"), first).unwrap();
        assert_eq!(file.load().unwrap(), [(key, None)].into());
        fs::write(directory.path().join("made/drains.json"), "[{").unwrap();
        assert!(file.load().unwrap_err().to_string().contains("drains.json"));
        assert_eq!(file.load_or_set_aside(), Drained::new());
        let aside = fs::read_to_string(directory.path().join("made/drains.json.damaged"));
        assert_eq!(aside.unwrap(), "[{", "nothing is lost");
        assert_eq!(file.load().unwrap(), Drained::new());
        file.save(&drained).unwrap();
        assert!(file.remove().unwrap());
        assert!(!file.remove().unwrap());
    }

    #[test]
    fn what_is_no_regular_file_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let file = DrainFile::new(directory.path());
        mknodat(CWD, &file.0, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let said = error_chain(&file.load().unwrap_err());
        assert!(said.contains("this is a FIFO"), "{said}");
        assert_eq!(file.load_or_set_aside(), Drained::new());
        assert!(!file.0.exists());
    }

    #[test]
    fn a_target_is_one_real_server_or_that_one_everywhere() {
        let snapshot = fixture::director();
        let id = |service, real_server| RealServerId {
            service,
            real_server,
        };
        assert_eq!(find(&snapshot, "web/rs2").unwrap(), [id(0, 1)]);
        assert_eq!(find(&snapshot, "*/rs6").unwrap(), [id(1, 0)]);
        for wrong in ["rs1", "web/rs6", "*/nobody", "nobody/rs1", "/", ""] {
            assert!(find(&snapshot, wrong).is_err(), "{wrong}");
        }
    }
}
