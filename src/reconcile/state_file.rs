//! The state file.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::warn;

use super::ownership::{Owned, OwnedSysctl, OwnedTimeout, StateFileStatus};
use crate::model::{LocalAddress, ServiceKey};
use crate::plan::pending_removal::Leaver;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::{atomic_write, clock, regular_file};
use crate::status::Mode;

/// The version of the file's shape that this program writes.
const VERSION: u32 = 1;

/// Far above what a file has: a service or address takes less than 100 bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Where [`Owned`] outlives the process: `director.json` or
/// `real_server.json` in the state directory.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    path: PathBuf,
}

/// The state file could not be read or written.
#[derive(Debug, Error)]
pub(crate) enum StateFileError {
    /// The directory cannot be made.
    #[error("cannot make the directory `{}`: correct `state_dir`, or its owner and mode", .0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// The file cannot be read.
    #[error("cannot read the state file `{}`: correct `state_dir`, or its owner and mode", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file cannot be written.
    #[error("cannot write the state file `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The file is of a program newer than this one.
    #[error(
        "`{}` has version {version}, which a newer lvs-agent wrote and this one cannot read: \
         run that one", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// The file's shape.
#[derive(Debug, Serialize, Deserialize)]
struct Shape {
    version: u32,
    services: BTreeSet<String>,
    addresses: BTreeSet<Address>,
    sysctls: BTreeMap<String, Sysctl>,
    /// The first programs that wrote this version had none.
    #[serde(default)]
    timeouts: BTreeMap<String, Seconds>,
    /// As with the time-outs.
    #[serde(default)]
    leaving: Vec<Leaves>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    interface: String,
    address: IpAddr,
}

/// One that is leaving: what the kernel knows it by, its names, and its
/// deadline in RFC 3339.
#[derive(Debug, Serialize, Deserialize)]
struct Leaves {
    service: String,
    real_server: String,
    service_name: String,
    real_server_name: String,
    deadline: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sysctl {
    ours: String,
    /// Left out where it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original: Option<String>,
}

/// What a state file told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) owned: Owned,
    /// `Lost` if the file is damaged.
    pub(crate) memory: StateFileStatus,
}

#[derive(Debug, Serialize, Deserialize)]
struct Seconds {
    ours: u32,
    original: u32,
}

impl StateFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The state directory.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// The file of a director whose table is inside its process: what that
    /// one owns is not the kernel's.
    pub(crate) fn of_memory(state_dir: &Path) -> Self {
        Self {
            path: state_dir.join("director-memory.json"),
        }
    }

    /// The file of `mode` in `state_dir`; nothing is touched yet.
    pub(crate) fn new(state_dir: &Path, mode: Mode) -> Self {
        Self {
            path: state_dir.join(mode.as_str()).with_extension("json"),
        }
    }

    /// What was owned when the file was last written; nothing if there is no
    /// file. Writes nothing.
    ///
    /// A file that cannot be understood counts as none, with a warning; the
    /// next [`StateFile::save`] sets it aside.
    pub(crate) fn load(&self) -> Result<Remembered, StateFileError> {
        let remembered = |owned, memory| Remembered { owned, memory };
        let text = match regular_file::read(&self.path, LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(remembered(Owned::default(), StateFileStatus::Whole));
            }
            Err(error) => return Err(StateFileError::Read(self.path.clone(), error)),
        };
        match understand(&text) {
            Ok(owned) => Ok(remembered(owned, StateFileStatus::Whole)),
            Err(NotUnderstood::Newer(version)) => Err(StateFileError::Newer {
                path: self.path.clone(),
                version,
            }),
            Err(NotUnderstood::Damaged(why)) => {
                warn!(
                    path = %self.path.display(), error = why,
                    "the state file is damaged: what an earlier run wrote and is no longer \
                     configured stays in the kernel; see `ipvsadm -Ln` and `ip addr`"
                );
                Ok(remembered(Owned::default(), StateFileStatus::Lost))
            }
        }
    }

    /// The same by a thread for it, within a deadline.
    pub(super) async fn load_patiently(&self) -> Result<Remembered, StateFileError> {
        let file = self.clone();
        let load = move || file.load();
        let loaded = file_work::run_patiently(FileUse::State, &self.path, load).await;
        loaded.unwrap_or_else(|error| Err(StateFileError::Read(self.path.clone(), error.into())))
    }

    /// As [`StateFile::save`], by a thread for it and within a deadline; hands
    /// back what was saved.
    pub(super) async fn save_patiently(&self, owned: Owned) -> Result<Owned, StateFileError> {
        let file = self.clone();
        let save = move || file.save(&owned).map(|()| owned);
        let saved = file_work::run_patiently(FileUse::State, &self.path, save).await;
        saved.unwrap_or_else(|error| Err(StateFileError::Write(self.path.clone(), error.into())))
    }

    /// As [`StateFile::directed_vips`], by a thread for it; `None` if its file
    /// system does not answer.
    pub(super) async fn directed_vips_patiently(
        &self,
        patience: Duration,
    ) -> Option<BTreeSet<IpAddr>> {
        let (file, deadline) = (self.clone(), clock::monotonic() + patience);
        let look = move || file.directed_vips();
        let path = self.path.with_file_name("director.json");
        let found = file_work::run(FileUse::State, &path, deadline.into(), look).await;
        found.ok()
    }

    /// The VIPs that this host's director has, as its own state file in the
    /// same directory tells.
    pub(crate) fn directed_vips(&self) -> BTreeSet<IpAddr> {
        let file = self.path.with_file_name("director.json");
        let text = regular_file::read(&file, LARGEST).ok();
        let owned = text.and_then(|text| understand(&text).ok());
        let Some(owned) = owned else {
            return BTreeSet::new();
        };
        let services = owned.services.iter().filter_map(ServiceKey::vip);
        let addresses = owned.addresses.iter().map(|owned| owned.address);
        services.chain(addresses).collect()
    }

    /// Writes the file whole or not at all: a new file, flushed, takes the old one's name.
    ///
    /// Fails if a program newer than this one has written it meanwhile.
    pub(crate) fn save(&self, owned: &Owned) -> Result<(), StateFileError> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)
            .map_err(|error| StateFileError::Directory(directory.to_owned(), error))?;
        let write = |error| StateFileError::Write(self.path.clone(), error);
        self.set_damaged_aside().map_err(write)??;
        self.replace(owned).map_err(write)
    }

    /// Removes the file, if there is one.
    pub(crate) fn remove(&self) -> Result<(), StateFileError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StateFileError::Write(self.path.clone(), error))
            }
            _ => Ok(()),
        }
    }

    fn replace(&self, owned: &Owned) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(&shape(owned))?;
        text.push(b'\n');
        atomic_write::replace(&self.path, &text)
    }

    fn set_damaged_aside(&self) -> io::Result<Result<(), StateFileError>> {
        let text = match regular_file::read(&self.path, LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(())),
            Err(error) => return Err(error),
        };
        match understand(&text) {
            Ok(_) => Ok(Ok(())),
            Err(NotUnderstood::Newer(version)) => Ok(Err(StateFileError::Newer {
                path: self.path.clone(),
                version,
            })),
            Err(NotUnderstood::Damaged(_)) => {
                fs::rename(&self.path, self.path.with_extension("json.damaged"))?;
                Ok(Ok(()))
            }
        }
    }
}

