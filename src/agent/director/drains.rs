//! The drains that operators want: passed to health, and kept in a file.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::Director;
use crate::agent::drains::{self, DrainFile, Drained, TargetError};
use crate::agent::reload::{OperationResult, ReloadError};
use crate::config::{Config, VirtualService};
use crate::control::Answer;
use crate::health::{self, DrainDeadline};
use crate::kernel::{Sysctls, TableKind};
use crate::model::{
    AdminState, Condition, ConditionType, RealServerKey, ServiceFlags, ServiceKey, Severity,
    SysctlKey, Target,
};
use crate::plan::desired;
use crate::reconcile::Writing;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::stored_file::{Damage, OnDisk, StoredFileError, unsaved};
use crate::status::{Mode, ServiceRecord, SharedConditions, Snapshot};

/// The deadline of a drain that an earlier process began without one.
const DEFAULT_DEADLINE: Duration = Duration::from_mins(5);

/// So many lines are written at a time of drains that end with a reload.
const LINES_AT_ONCE: usize = 16;

/// From one attempt to write the file to the next, while it cannot be written.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a disk is waited for, which may hang.
const SAVING: Duration = Duration::from_millis(500);

/// How long an answer may wait for the end of a drain. A connection has 30 seconds for everything.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Why a dry run neither drains nor undrains.
const DRY_RUN: &str = "this agent makes a dry run and changes nothing, so it neither drains nor \
                       undrains a real server: start the agent without --dry-run, and ask again";

/// Raised while the file does not hold what is drained.
const NOT_SAVED: ConditionType = ConditionType::DrainsNotSaved;

/// What was saved, and what was wrong with the file before.
type Saved = (OnDisk<Drained>, Option<Damage>);

/// What of a drain goes on after a reload or a restart.
pub(super) struct DrainStore {
    file: DrainFile,
    /// In a dry run the file is read and never written.
    writing: Writing,
    pub(super) drained: Drained,
    on_disk: OnDisk<Drained>,
    /// The writing of the file that goes on.
    saving: Option<JoinHandle<Result<Saved, StoredFileError>>>,
    /// Where it is raised that the file does not hold what is drained.
    conditions: SharedConditions,
}

impl DrainStore {
    /// Those of the file that are still configured.
    pub(super) async fn load(
        config: &Config,
        file: DrainFile,
        writing: Writing,
        conditions: &SharedConditions,
    ) -> Result<Self, StoredFileError> {
        let load = move |file: &DrainFile| file.load(writing.if_damaged());
        let loaded = file.patiently(StoredFileError::Read, load).await?;
        conditions.note_damage(file.path(), loaded.reported(), clock::wall());
        let mut drains = Self {
            file,
            writing,
            on_disk: loaded.on_disk(),
            saving: None,
            drained: loaded.value,
            conditions: Arc::clone(conditions),
        };
        drains.forget_unconfigured(config, config).await;
        Ok(drains)
    }

    /// A drain ends when its real server leaves the configuration: there is
    /// no name left by which it could be undrained. Tells which have ended;
    /// `before` has their names.
    pub(super) async fn forget_unconfigured(
        &mut self,
        before: &Config,
        config: &Config,
    ) -> Vec<String> {
        let configured = names(config);
        let (kept, forgotten): (Drained, Drained) = mem::take(&mut self.drained)
            .into_iter()
            .partition(|(key, _)| configured.contains_key(key));
        self.drained = kept;
        let names = names(before);
        let ended = forgotten.keys().map(|key| match names.get(key) {
            Some(name) if configured.values().any(|still| still == name) => format!(
                "{name} is no longer drained: it has another address now, or its service has; \
                 drain it again if it shall be"
            ),
            Some(name) => format!("{name} is no longer drained: it is no longer configured"),
            None => {
                let (service, real_server) = key;
                format!("{service} {real_server} is no longer drained: it is no longer configured")
            }
        });
        let mut ended: Vec<_> = ended.collect();
        for ended in ended.iter().take(LINES_AT_ONCE) {
            info!("{ended}");
        }
        if ended.len() > LINES_AT_ONCE {
            let number = ended.len() - LINES_AT_ONCE;
            info!(number, "more real servers are no longer drained");
        }
        self.remember().await;
        if let (false, Some(error)) = (ended.is_empty(), self.not_saved()) {
            ended.push(error);
        }
        ended
    }

