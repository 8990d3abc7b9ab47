//! The only writer of the kernel: observe, diff, apply, and observe again.
//!
//! Both roles share [`Reconciler::converge`]. [`DirectorLoop`] adds the fast path,
//! which writes a new weight without a dump; [`RealServerLoop`] adds the search
//! for this host's VIPs.

mod adopt;
mod apply;
#[cfg(test)]
pub(crate) mod captured_log;
mod conditions;
mod director;
mod drift;
mod error;
mod foreign_marks;
mod host_watch;
mod instrumented;
mod lock;
mod observe;
mod ownership;
mod publish;
mod real_server;
mod removal;
mod retry;
#[cfg(not(fuzzing))]
mod state_file;
#[cfg(fuzzing)]
pub(crate) mod state_file;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tracing::{debug, info, warn};

pub(crate) use self::adopt::adopt;
pub(crate) use self::apply::Failure;
use self::apply::{HeldBack, Outcome, StepError};
pub(crate) use self::director::{Change, DirectorLoop, Request};
use self::drift::announce;
pub(crate) use self::error::ReconcileError;
pub(crate) use self::foreign_marks::{more_marks, not_remembered};
pub(crate) use self::instrumented::InstrumentedIpvs;
pub(crate) use self::lock::{LockError, RoleLock, StateLock};
use self::observe::{Observation, Scope, observe};
use self::ownership::{Owned, StateFileStatus};
pub(crate) use self::real_server::{HostChange, NOTHING_LISTED, RealServerLoop, find_desired};
pub(crate) use self::state_file::StateFile;
use self::state_file::{Remembered, Saved};
use crate::config::ProbeMark;
use crate::kernel::{Cause, Ipvs, Kernel, KernelError};
use crate::metrics::Metrics;
use crate::model::{Condition, ConditionType, Severity, SysctlKey};
use crate::notify::Events;
use crate::plan::pending_removal::{self, Unreplaced};
use crate::plan::{State, Step, Subject, diff, in_safe_order};
use crate::probe::vip_path::MarkRegistry;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::stored_file::{IfDamaged, OnDisk, StoredFileError, unsaved};
use crate::status::{Mode, Snapshot};

/// Above this many steps, each step is logged at DEBUG and their number at INFO.
const STEPS_AT_INFO: usize = 64;

/// Above this many warnings of one kind at a time, one line replaces them.
const LINES_AT_ONCE: usize = 16;

/// How long writes to the kernel wait for a disk, which may hang.
const SAVING: Duration = Duration::from_millis(500);

/// The same at the end of the process.
const LAST_SAVING: Duration = Duration::from_secs(2);

/// Whether steps are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// The kernel is written.
    Real,
    /// The steps are only logged.
    DryRun,
}

impl Writing {
    /// The suffix of the agent's description.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::Real => "",
            Self::DryRun => "; dry run: nothing is written",
        }
    }

    /// What happens to a damaged file.
    pub(crate) const fn if_damaged(self) -> IfDamaged {
        match self {
            Self::Real => IfDamaged::SetAside,
            Self::DryRun => IfDamaged::Leave,
        }
    }
}

