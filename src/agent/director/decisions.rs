//! The drains and weights that operators have set, with the file that saves them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;
use tracing::info;

use crate::agent::decisions::{DecisionFile, Decisions};
use crate::config::Config;
use crate::model::{ConditionType, MemberKey, Role};
use crate::reconcile::Writing;
use crate::runtime::clock;
use crate::runtime::log_limit::LINES_AT_ONCE;
use crate::runtime::shared::Shared;
use crate::runtime::stored_file::{BackgroundWriter, StoredFileError};
use crate::status::SharedConditions;

/// From one attempt to write the file to the next, while it cannot be written.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a disk is waited for, which may hang.
const SAVING: Duration = Duration::from_millis(500);

/// Raised while the file does not hold what operators want.
const NOT_SAVED: ConditionType = ConditionType::DrainsNotSaved;

/// What operators want, which goes on after a reload or a restart.
pub(super) struct DecisionStore {
    file: DecisionFile,
    /// In a dry run the file is read and never written.
    writing: Writing,
    pub(super) decisions: Decisions,
    writer: BackgroundWriter<Decisions>,
    /// Where it is raised that the file does not hold what is wanted.
    conditions: SharedConditions,
    /// Why drains have ended by a reload that configured another real server by the same name.
    pub(super) ended_drains: EndedDrains,
}

/// By the name of the real server, why its last drain ended by a reload.
pub(super) type EndedDrains = Arc<Shared<BTreeMap<String, String>>>;

impl DecisionStore {
    /// The decisions of the file whose real servers are still configured.
    pub(super) async fn load(
        config: &Config,
        file: DecisionFile,
        writing: Writing,
        conditions: &SharedConditions,
    ) -> Result<Self, StoredFileError> {
        let load = move |file: &DecisionFile| file.load(writing.if_damaged());
        let loaded = file.patiently(StoredFileError::Read, load).await?;
        conditions.note_damage(file.path(), loaded.reported(), clock::wall());
        let mut store = Self {
            writer: file.writer(loaded.on_disk()),
            file,
            writing,
            decisions: loaded.value,
            conditions: Arc::clone(conditions),
            ended_drains: EndedDrains::default(),
        };
        store.forget_unconfigured(config, config).await;
        Ok(store)
    }

    /// A decision ends when its real server leaves the configuration: there is
    /// no name left by which it could be changed. Tells which have ended;
    /// `before` has their names.
    pub(super) async fn forget_unconfigured(
        &mut self,
        before: &Config,
        config: &Config,
    ) -> Vec<String> {
        let Decisions { drains, weights } = mem::take(&mut self.decisions);
        let decided: BTreeSet<_> = drains.keys().chain(weights.keys()).copied().collect();
        let configured = names(config, &decided);
        let is_configured = |key: &MemberKey| configured.contains_key(key);
        let (drains, undrained): (BTreeMap<_, _>, BTreeMap<_, _>) =
            drains.into_iter().partition(|(key, _)| is_configured(key));
        let (weights, reset): (BTreeMap<_, _>, BTreeMap<_, _>) =
            weights.into_iter().partition(|(key, _)| is_configured(key));
        self.decisions = Decisions { drains, weights };
        let names = names(before, &decided);
        let why = |key: &MemberKey| match names.get(key) {
            Some(name) if all_names(config).any(|(_, still)| still == *name) => (
                name.clone(),
                "it has another address now, or its service has; ask for it again if it shall be",
            ),
            Some(name) => (name.clone(), "it is no longer configured"),
            None => {
                let (service, real_server) = key;
                (
                    format!("{service} {real_server}"),
                    "it is no longer configured",
                )
            }
        };
        let undrained = undrained.keys().map(|key| {
            let (name, why) = why(key);
            let line = format!("{name} is no longer drained: {why}");
            (name, line)
        });
        let undrained: BTreeMap<_, _> = undrained.collect();
        {
            let mut ended = self.ended_drains.lock();
            ended.extend(undrained.clone());
            if !ended.is_empty() {
                let still: BTreeSet<_> = all_names(config).map(|(_, name)| name).collect();
                ended.retain(|name, _| still.contains(name));
            }
        }
        let reset = reset.keys().map(|key| {
            let (name, why) = why(key);
            format!("{name} has no longer the weight that an operator set: {why}")
        });
        let ended = undrained.into_values().chain(reset);
        let mut ended: Vec<_> = ended.collect();
        for ended in ended.iter().take(LINES_AT_ONCE) {
            info!("{ended}");
        }
        if ended.len() > LINES_AT_ONCE {
            let number = ended.len() - LINES_AT_ONCE;
            info!(number, "more drains and weights of operators have ended");
        }
        self.remember().await;
        if let (false, Some(error)) = (ended.is_empty(), self.not_saved()) {
            ended.push(error);
        }
        ended
    }

    /// Writes the file unless it holds what is wanted. As with the state
    /// file, nobody waits long for the disk: then [`keep`] sees to the rest.
    pub(super) async fn remember(&mut self) {
        if self.writing == Writing::DryRun {
            return;
        }
        let written = self.writer.save(&self.decisions, SAVING, SAVING).await;
        let message = |error: &str| {
            format!("what operators have decided is not remembered across a restart: {error}")
        };
        let unit = Role::Director.unit();
        self.conditions.note_written(
            NOT_SAVED,
            self.file.path(),
            written,
            message,
            unit,
            clock::wall(),
        );
    }

    /// Whether the disk takes its time, and it is not sure yet that the file holds what is wanted.
    pub(super) fn is_saving(&self) -> bool {
        self.writer.is_saving()
    }

    /// Why the file does not hold what is wanted, if it does not.
    pub(super) fn not_saved(&self) -> Option<String> {
        let subject = self.file.path().display().to_string();
        let condition = self.conditions.get(NOT_SAVED, &subject);
        condition.map(|condition| condition.message)
    }
}

/// Writes what could not be written, when there is room again, and what another program
/// has changed or removed.
pub(super) async fn keep(store: Arc<Mutex<DecisionStore>>) -> Infallible {
    let file = store.lock().await.file.clone();
    loop {
        sleep(AGAIN).await;
        // An error comes again when the file is written, and is shown then.
        let check = |file: &DecisionFile| Ok(file.check_for_changes());
        let _ = file.patiently(StoredFileError::Read, check).await;
        store.lock().await.remember().await;
    }
}

/// The names of those of these real servers that are configured, as operators say them.
fn names(config: &Config, wanted: &BTreeSet<MemberKey>) -> BTreeMap<MemberKey, String> {
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let names = all_names(config).filter(|(key, _)| wanted.contains(key));
    names.collect()
}

/// The names of all real servers.
fn all_names(config: &Config) -> impl Iterator<Item = (MemberKey, String)> {
    let services = config.virtual_services.iter();
    services.flat_map(|service| {
        let real_servers = service.real_servers.iter();
        real_servers.map(|real_server| {
            let key = (service.key, real_server.key);
            (key, format!("{}/{}", service.name, real_server.name))
        })
    })
}

#[cfg(test)]
mod tests;