    /// Writes the file unless it holds what is drained. As with the state
    /// file, nobody waits long for the disk: then [`keep`] sees to the rest.
    async fn remember(&mut self) {
        if self.writing == Writing::DryRun {
            return;
        }
        let mut trouble = None;
        while self.saving.is_some() || !self.is_saved() {
            let saving = self.saving.get_or_insert_with(|| {
                let (file, drained) = (self.file.clone(), self.drained.clone());
                let before = self.on_disk.clone();
                tokio::spawn(async move {
                    let save = move |file: &DrainFile| file.save(drained, &before);
                    file.patiently(StoredFileError::Write, save).await
                })
            });
            let Ok(saved) = timeout(SAVING, saving).await else {
                // The condition stays as it was until the result is known.
                return;
            };
            self.saving = None;
            trouble = match saved {
                Ok(Ok((on_disk, damage))) => {
                    self.on_disk = on_disk;
                    let (path, now) = (self.file.path(), clock::wall());
                    self.conditions.note_damage(path, damage.as_ref(), now);
                    None
                }
                Ok(Err(error)) => Some(error),
                Err(error) => {
                    let path = self.file.path().to_owned();
                    Some(StoredFileError::Write(path, io::Error::other(error)))
                }
            };
            if trouble.is_some() {
                self.on_disk = self.on_disk.after_failure();
                break;
            }
        }
        let (kind, subject) = (NOT_SAVED, self.file.path().display().to_string());
        let Some(error) = trouble else {
            return self.conditions.clear(kind, &subject);
        };
        let message = error_chain(&error);
        self.conditions.raise(Condition {
            kind,
            severity: Severity::Problem,
            message: format!("what is drained is not remembered across a restart: {message}"),
            fix: unsaved::fix(&error, Mode::Director.unit()),
            subject,
            since: clock::wall(),
        });
    }

    fn is_saved(&self) -> bool {
        self.on_disk.holds(&self.drained) && !self.file.is_changed()
    }

    /// Why the file does not hold what is drained, if it does not.
    fn not_saved(&self) -> Option<String> {
        let subject = self.file.path().display().to_string();
        let condition = self.conditions.get(NOT_SAVED, &subject);
        condition.map(|condition| condition.message)
    }
}

/// Writes what could not be written, when there is room again, and what another hand
/// has changed or removed.
pub(super) async fn keep(drains: Arc<Mutex<DrainStore>>) -> Infallible {
    let file = drains.lock().await.file.clone();
    loop {
        sleep(AGAIN).await;
        // An error comes again when the file is written, and is shown then.
        let look = |file: &DrainFile| Ok(file.look());
        let _ = file.patiently(StoredFileError::Read, look).await;
        drains.lock().await.remember().await;
    }
}

/// The real servers' names, as operators say them.
fn names(config: &Config) -> BTreeMap<(ServiceKey, RealServerKey), String> {
    let services = config.virtual_services.iter();
    let names = services.flat_map(|service| {
        let real_servers = service.real_servers.iter();
        real_servers.map(|real_server| {
            let key = (service.key, real_server.key);
            (key, format!("{}/{}", service.name, real_server.name))
        })
    });
    names.collect()
}

/// The deadline of a drain that goes on: as far away as the wall clock says,
/// but no further than the longest there is.
pub(super) fn again(deadline: Option<SystemTime>) -> DrainDeadline {
    let now = clock::wall();
    let at = deadline.unwrap_or(now + DEFAULT_DEADLINE);
    in_from_now(at.duration_since(now).unwrap_or_default())
}

fn in_from_now(deadline: Duration) -> DrainDeadline {
    let deadline = deadline.min(drains::LONGEST_DEADLINE);
    DrainDeadline {
        until: clock::monotonic() + deadline,
        at: clock::wall() + deadline,
    }
}

impl Director {
    /// [`Self::set_admin`] for the control socket.
    pub(super) async fn operate(
        &mut self,
        target: &Target,
        admin: AdminState,
        deadline: Duration,
    ) -> OperationResult {
        OperationResult::Other(self.set_admin(target, admin, deadline).await)
    }

