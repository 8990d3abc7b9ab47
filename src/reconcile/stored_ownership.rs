//! What the agent owns, and the state file in which that outlives the process.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tracing::warn;

use super::ownership::{Owned, StateFileStatus};
use super::state_file::StateFile;
use crate::model::ConditionType;
use crate::plan::State;
use crate::runtime::clock;
use crate::runtime::stored_file::{BackgroundWriter, OnDisk, WriteResult};
use crate::status::Snapshot;

/// How long writes to the kernel wait for a disk, which may hang.
const SAVING: Duration = Duration::from_millis(500);

/// The same at the end of the process.
const LAST_SAVING: Duration = Duration::from_secs(2);

/// What the agent owns, and its state file.
pub(super) struct StoredOwnership {
    pub(super) owned: Owned,
    pub(super) file_status: StateFileStatus,
    file: StateFile,
    writer: BackgroundWriter<Owned>,
    /// The VIPs of a director on this host, as last read.
    directed_vips: BTreeSet<IpAddr>,
}

impl StoredOwnership {
    /// What was read from the file, of which `on_disk` is known.
    pub(super) fn new(
        owned: Owned,
        file_status: StateFileStatus,
        file: StateFile,
        on_disk: OnDisk<Owned>,
    ) -> Self {
        Self {
            owned,
            file_status,
            writer: file.writer(on_disk),
            file,
            directed_vips: BTreeSet::new(),
        }
    }

    pub(super) fn file(&self) -> &StateFile {
        &self.file
    }

    /// The VIPs that are owned and no longer desired; those of which this host is the director
    /// as well are the director's.
    pub(super) async fn old_vips(&mut self, desired: &State) -> BTreeSet<IpAddr> {
        let desired: BTreeSet<_> = desired.addresses.iter().map(|a| a.address).collect();
        if let Some(found) = self.file.directed_vips_patiently(SAVING).await {
            self.directed_vips = found;
        }
        let directed = &self.directed_vips;
        let owned = self.owned.addresses.iter().map(|a| a.address);
        let old = owned.filter(|vip| !desired.contains(vip) && !directed.contains(vip));
        old.collect()
    }

    /// Remembers what is ours before the kernel is written. Traffic comes first: a
    /// disk that cannot be written is no reason to leave the kernel unrepaired.
    pub(super) async fn claim(&mut self, desired: &State, observed: &State, snapshot: &Snapshot) {
        self.take_into_ownership(desired, observed);
        self.remember(snapshot).await;
    }

    /// Remembers what is ours, without what is neither desired nor in the kernel any more.
    pub(super) async fn release(&mut self, desired: &State, observed: &State, snapshot: &Snapshot) {
        self.take_into_ownership(desired, observed);
        self.owned.release(desired, observed);
        self.remember(snapshot).await;
    }

    fn take_into_ownership(&mut self, desired: &State, observed: &State) {
        let known = self.owned.without_original().count();
        self.owned.claim(desired, observed, self.file_status);
        let unknown: Vec<_> = self.owned.without_original().collect();
        if unknown.len() > known {
            let unknown: Vec<_> = unknown.iter().map(|(key, _)| key.to_string()).collect();
            warn!(
                "the values from before the agent are not known, because the state file was damaged; \
                 `cleanup` leaves these parameters as they are, so set them by hand after it: {}",
                unknown.join(", ")
            );
        }
    }

    /// Writes the state file unless it holds what is owned. What a full disk refuses is
    /// written again in each pass. Weights do not wait for a disk that hangs: the pass
    /// goes on after a moment, and a later pass sees what came of the write.
    async fn remember(&mut self, snapshot: &Snapshot) {
        let written = self.writer.save(&self.owned, Duration::ZERO, SAVING).await;
        self.note_written(written, snapshot);
    }

    /// The same at the end of the process, when there is no next pass.
    pub(super) async fn remember_at_the_end(&mut self, snapshot: &Snapshot) {
        let written = self
            .writer
            .save(&self.owned, LAST_SAVING, LAST_SAVING)
            .await;
        if matches!(written, WriteResult::Pending) {
            warn!("the state file is not written: its file system does not answer");
        }
        self.note_written(written, snapshot);
    }

    fn note_written(&self, written: WriteResult, snapshot: &Snapshot) {
        let message = |error: &str| {
            format!(
                "what the agent owns is not remembered: {error}; if the agent crashes, what it has \
                 made since stays in the kernel"
            )
        };
        let (kind, path) = (ConditionType::OwnershipNotSaved, self.writer.path());
        let unit = snapshot.role.unit();
        snapshot
            .conditions
            .note_written(kind, path, written, message, unit, clock::wall());
    }
}
