//! What an operator wants of real servers: told to health, and remembered.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::Director;
use crate::clock;
use crate::config::{Config, VirtualService};
use crate::control::Answer;
use crate::desired;
use crate::drain::{self, DrainFile, Drained};
use crate::error_chain::error_chain;
use crate::health::{self, Admin, DrainDeadline};
use crate::kernel::Sysctls;
use crate::lifecycle::ReloadError;
use crate::model::{ServiceFlags, SysctlKey};
use crate::snapshot::Snapshot;

/// The deadline of a drain that another process began without one.
const DEFAULT_DEADLINE: Duration = Duration::from_mins(5);

/// What of a drain goes on after a reload or a restart.
pub(super) struct Drains {
    file: DrainFile,
    pub(super) drained: Drained,
}

impl Drains {
    /// Those of the file that are still configured.
    pub(super) fn load(file: DrainFile, config: &Config) -> Self {
        let drained = file.load_or_set_aside();
        let mut drains = Self { file, drained };
        drains.forget_unconfigured(config);
        drains
    }

    /// A drain ends when its real server leaves the configuration: there is
    /// no name left by which it could be undrained.
    pub(super) fn forget_unconfigured(&mut self, config: &Config) {
        let services = config.virtual_services.iter();
        let configured = services.flat_map(|service| {
            let real_servers = service.real_servers.iter();
            real_servers.map(|real_server| (service.key, real_server.key))
        });
        let configured: BTreeSet<_> = configured.collect();
        let before = self.drained.len();
        self.drained.retain(|key, _| configured.contains(key));
        if self.drained.len() < before {
            info!("what was drained and is no longer configured is forgotten");
            if let Err(error) = self.save() {
                warn!(error, "it is still in the file of what is drained");
            }
        }
    }

    fn save(&self) -> Result<(), String> {
        self.file
            .save(&self.drained)
            .map_err(|error| error_chain(&error))
    }
}

/// The deadline of a drain that goes on: as far away as the wall clock says,
/// but no further than the longest there is.
pub(super) fn again(deadline: Option<SystemTime>) -> DrainDeadline {
    let now = clock::wall();
    let at = deadline.unwrap_or(now + DEFAULT_DEADLINE);
    in_from_now(at.duration_since(now).unwrap_or_default())
}

fn in_from_now(deadline: Duration) -> DrainDeadline {
    let deadline = deadline.min(drain::LONGEST_DEADLINE);
    DrainDeadline {
        until: clock::monotonic() + deadline,
        at: clock::wall() + deadline,
    }
}

impl Director {
    /// Drains real servers, or lets their health decide again; tells which.
    pub(super) async fn set_admin(
        &mut self,
        target: &str,
        admin: Admin,
        deadline: Duration,
    ) -> Answer {
        let snapshot = self.shown.view().snapshot;
        let real_servers = match drain::find(&snapshot, target) {
            Ok(real_servers) => real_servers,
            Err(error) => return Answer::failed(error.to_string()),
        };
        let deadline = in_from_now(deadline);
        let mut lines = Vec::new();
        for id in &real_servers {
            let Some((service, record)) = snapshot.records(*id) else {
                continue;
            };
            let key = (service.key, record.key);
            if admin == Admin::Enabled {
                self.drains.drained.remove(&key);
                lines.push(format!("{}/{}: enabled", service.name, record.name));
                continue;
            }
            self.drains.drained.insert(key, Some(deadline.at));
            let active = record.live.lock().connections.active;
            lines.push(format!(
                "{}/{}: draining, {active} active connections when last seen",
                service.name, record.name
            ));
            if let Some(service) = self.config.virtual_services.get(id.service_index()) {
                lines.extend(notes(service, self.sysctls.as_ref()));
            }
        }
        let request = health::Request::SetAdmin {
            real_servers,
            admin,
            deadline,
        };
        if self.to_health.send(request).await.is_err() {
            return Answer::failed(ReloadError::Ending.to_string());
        }
        if admin == Admin::Enabled {
            lines.extend(held_notes(&snapshot));
        }
        if let Err(error) = self.drains.save() {
            warn!(error, "what is drained is not remembered across a restart");
            lines.push(format!(
                "note: it is not remembered across a restart: {error}"
            ));
        }
        Answer::done(lines.join("\n"))
    }
}

/// Why what is enabled gets its weight only later.
fn held_notes(snapshot: &Snapshot) -> Vec<String> {
    let held = snapshot.held.lock();
    let note = |reason| format!("note: its weight stays as it is while all are held: {reason}");
    held.iter().map(note).collect()
}

/// What a weight of 0 does not do in this service. `sysctls` are the kernel's,
/// where the table is.
fn notes(service: &VirtualService, sysctls: Option<&Sysctls>) -> Vec<String> {
    let mut notes = Vec::new();
    let name = &service.name;
    if service.scheduler.hashes() && !desired::flags(service).contains(ServiceFlags::FALLBACK) {
        notes.push(format!(
            "note: {name} has scheduler {}, which refuses the clients that a weight of 0 has; with \
             `scheduler_flags: [fallback]` others take them",
            service.scheduler
        ));
    }
    if let (Some(_), Some(sysctls)) = (&service.persistence, sysctls)
        && let Some(found) = template_outlives_drain(sysctls)
    {
        notes.push(format!(
            "note: {name} is persistent and net.ipv4.vs.expire_quiescent_template {found}: clients \
             that are known still get there, until it is 1"
        ));
    }
    notes
}

/// What the parameter is that has persistence heed a weight of 0, unless it
/// does (`ip_vs_check_template` in `ip_vs_conn.c`).
fn template_outlives_drain(sysctls: &Sysctls) -> Option<String> {
    let key: SysctlKey = "net.ipv4.vs.expire_quiescent_template".parse().ok()?;
    match sysctls.read(&key) {
        Ok(Some(value)) if value != "0" => None,
        Ok(Some(value)) => Some(format!("is {value}")),
        Ok(None) => Some("is not there".to_owned()),
        Err(error) => Some(format!("cannot be read ({})", error_chain(&error))),
    }
}

#[cfg(test)]
mod tests;