    /// Waits until the real servers are drained, or cannot be any more, for so long at most. The
    /// drain does not depend on who waits.
    pub(super) fn await_drain(
        &self,
        target: Target,
        longest: Duration,
    ) -> BoxFuture<'static, Answer> {
        let shown = self.shown.clone();
        let mut changes = self.drain_changes.subscribe();
        let progress = move || drain_progress(&shown.view().snapshot, &target);
        Box::pin(async move {
            let ended = async {
                loop {
                    let answer = progress();
                    if !answer.pending || changes.changed().await.is_err() {
                        return answer;
                    }
                }
            };
            let ended = timeout(longest.min(LONGEST_WAIT), ended).await;
            ended.unwrap_or_else(|_| progress())
        })
    }

    /// Drains real servers, or returns them to service, and says which.
    async fn set_admin(
        &mut self,
        target: &Target,
        admin: AdminState,
        deadline: Duration,
    ) -> Answer {
        if self.writing == Writing::DryRun {
            return Answer::failed(DRY_RUN.to_owned());
        }
        let snapshot = self.shown.view().snapshot;
        let real_servers = match drains::find(&snapshot, target) {
            Ok(real_servers) => real_servers,
            Err(error) => return Answer::failed(error.to_string()),
        };
        let deadline = in_from_now(deadline);
        let mut drains = self.drains.lock().await;
        let mut lines = Vec::new();
        for id in &real_servers {
            let Some((service, record)) = snapshot.records(*id) else {
                continue;
            };
            let key = (service.key, record.key);
            if admin == AdminState::Enabled {
                drains.drained.remove(&key);
                lines.push(format!("{}/{}: enabled", service.name, record.name));
                continue;
            }
            drains.drained.insert(key, Some(deadline.at));
            let active = record.live.lock().connections.active;
            lines.push(format!(
                "{}/{}: draining, {active} active connections when last seen",
                service.name, record.name
            ));
            if let Some(service) = self.config.virtual_services.get(id.service_index()) {
                let sysctls = (self.table == TableKind::Kernel).then(Sysctls::default);
                lines.extend(notes(service, sysctls.as_ref()));
            }
        }
        let (done, decided) = oneshot::channel();
        let request = health::Request::SetAdmin {
            real_servers,
            admin,
            deadline,
            done,
        };
        // Who has the answer, and asks for the end of the drain next, must find that drain.
        let sent = self.to_health.send(request).await;
        let (Ok(()), Ok(without_server)) = (sent, decided.await) else {
            return Answer::failed(ReloadError::Ending.to_string());
        };
        if admin == AdminState::Enabled {
            lines.extend(held_notes(&snapshot));
        } else {
            let without = without_server.into_iter();
            let services = without.filter_map(|service| snapshot.services.get(service));
            let is_frozen = snapshot.all_weights_are_held();
            lines.extend(services.map(|service| empty_pool_note(service, is_frozen)));
        }
        drains.remember().await;
        if let Some(error) = drains.not_saved() {
            let again = format!(
                "; until the file is written, a restart of the agent may drain {target} again"
            );
            let again = (admin == AdminState::Enabled).then_some(again);
            lines.push(format!("note: {error}{}", again.unwrap_or_default()));
        } else if drains.saving.is_some() {
            lines.push(
                "note: the disk takes its time: it is not sure yet that this outlives the agent"
                    .to_owned(),
            );
        }
        Answer::done(lines.join("\n"))
    }
}

/// What is left of a drain, as it is shown.
fn drain_progress(snapshot: &Snapshot, target: &Target) -> Answer {
    let ids = match drains::find(snapshot, target) {
        Ok(ids) => ids,
        Err(TargetError::Unknown { .. } | TargetError::Leaving { .. }) => {
            return Answer::failed(format!(
                "{target} is no longer in the agent's configuration"
            ));
        }
        Err(error @ TargetError::SorryServer(_)) => return Answer::failed(error.to_string()),
    };
    let mut left = Vec::new();
    for (service, record) in ids.into_iter().filter_map(|id| snapshot.records(id)) {
        let live = record.live.lock();
        let name = format!("{}/{}", service.name, record.name);
        match live.admin {
            AdminState::Enabled => {
                return Answer::failed(format!("{name} was undrained meanwhile"));
            }
            AdminState::Draining => left.push(format!(
                "{name}: {} active connections left",
                live.connections.active
            )),
            AdminState::Drained => {}
        }
    }
    if left.is_empty() {
        Answer::done(format!("{target}: drained"))
    } else {
        Answer::pending(left.join(", "))
    }
}

/// Why what is enabled gets its weight only later.
fn held_notes(snapshot: &Snapshot) -> Vec<String> {
    let frozen = snapshot.frozen.lock();
    let note =
        |reason| format!("note: its weight stays as it is while all weights are frozen: {reason}");
    let all = frozen.iter().filter(|reason| reason.freezes_all());
    all.map(note).collect()
}

/// What becomes of new connections to a service of which no real server serves.
fn empty_pool_note(service: &ServiceRecord, is_frozen: bool) -> String {
    let sorry_serves = service.pool.lock().standing.sorry_serves;
    let then = match &service.sorry_server {
        Some(_) if sorry_serves => "the sorry server takes over",
        Some(_) if is_frozen => {
            "new connections are refused, as the sorry server does not take over while all weights \
             are frozen"
        }
        Some(_) => {
            "new connections are refused until the sorry server or a real server passes its check"
        }
        None => "new connections are refused until one serves",
    };
    let name = &service.name;
    format!("note: {name} has no other real server that serves: {then}")
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
