//! What every pass over the kernel needs: the kernel, what is owned, and where both are shown.

use std::sync::Arc;

use super::dry_run::ProposedSteps;
use super::failed_steps::FailedSteps;
use super::lock::StateLock;
use super::observe::{KernelObservation, ObservationScope, observe};
use super::state_file::{LoadedStateFile, StateFile};
use super::stored_ownership::StoredOwnership;
use super::{ReconcileError, Writing, conditions};
use crate::config::ProbeMark;
use crate::kernel::{Ipvs, Kernel, KernelError};
use crate::metrics::Metrics;
use crate::notify::Events;
use crate::plan::State;
use crate::plan::pending_removal::Unreplaced;
use crate::probe::vip_path::MarkRegistry;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::stored_file::StoredFileError;
use crate::status::Snapshot;

/// Brings the kernel to a desired state, and owns everything that a pass needs.
pub(crate) struct Reconciler<T> {
    pub(super) kernel: Kernel<T>,
    pub(super) ownership: StoredOwnership,
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
    pub(super) failed: FailedSteps,
    /// Whether the interfaces of the VIPs have been observed once: the later loss of
    /// an interface does not prevent other repairs.
    pub(super) interfaces_seen: bool,
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
            ownership: StoredOwnership::new(owned, memory, state_file, on_disk),
            writing,
            snapshot,
            metrics,
            events: Events::none(),
            mark_registry: Arc::default(),
            probe_marks: None,
            unreplaced: Unreplaced::new(),
            failed: FailedSteps::default(),
            interfaces_seen: false,
            proposed: ProposedSteps::default(),
        }
    }

    /// To be watched for changes by another program.
    pub(crate) fn state_file(&self) -> StateFile {
        self.ownership.file().clone()
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

    /// What is to be observed for `desired`, all that is owned included, and the kernel.
    pub(super) fn scope_and_kernel<'a>(
        &'a mut self,
        desired: &'a State,
    ) -> (ObservationScope<'a>, &'a mut Kernel<T>) {
        let scope = ObservationScope::new(desired, &self.ownership.owned, self.probe_marks);
        let scope = if self.interfaces_seen {
            scope.with_interfaces_gone()
        } else {
            scope
        };
        (scope, &mut self.kernel)
    }

    /// Reads everything that is desired or owned.
    pub(super) async fn observe(
        &mut self,
        desired: &State,
    ) -> Result<KernelObservation, KernelError> {
        let (scope, kernel) = self.scope_and_kernel(desired);
        observe(kernel, &scope).await
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
        let (snapshot, tolerated) = (&self.snapshot, self.failed.tolerated());
        conditions::update(snapshot, result, tolerated, self.writing, clock::wall());
    }
}