enum NotUnderstood {
    Newer(u32),
    Damaged(String),
}

impl From<serde_json::Error> for NotUnderstood {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<crate::model::ParseError> for NotUnderstood {
    fn from(error: crate::model::ParseError) -> Self {
        Self::Damaged(error.to_string())
    }
}

fn understand(text: &[u8]) -> Result<Owned, NotUnderstood> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_slice(text)?;
    if version > VERSION {
        return Err(NotUnderstood::Newer(version));
    }
    let shape: Shape = serde_json::from_slice(text)?;
    let mut owned = Owned::default();
    for service in &shape.services {
        owned.services.insert(service.parse()?);
    }
    for Address { interface, address } in shape.addresses {
        owned.addresses.insert(LocalAddress { interface, address });
    }
    for (key, Sysctl { ours, original }) in shape.sysctls {
        owned
            .sysctls
            .insert(key.parse()?, OwnedSysctl { ours, original });
    }
    for (timeout, Seconds { ours, original }) in shape.timeouts {
        owned
            .timeouts
            .insert(timeout.parse()?, OwnedTimeout { ours, original });
    }
    for leaves in shape.leaving {
        let key = (leaves.service.parse()?, leaves.real_server.parse()?);
        let deadline = humantime::parse_rfc3339(&leaves.deadline);
        let leaver = Leaver {
            service: leaves.service_name,
            real_server: leaves.real_server_name,
            deadline: deadline.map_err(|error| NotUnderstood::Damaged(error.to_string()))?,
            has_weight: false,
        };
        owned.leaving.insert(key, leaver);
    }
    Ok(owned)
}

fn shape(owned: &Owned) -> Shape {
    let Owned {
        services,
        addresses,
        sysctls,
        timeouts,
        leaving,
    } = owned;
    let address = |a: &LocalAddress| Address {
        interface: a.interface.clone(),
        address: a.address,
    };
    let sysctl = |s: &OwnedSysctl| Sysctl {
        ours: s.ours.clone(),
        original: s.original.clone(),
    };
    Shape {
        version: VERSION,
        services: services.iter().map(ToString::to_string).collect(),
        addresses: addresses.iter().map(address).collect(),
        sysctls: sysctls
            .iter()
            .map(|(key, value)| (key.to_string(), sysctl(value)))
            .collect(),
        timeouts: timeouts
            .iter()
            .map(|(timeout, &OwnedTimeout { ours, original })| {
                (timeout.to_string(), Seconds { ours, original })
            })
            .collect(),
        leaving: leaving
            .iter()
            .map(|((service, real_server), leaver)| Leaves {
                service: service.to_string(),
                real_server: real_server.to_string(),
                service_name: leaver.service.clone(),
                real_server_name: leaver.real_server.clone(),
                deadline: humantime::format_rfc3339_millis(leaver.deadline).to_string(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