/// The cause of the differences that a pass finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeCause {
    /// The desired state is new: a start, a reload, a changed VIP.
    Wanted,
    /// The kernel was as desired before: another program changed the kernel.
    Drift,
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Brings the kernel to a desired state, and owns everything that a pass needs.
pub(crate) struct Reconciler<T> {
    kernel: Kernel<T>,
    owned: Owned,
    memory: StateFileStatus,
    state_file: StateFile,
    on_disk: OnDisk<Owned>,
    /// The write of the state file in progress.
    saving: Option<JoinHandle<Result<Saved, StoredFileError>>>,
    /// The VIPs of a director on this host, as last read.
    directed_vips: BTreeSet<IpAddr>,
    writing: Writing,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    events: Arc<Events>,
    /// The marks of probes that the kernel has, for the probes.
    mark_registry: Arc<MarkRegistry>,
    /// The marks for probes, if a check leads through a VIP.
    probe_marks: Option<ProbeMark>,
    /// Of which services what is leaving goes on serving.
    unreplaced: Unreplaced,
    /// The failed steps of the last pass, which are no drift in the next one.
    failed: BTreeSet<Subject>,
    /// Whether the interfaces of the VIPs have been observed once: the later loss of
    /// an interface does not prevent other repairs.
    interfaces_seen: bool,
    /// The parameters that traffic does not depend on.
    unneeded: BTreeSet<SysctlKey>,
    /// The failed steps of the last pass that traffic does not depend on.
    tolerated: Vec<Failure>,
    /// In a dry run, the steps that are pending.
    proposed: BTreeMap<Subject, Step>,
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
        Remembered {
            owned,
            memory,
            damage,
            on_disk,
        }: Remembered,
        kernel: Kernel<T>,
        state_file: StateFile,
        writing: Writing,
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let conditions = &snapshot.conditions;
        conditions.note_damage(state_file.path(), damage.as_ref(), clock::wall());
        Self {
            kernel,
            on_disk,
            owned,
            memory,
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
            proposed: BTreeMap::new(),
            saving: None,
            directed_vips: BTreeSet::new(),
        }
    }

    /// To be watched for changes by another hand.
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
    async fn observe(&mut self, desired: &State) -> Result<Observation, KernelError> {
        let scope = Scope::new(desired, &self.owned, self.probe_marks);
        let scope = if self.interfaces_seen {
            scope.with_interfaces_gone()
        } else {
            scope
        };
        observe(&mut self.kernel, &scope).await
    }

    /// The steps from the observed state to the desired state and the real servers
    /// that are being removed.
    pub(crate) fn plan(&self, desired: &State, observed: &State) -> Vec<Step> {
        self.steps(&self.kept(desired, observed), observed)
    }

    /// What is desired, and beside it what is leaving.
    fn kept<'a>(&self, desired: &'a State, observed: &State) -> Cow<'a, State> {
        pending_removal::kept(&self.owned.leaving, &self.unreplaced, desired, observed)
    }

    fn steps(&self, desired: &State, observed: &State) -> Vec<Step> {
        let mut steps = diff(desired, observed);
        steps.extend(self.owned.restores(desired, observed));
        in_safe_order(steps)
    }

    /// One full pass from `observed`: diff, apply, and observe again to see the
    /// result. Real servers that are being removed stay beside the desired state.
    /// Returns the number of steps.
    async fn converge(
        &mut self,
        desired: &State,
        observed: Observation,
        difference: ChangeCause,
    ) -> Result<usize, ReconcileError> {
        let started = clock::monotonic();
        let desired = &*self.kept(desired, &observed.state);
        let unreadable = observed.unreadable.clone();
        let mut steps = self.steps(desired, &observed.state);
        let number = steps.len();
        steps.retain(|step| !is_unreadable(&unreadable, step));
        self.tolerated.clear();
        let observed = if self.writing == Writing::DryRun {
            self.propose(steps);
            observed
        } else if steps.is_empty() && unreadable.is_empty() {
            self.failed.clear();
            observed
        } else {
            let drift = self.count_drift(&steps, difference);
            self.claim(desired, &observed.state).await;
            let held_back = self.held_back(desired).await;
            self.mark_registry.invalidate(&steps);
            let Outcome { done, mut failures } =
                apply::apply(&mut self.kernel, desired, &held_back, &steps).await;
            failures.extend(unreadable.into_iter().map(|(key, error)| Failure {
                subject: Subject::Sysctl(key),
                error: StepError::Kernel(error),
            }));
            announce(&done, &drift);
            self.tell_drift(&done, &drift);
            self.failed = failures
                .iter()
                .map(|failure| failure.subject.clone())
                .collect();
            let observed = self.observe(desired).await?;
            let failures = self.set_aside_tolerable(failures);
            if !failures.is_empty() {
                self.mark_registry.confirm(&observed.state);
                publish::publish(&self.snapshot, desired, &observed);
                return Err(ReconcileError::Steps(failures));
            }
            observed
        };
        self.release(desired, &observed.state).await;
        self.mark_registry.confirm(&observed.state);
        publish::publish(&self.snapshot, desired, &observed);
        if self.proposed.is_empty() {
            self.metrics.reconciled(clock::monotonic() - started);
        }
        Ok(number)
    }

    /// Separates the failures that will repeat and that traffic does not depend on:
    /// these are reported, and do not prevent readiness. Returns the other failures.
    fn set_aside_tolerable(&mut self, failures: Vec<Failure>) -> Vec<Failure> {
        let tolerable = |failure: &Failure| {
            let sysctl = failure.subject.sysctl();
            sysctl.is_some_and(|key| self.unneeded.contains(key)) && failure.error.is_lasting()
        };
        let (tolerated, failures) = failures.into_iter().partition(tolerable);
        self.tolerated = tolerated;
        failures
    }

    /// Logs the steps of a dry run, each step once.
    fn propose(&mut self, steps: Vec<Step>) {
        let proposed = |step: &&Step| self.proposed.get(&step.subject()) != Some(*step);
        let new: Vec<_> = steps.iter().filter(proposed).collect();
        for step in &new {
            if new.len() <= STEPS_AT_INFO {
                info!("would do: {step}");
            } else {
                debug!("would do: {step}");
            }
        }
        if new.len() > STEPS_AT_INFO {
            info!(
                "would do {}: `{}` lists the steps",
                count(new.len(), "step"),
                self.snapshot.command_line("plan")
            );
        }
        if steps.is_empty() && !self.proposed.is_empty() {
            info!("no step is pending any more: the kernel is as configured");
        }
        let steps = steps.into_iter();
        self.proposed = steps.map(|step| (step.subject(), step)).collect();
    }

    /// Adds a pending step of a dry run, or replaces its weight.
    fn add_proposed(&mut self, step: Step) {
        let subject = step.subject();
        let step = match (self.proposed.remove(&subject), step) {
            (
                Some(Step::AddDestination { service, key, .. }),
                Step::SetDestination {
                    to: destination, ..
                },
            ) => Step::AddDestination {
                service,
                key,
                destination,
            },
            (_, step) => step,
        };
        self.proposed.insert(subject, step);
        self.snapshot.reconcile.lock().pending_steps = self.proposed.len();
    }

    fn is_known_failure(&self, step: &Step) -> bool {
        let subject = step.subject();
        self.failed.contains(&subject) || self.is_of_failed_service(&subject)
    }

    /// Whether the subject is a real server of a service whose own step failed.
    fn is_of_failed_service(&self, subject: &Subject) -> bool {
        let service = subject.service();
        service.is_some_and(|service| {
            let of = Subject::Service(*service);
            *subject != of && self.failed.contains(&of)
        })
    }

    async fn held_back(&mut self, desired: &State) -> HeldBack {
        HeldBack {
            silent_about: self.silent_about(desired).await,
            unneeded: self.unneeded.clone(),
        }
    }

    /// The VIPs that should be on no interface of this real server; those of
    /// which this host is the director as well are the director's. `None` for
    /// a director.
    async fn silent_about(&mut self, desired: &State) -> Option<BTreeSet<IpAddr>> {
        if self.snapshot.mode == Mode::Director {
            return None;
        }
        let desired: BTreeSet<_> = desired.addresses.iter().map(|a| a.address).collect();
        let found = self.state_file.directed_vips_patiently(SAVING).await;
        if let Some(found) = found {
            self.directed_vips = found;
        }
        let directed = &self.directed_vips;
        let owned = self.owned.addresses.iter().map(|a| a.address);
        let old = owned.filter(|vip| !desired.contains(vip) && !directed.contains(vip));
        Some(old.collect())
    }

    /// Remembers what is ours before it is written. Traffic comes first: a
    /// disk that cannot be written is no reason to leave the kernel unrepaired.
    async fn claim(&mut self, desired: &State, observed: &State) {
        self.take_into_ownership(desired, observed);
        self.remember().await;
    }

    async fn release(&mut self, desired: &State, observed: &State) {
        if self.writing == Writing::Real {
            self.take_into_ownership(desired, observed);
            self.owned.release(desired, observed);
            self.remember().await;
        }
    }

    fn take_into_ownership(&mut self, desired: &State, observed: &State) {
        let known = self.owned.without_original().count();
        self.owned.claim(desired, observed, self.memory);
        let lost: Vec<_> = self.owned.without_original().collect();
        if lost.len() > known {
            let lost: Vec<_> = lost.iter().map(|(key, _)| key.to_string()).collect();
            warn!(
                "the values from before the agent are lost with the damaged state file, and \
                 `cleanup` cannot restore them: {}",
                lost.join(", ")
            );
        }
    }

    /// Writes the state file unless it holds what is owned. What a full disk
    /// refuses is tried again in every pass. Weights do not wait for a disk
    /// that takes its time or hangs: it is waited for once and for a moment,
    /// then it goes on by itself, and the next pass sees what came of it.
    async fn remember(&mut self) {
        if let Some(saving) = &mut self.saving {
            if !saving.is_finished() {
                return;
            }
            let saved = saving.await;
            self.saving = None;
            self.note_saved(saved);
        }
        if self.on_disk.holds(&self.owned) && !self.state_file.is_changed() {
            return;
        }
        let (file, owned) = (self.state_file.clone(), self.owned.clone());
        let before = self.on_disk.clone();
        let mut saving = tokio::spawn(async move { file.save_patiently(owned, before).await });
        match timeout(SAVING, &mut saving).await {
            Ok(saved) => self.note_saved(saved),
            Err(_) => self.saving = Some(saving),
        }
    }

    /// The same at the end, when there is no next pass.
    async fn remember_at_the_end(&mut self) {
        if let Some(saving) = self.saving.take() {
            match timeout(LAST_SAVING, saving).await {
                Ok(saved) => self.note_saved(saved),
                Err(_) => self.on_disk = self.on_disk.after_failure(),
            }
        }
        self.remember().await;
        if let Some(saving) = self.saving.take() {
            if let Ok(saved) = timeout(LAST_SAVING, saving).await {
                self.note_saved(saved);
            } else {
                warn!("the state file is not written: its file system does not answer");
            }
        }
    }

    fn note_saved(&mut self, saved: Result<Result<Saved, StoredFileError>, JoinError>) {
        let trouble = match saved {
            Ok(Ok((on_disk, damage))) => {
                self.on_disk = on_disk;
                let conditions = &self.snapshot.conditions;
                conditions.note_damage(self.state_file.path(), damage.as_ref(), clock::wall());
                None
            }
            Ok(Err(error)) => Some(error),
            Err(error) => Some(StoredFileError::Write(
                self.state_file.path().to_owned(),
                io::Error::other(error),
            )),
        };
        let kind = ConditionType::OwnershipNotSaved;
        let subject = self.state_file.path().display().to_string();
        let Some(error) = trouble else {
            return self.snapshot.conditions.clear(kind, &subject);
        };
        self.on_disk = self.on_disk.after_failure();
        self.snapshot.conditions.raise(Condition {
            kind,
            severity: Severity::Problem,
            message: format!(
                "what the agent owns is not remembered: {}; if the agent crashes, what it has \
                 made since stays in the kernel",
                error_chain(&error)
            ),
            fix: unsaved::fix(&error, self.snapshot.mode.unit()),
            subject,
            since: clock::wall(),
        });
    }

    /// Keeps the outcome of a pass where it is shown, and raises its conditions.
    fn note<Done>(&mut self, result: &Result<Done, ReconcileError>) {
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

fn is_unreadable(unreadable: &BTreeMap<SysctlKey, KernelError>, step: &Step) -> bool {
    let subject = step.subject();
    subject
        .sysctl()
        .is_some_and(|key| unreadable.contains_key(key))
}

/// Whether the kernel's answer means that it is not what it was last seen to be.
fn calls_for_another_look(error: &StepError) -> bool {
    matches!(
        error,
        StepError::Kernel(KernelError {
            cause: Cause::Exists | Cause::Missing,
            ..
        })
    )
}

fn is_missing(error: &StepError) -> bool {
    matches!(
        error,
        StepError::Kernel(KernelError {
            cause: Cause::Missing,
            ..
        })
    )
}
