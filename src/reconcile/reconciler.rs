//! One pass over the kernel, for both roles: observe, diff, apply, and observe again.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::apply::StepFailure;
use super::dry_run::ProposedSteps;
use super::lock::StateLock;
use super::observe::{
    KernelObservation, ObservationScope, UnfinishedObservation, observe, observe_written,
};
use super::ownership::{Owned, StateFileStatus};
use super::state_file::{LoadedStateFile, StateFile};
use super::{ReconcileError, Writing, conditions};
use crate::config::ProbeMark;
use crate::kernel::{Ipvs, Kernel, KernelError};
use crate::metrics::Metrics;
use crate::model::{ConditionType, ServiceKey, SysctlKey};
use crate::notify::Events;
use crate::plan::pending_removal::Unreplaced;
use crate::plan::{State, Subject};
use crate::probe::vip_path::MarkRegistry;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::stored_file::{BackgroundWriter, StoredFileError, WriteResult};
use crate::status::Snapshot;

/// How long writes to the kernel wait for a disk, which may hang.
pub(super) const SAVING: Duration = Duration::from_millis(500);

/// The same at the end of the process.
const LAST_SAVING: Duration = Duration::from_secs(2);

/// Brings the kernel to a desired state, and owns everything that a pass needs.
pub(crate) struct Reconciler<T> {
    pub(super) kernel: Kernel<T>,
    pub(super) owned: Owned,
    pub(super) memory: StateFileStatus,
    pub(super) state_file: StateFile,
    pub(super) writer: BackgroundWriter<Owned>,
    /// The VIPs of a director on this host, as last read.
    pub(super) directed_vips: BTreeSet<IpAddr>,
    pub(super) writing: Writing,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) events: Arc<Events>,
    /// The marks of probes that the kernel has, for the probes.
    pub(super) mark_registry: Arc<MarkRegistry>,
    /// The marks for probes, if a check leads through a VIP.
    pub(super) probe_marks: Option<ProbeMark>,
    /// Of which services what is leaving goes on serving.
    pub(super) unreplaced: Unreplaced,
    /// The failed steps of the last pass, which are no drift in the next one.
    pub(super) failed: BTreeSet<Subject>,
    /// Whether the interfaces of the VIPs have been observed once: the later loss of
    /// an interface does not prevent other repairs.
    pub(super) interfaces_seen: bool,
    /// The parameters that traffic does not depend on.
    pub(super) unneeded: BTreeSet<SysctlKey>,
    /// The failed steps of the last pass that traffic does not depend on.
    pub(super) tolerated: Vec<StepFailure>,
    /// In a dry run, the steps that are pending.
    pub(super) proposed: ProposedSteps,
}

