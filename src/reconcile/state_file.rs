//! The state file.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::sleep;

use super::ownership::{Owned, OwnedSysctl, OwnedTimeout, StateFileStatus};
use crate::model::{LocalAddress, ParseError, Role, ServiceKey, Severity};
use crate::plan::pending_removal::PendingRemoval;
use crate::runtime::clock;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::stored_file::{
    BackgroundWriter, Content, Damage, Format, FormatError, IfDamaged, Loaded, Object, OnDisk,
    Purpose, StoredFile, StoredFileError, parse_object,
};

/// From one check for changes by another program to the next.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The version of the file's format that this program writes.
const VERSION: u32 = 1;

/// Nothing is removed that may be another program's: if the file is damaged, everything
/// stays in the kernel.
static DIRECTOR: Purpose = Purpose {
    version: VERSION as u64,
    is_needed: true,
    severity: Severity::Warning,
    consequence: "the agent takes over everything that is configured, and what an earlier run wrote \
                  and is no longer configured stays in the kernel: virtual services, VIPs, \
                  time-outs and kernel parameters",
    fix: "compare `ipvsadm -Ln` and `ip address` with the configuration, and remove by hand what \
          is left over; the names may be readable in the damaged file",
    moved: "remove from the kernel by hand what it names and is no longer configured",
};

/// The same for a real server, which has neither virtual services nor time-outs.
static REAL_SERVER: Purpose = Purpose {
    consequence: "the agent takes over everything that is configured, and what an earlier run wrote \
                  and is no longer configured stays in the kernel: VIPs and kernel parameters",
    fix: "compare `ip address` with the configuration, and remove by hand the VIPs that are left \
          over; compare the kernel parameters with those that the host sets at boot \
          (`/etc/sysctl.d`); the names may be readable in the damaged file",
    ..DIRECTOR
};

const FORMAT: Format<Owned> = Format { text, content };

/// Where [`Owned`] outlives the process: `director.json` or
/// `real_server.json` in the state directory.
#[derive(Debug, Clone)]
pub(crate) struct StateFile(StoredFile);

/// The content of the file. A key that this version of the format does not have is damage: no
/// lvs-agent wrote the file as it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFileContent {
    version: u32,
    services: BTreeSet<String>,
    addresses: BTreeSet<Object<Address>>,
    sysctls: BTreeMap<String, Object<Sysctl>>,
    timeouts: BTreeMap<String, Object<Seconds>>,
    leaving: Vec<Object<PendingRemovalEntry>>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct Address {
    interface: String,
    address: IpAddr,
}

/// A real server that is leaving: what the kernel knows it by, its names, and its
/// deadline in RFC 3339.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingRemovalEntry {
    service: String,
    real_server: String,
    service_name: String,
    real_server_name: String,
    deadline: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sysctl {
    ours: String,
    /// Left out where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original: Option<String>,
}

/// The result of reading a state file.
#[derive(Debug)]
pub(crate) struct LoadedStateFile {
    pub(crate) owned: Owned,
    /// `Damaged` if the file is damaged.
    pub(crate) memory: StateFileStatus,
    pub(super) on_disk: OnDisk<Owned>,
    /// What is wrong with the file.
    pub(crate) damage: Option<Damage>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seconds {
    ours: u32,
    original: u32,
}

impl StateFile {
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The state directory.
    pub(super) fn directory(&self) -> &Path {
        self.0.directory()
    }

    /// The file of a director whose table is inside its process: what that
    /// one owns is not the kernel's.
    pub(crate) fn of_memory(state_dir: &Path) -> Self {
        Self(StoredFile::new(
            state_dir.join("director-memory.json"),
            &DIRECTOR,
        ))
    }

    /// The file of `role` in `state_dir`; nothing is touched yet.
    pub(crate) fn new(state_dir: &Path, role: Role) -> Self {
        let path = state_dir.join(role.as_str()).with_extension("json");
        let purpose = match role {
            Role::Director => &DIRECTOR,
            Role::RealServer => &REAL_SERVER,
        };
        Self(StoredFile::new(path, purpose))
    }

    /// What was owned when the file was last written; nothing if there is no
    /// file, or the file is damaged.
    pub(crate) fn load(&self, if_damaged: IfDamaged) -> Result<LoadedStateFile, StoredFileError> {
        let loaded: Loaded<Owned> = self.0.load(if_damaged, content)?;
        let memory = match loaded.damage {
            Some(_) => StateFileStatus::Damaged,
            None => StateFileStatus::Whole,
        };
        Ok(LoadedStateFile {
            damage: loaded.reported().cloned(),
            on_disk: loaded.on_disk(),
            owned: loaded.value,
            memory,
        })
    }

    /// The same by a thread for it, within a deadline.
    pub(super) async fn load_patiently(
        &self,
        if_damaged: IfDamaged,
    ) -> Result<LoadedStateFile, StoredFileError> {
        let file = self.clone();
        let load = move || file.load(if_damaged);
        let loaded = file_work::run_patiently(FileUse::State, self.path(), load).await;
        loaded.unwrap_or_else(|error| {
            Err(StoredFileError::Read(self.path().to_owned(), error.into()))
        })
    }