impl<T: Ipvs> Reconciler<T> {
    /// Reads the state file; sets it aside if it is damaged, unless this is a dry run.
    pub(crate) fn new(
        kernel: Kernel<T>,
        state_file: StateFile,
        writing: Writing,
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoredFileError> {
        let remembered = state_file.load(writing.if_damaged())?;
        Ok(Self::remembering(
            remembered, kernel, state_file, writing, snapshot, metrics,
        ))
    }

    /// The same with a deadline for the disk, for the running agent.
    pub(crate) async fn load(
        kernel: Kernel<T>,
        state_file: StateFile,
        writing: Writing,
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoredFileError> {
        let remembered = state_file.load_patiently(writing.if_damaged()).await?;
        Ok(Self::remembering(
            remembered, kernel, state_file, writing, snapshot, metrics,
        ))
    }

    fn remembering(
        LoadedStateFile {
            owned,
            memory,
            damage,
            on_disk,
        }: LoadedStateFile,
        kernel: Kernel<T>,
        state_file: StateFile,
        writing: Writing,
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let conditions = &snapshot.conditions;
        conditions.note_damage(state_file.path(), damage.as_ref(), clock::wall());
        if writing == Writing::DryRun {
            // Who writes has locked the directory before, and noted what was found.
            let damage = StateLock::damage(state_file.directory(), snapshot.role);
            let path = StateLock::path(state_file.directory(), snapshot.role);
            conditions.note_damage(&path, damage.as_ref(), clock::wall());
        }
        Self {
            kernel,
            owned,
            memory,
            writer: state_file.writer(on_disk),
            state_file,
            writing,
            snapshot,
            metrics,
            events: Events::none(),
            mark_registry: Arc::default(),
            probe_marks: None,
            unreplaced: Unreplaced::new(),
            failed: BTreeSet::new(),
            interfaces_seen: false,
            unneeded: BTreeSet::new(),
            tolerated: Vec::new(),
            proposed: ProposedSteps::default(),
            directed_vips: BTreeSet::new(),
        }
    }

    /// To be watched for changes by another program.
    pub(crate) fn state_file(&self) -> StateFile {
        self.state_file.clone()
    }

    /// A sentence for each state file that is damaged.
    pub(crate) fn notes_of_damage(&self) -> Vec<String> {
        self.snapshot.notes_of_damage()
    }

    /// Sends events of drift to these targets.
    pub(crate) fn with_events(mut self, events: Arc<Events>) -> Self {
        self.events = events;
        self
    }

    /// Reports the marks of probes to this registry.
    pub(crate) fn with_mark_registry(mut self, mark_registry: Arc<MarkRegistry>) -> Self {
        self.mark_registry = mark_registry;
        self
    }

    /// Reads everything that is desired or owned.
    pub(super) async fn observe(
        &mut self,
        desired: &State,
    ) -> Result<KernelObservation, KernelError> {
        let scope = scope(desired, &self.owned, self.probe_marks, self.interfaces_seen);
        observe(&mut self.kernel, &scope).await
    }

    /// The same as three steps of the caller: it begins, reads one virtual service after the
    /// other, and finishes.
    pub(super) async fn begin_observation(
        &mut self,
        desired: &State,
    ) -> Result<UnfinishedObservation, KernelError> {
        let scope = scope(desired, &self.owned, self.probe_marks, self.interfaces_seen);
        UnfinishedObservation::begin(&mut self.kernel.ipvs, &scope).await
    }

    pub(super) async fn go_on_with_observation(
        &mut self,
        unfinished: &mut UnfinishedObservation,
        desired: &State,
    ) -> Result<bool, KernelError> {
        let ipvs = &mut self.kernel.ipvs;
        unfinished.read_next(ipvs, desired, &self.owned).await
    }

    pub(super) async fn finish_observation(
        &mut self,
        unfinished: UnfinishedObservation,
        desired: &State,
    ) -> Result<KernelObservation, KernelError> {
        let scope = scope(desired, &self.owned, self.probe_marks, self.interfaces_seen);
        unfinished.finish(&mut self.kernel, &scope).await
    }

    /// The observation after steps that concern the services `written` and were tried since
    /// `before` was observed: the other services are not read again.
    pub(super) async fn observe_written(
        &mut self,
        desired: &State,
        before: KernelObservation,
        written: &BTreeSet<ServiceKey>,
    ) -> Result<KernelObservation, KernelError> {
        let scope = scope(desired, &self.owned, self.probe_marks, self.interfaces_seen);
        observe_written(&mut self.kernel, &scope, before, written).await
    }

    /// Remembers what is ours before it is written. Traffic comes first: a
    /// disk that cannot be written is no reason to leave the kernel unrepaired.
    pub(super) async fn claim(&mut self, desired: &State, observed: &State) {
        self.take_into_ownership(desired, observed);
        self.remember().await;
    }

    pub(super) async fn release(&mut self, desired: &State, observed: &State) {
        if self.writing == Writing::Real {
            self.take_into_ownership(desired, observed);
            self.owned.release(desired, observed);
            self.remember().await;
        }
    }

    pub(super) fn take_into_ownership(&mut self, desired: &State, observed: &State) {
        let known = self.owned.without_original().count();
        self.owned.claim(desired, observed, self.memory);
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
    pub(super) async fn remember(&mut self) {
        let written = self.writer.save(&self.owned, Duration::ZERO, SAVING).await;
        self.note_written(written);
    }

    /// The same at the end of the process, when there is no next pass.
    pub(super) async fn remember_at_the_end(&mut self) {
        let written = self
            .writer
            .save(&self.owned, LAST_SAVING, LAST_SAVING)
            .await;
        if matches!(written, WriteResult::Pending) {
            warn!("the state file is not written: its file system does not answer");
        }
        self.note_written(written);
    }

    fn note_written(&self, written: WriteResult) {
        let message = |error: &str| {
            format!(
                "what the agent owns is not remembered: {error}; if the agent crashes, what it has \
                 made since stays in the kernel"
            )
        };
        let (kind, path) = (ConditionType::OwnershipNotSaved, self.writer.path());
        let (snapshot, unit) = (&self.snapshot, self.snapshot.role.unit());
        snapshot
            .conditions
            .note_written(kind, path, written, message, unit, clock::wall());
    }

    /// Keeps the outcome of a pass where it is shown, and raises its conditions.
    pub(super) fn note<Done>(&mut self, result: &Result<Done, ReconcileError>) {
        let text = result.as_ref().err().map(|error| error_chain(error));
        {
            let mut record = self.snapshot.reconcile.lock();
            record.pending_steps = self.proposed.len();
            if text.is_none() && record.pending_steps == 0 {
                record.last_success = Some(clock::wall());
            }
            record.error = text;
        }
        let (snapshot, tolerated) = (&self.snapshot, &self.tolerated);
        conditions::update(snapshot, result, tolerated, self.writing, clock::wall());
    }
}

fn scope<'a>(
    desired: &'a State,
    owned: &'a Owned,
    probe_marks: Option<ProbeMark>,
    interfaces_seen: bool,
) -> ObservationScope<'a> {
    let scope = ObservationScope::new(desired, owned, probe_marks);
    if interfaces_seen {
        scope.with_interfaces_gone()
    } else {
        scope
    }
}