    /// Writes the file, of which `on_disk` is known.
    pub(super) fn writer(&self, on_disk: OnDisk<Owned>) -> BackgroundWriter<Owned> {
        BackgroundWriter::new(self.0.clone(), FileUse::State, FORMAT, on_disk)
    }

    /// Checks regularly whether another program has changed or removed the file: then
    /// the next pass writes it.
    pub(crate) async fn watch(self) -> Infallible {
        loop {
            sleep(CHECK_INTERVAL).await;
            let file = self.0.clone();
            let check = move || file.check_for_changes();
            // What does not answer has been reported, and is checked again.
            let _ = file_work::run_patiently(FileUse::State, self.path(), check).await;
        }
    }

    /// The VIPs that this host's director has, as its own state file in the same
    /// directory tells; `None` if that is not known, or its file system does not answer.
    pub(super) async fn directed_vips_patiently(
        &self,
        patience: Duration,
    ) -> Option<BTreeSet<IpAddr>> {
        let director = Self::new(self.directory(), Role::Director);
        let path = director.path().to_owned();
        let deadline = clock::monotonic() + patience;
        let look = move || director.vips();
        let found = file_work::run(FileUse::State, &path, deadline.into(), look).await;
        found.ok().flatten()
    }

    /// The VIPs of a director's services and addresses; `None` if the file does not
    /// tell. The file is the director's to set aside.
    fn vips(&self) -> Option<BTreeSet<IpAddr>> {
        let remembered = self.load(IfDamaged::Leave).ok()?;
        if remembered.memory == StateFileStatus::Damaged {
            return None;
        }
        let owned = remembered.owned;
        let services = owned.services.iter().filter_map(ServiceKey::vip);
        let addresses = owned.addresses.iter().map(|owned| owned.address);
        Some(services.chain(addresses).collect())
    }

    /// Fails if a newer program wrote the file.
    pub(crate) fn refuse_newer(&self) -> Result<(), StoredFileError> {
        self.0.refuse_newer()
    }

    /// Removes the file, if there is one.
    pub(crate) fn remove(&self) -> Result<(), StoredFileError> {
        self.0.remove().map(|_| ())
    }
}

/// The text could not be understood.
#[derive(Debug, Error)]
enum ShapeError {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Key(#[from] ParseError),
    #[error("a deadline is no point in time: {0}")]
    Deadline(#[from] humantime::TimestampError),
}

fn content(text: &[u8]) -> Content<Owned> {
    match understand(text) {
        Ok(value) => Content { value, cause: None },
        Err(error) => Content {
            value: Owned::default(),
            cause: Some(error.to_string()),
        },
    }
}

fn understand(text: &[u8]) -> Result<Owned, ShapeError> {
    let found: StateFileContent = parse_object(text, VERSION)?;
    let mut owned = Owned::default();
    for service in &found.services {
        owned.services.insert(service.parse()?);
    }
    for Object(Address { interface, address }) in found.addresses {
        owned.addresses.insert(LocalAddress { interface, address });
    }
    for (key, Object(Sysctl { ours, original })) in found.sysctls {
        owned
            .sysctls
            .insert(key.parse()?, OwnedSysctl { ours, original });
    }
    for (timeout, Object(Seconds { ours, original })) in found.timeouts {
        owned
            .timeouts
            .insert(timeout.parse()?, OwnedTimeout { ours, original });
    }
    for Object(leaves) in found.leaving {
        let key = (leaves.service.parse()?, leaves.real_server.parse()?);
        let deadline = humantime::parse_rfc3339(&leaves.deadline);
        let removal = PendingRemoval {
            service: leaves.service_name,
            real_server: leaves.real_server_name,
            deadline: deadline?,
            has_weight: false,
        };
        owned.leaving.insert(key, removal);
    }
    Ok(owned)
}

fn text(owned: &Owned) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(&content_of(owned))?;
    text.push(b'\n');
    Ok(text)
}

fn content_of(owned: &Owned) -> StateFileContent {
    let Owned {
        services,
        addresses,
        sysctls,
        timeouts,
        leaving,
    } = owned;
    let address = |a: &LocalAddress| {
        Object(Address {
            interface: a.interface.clone(),
            address: a.address,
        })
    };
    let sysctl = |s: &OwnedSysctl| {
        Object(Sysctl {
            ours: s.ours.clone(),
            original: s.original.clone(),
        })
    };
    StateFileContent {
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
                (timeout.to_string(), Object(Seconds { ours, original }))
            })
            .collect(),
        leaving: leaving
            .iter()
            .map(|((service, real_server), removal)| {
                Object(PendingRemovalEntry {
                    service: service.to_string(),
                    real_server: real_server.to_string(),
                    service_name: removal.service.clone(),
                    real_server_name: removal.real_server.clone(),
                    deadline: humantime::format_rfc3339_millis(removal.deadline).to_string(),
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
