//! One pass over the kernel, for both roles: diff, apply, and observe again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::apply::{AppliedSteps, HeldBack, StepError, StepFailure, UnfinishedSteps};
use super::drift::{announce, count_drift, tell_drift};
use super::observe::{KernelObservation, READ_ALONE, observe_written};
use super::{ChangeCause, ReconcileError, Reconciler, Writing, publish};
use crate::kernel::{Ipvs, KernelError};
use crate::metrics::DriftKind;
use crate::model::{MemberKey, Role, ServiceKey, SysctlKey};
use crate::plan::pending_removal;
use crate::plan::{State, Step, Subject, diff, in_safe_order};
use crate::runtime::clock;

/// A pass that is made one batch of steps after the other: the table may be written between two
/// of them.
#[derive(Debug)]
pub(super) struct UnfinishedPass {
    started: Instant,
    /// The number of steps.
    number: usize,
    /// What other programs made necessary.
    drift: BTreeMap<Subject, DriftKind>,
    /// The virtual services that the steps concern.
    written: BTreeSet<ServiceKey>,
    /// `None` where nothing is to be written.
    left: Option<UnfinishedSteps>,
    /// What was not done, once no steps are left.
    failures: Vec<StepFailure>,
    /// What was observed before the steps.
    observed: KernelObservation,
}

impl UnfinishedPass {
    /// The real servers that the pass has yet to add.
    pub(super) fn left_to_add(&self) -> BTreeSet<MemberKey> {
        let left = self.left.as_ref();
        left.map(UnfinishedSteps::left_to_add).unwrap_or_default()
    }

    /// Takes account of a step that takes effect as one of this pass.
    pub(super) fn take_over(&mut self, step: &Step) {
        if let Some(left) = &mut self.left {
            left.note(step);
        }
    }

    /// Takes account of a step that the kernel has carried out meanwhile.
    pub(super) fn note(&mut self, step: &Step) {
        self.take_over(step);
        self.observed.state.apply(step);
    }

    /// Whether so much is written that the whole is read again; then, what was observed before
    /// is dropped.
    pub(super) fn needs_whole_observation(&mut self) -> bool {
        let whole = self.written.len() >= READ_ALONE;
        if whole {
            self.observed = KernelObservation::default();
        }
        whole
    }
}

impl<T: Ipvs> Reconciler<T> {
    /// The steps from the observed state to the desired state and the real servers
    /// that are being removed.
    pub(crate) fn plan(&self, desired: &State, observed: &State) -> Vec<Step> {
        self.steps(&self.kept(desired, observed), observed)
    }

    /// What is desired, and beside it what is leaving.
    pub(super) fn kept<'a>(&self, desired: &'a State, observed: &State) -> Cow<'a, State> {
        let leaving = &self.ownership.owned.leaving;
        pending_removal::kept(leaving, &self.unreplaced, desired, observed)
    }

    pub(super) fn steps(&self, desired: &State, observed: &State) -> Vec<Step> {
        let mut steps = diff(desired, observed);
        steps.extend(self.ownership.owned.restores(desired, observed));
        in_safe_order(steps)
    }

    /// One full pass from `observed`: diff, apply, and observe again to see the
    /// result. Real servers that are being removed stay beside the desired state.
    /// Returns the number of steps.
    pub(super) async fn converge(
        &mut self,
        desired: &State,
        observed: KernelObservation,
        difference: ChangeCause,
    ) -> Result<usize, ReconcileError> {
        let mut pass = self.begin_pass(desired, observed, difference).await;
        while self.go_on_with_pass(&mut pass).await {}
        let observed = self.observe_after(&mut pass, desired).await?;
        self.finish_pass(pass, desired, &observed).await
    }

    /// The same in parts of the caller: it begins, carries out one batch of steps after the
    /// other, observes again, and finishes.
    pub(super) async fn begin_pass(
        &mut self,
        desired: &State,
        observed: KernelObservation,
        difference: ChangeCause,
    ) -> UnfinishedPass {
        let started = clock::monotonic();
        let desired = &*self.kept(desired, &observed.state);
        let mut steps = self.steps(desired, &observed.state);
        let mut pass = UnfinishedPass {
            started,
            number: steps.len(),
            drift: BTreeMap::new(),
            written: BTreeSet::new(),
            left: None,
            failures: Vec::new(),
            observed,
        };
        let unreadable = &pass.observed.unreadable;
        steps.retain(|step| !is_unreadable(unreadable, step));
        self.failed.begin_pass();
        if self.writing == Writing::DryRun {
            self.propose(steps);
        } else if steps.is_empty() && unreadable.is_empty() {
            self.failed.replace(&[]);
        } else {
            if difference == ChangeCause::Drift {
                let unexpected = steps.iter().filter(|step| !self.failed.is_known(step));
                pass.drift = count_drift(unexpected, &self.metrics);
            }
            let before = &pass.observed.state;
            self.ownership.claim(desired, before, &self.snapshot).await;
            let held_back = self.held_back(desired).await;
            self.mark_registry.invalidate(&steps);
            let subjects = steps.iter().map(Step::subject);
            let written = subjects.filter_map(|subject| subject.service().copied());
            pass.written = written.collect();
            pass.left = Some(UnfinishedSteps::new(desired, held_back, steps));
        }
        pass
    }

    /// Carries out the next steps. Returns whether there are more.
    pub(super) async fn go_on_with_pass(&mut self, pass: &mut UnfinishedPass) -> bool {
        let Some(left) = &mut pass.left else {
            return false;
        };
        if left.write_next(&mut self.kernel).await {
            return true;
        }
        let AppliedSteps { done, failures } = left.take_results();
        announce(&done, &pass.drift);
        tell_drift(&done, &pass.drift, &self.events);
        let unreadable = pass.observed.unreadable.iter();
        let unreadable = unreadable.map(|(key, error)| StepFailure {
            subject: Subject::Sysctl(key.clone()),
            error: StepError::Kernel(error.clone()),
        });
        pass.failures = failures.into_iter().chain(unreadable).collect();
        self.failed.replace(&pass.failures);
        false
    }

    /// What the kernel holds after all steps: what they concerned is read again.
    pub(super) async fn observe_after(
        &mut self,
        pass: &mut UnfinishedPass,
        desired: &State,
    ) -> Result<KernelObservation, KernelError> {
        let observed = std::mem::take(&mut pass.observed);
        if pass.left.is_none() {
            return Ok(observed);
        }
        let desired = &*self.kept(desired, &observed.state);
        let (scope, kernel) = self.scope_and_kernel(desired);
        // The services that no step concerns are not read again.
        observe_written(kernel, &scope, observed, &pass.written).await
    }

    /// Shows the result of a pass with what was `observed` after it. Returns the number of steps.
    pub(super) async fn finish_pass(
        &mut self,
        pass: UnfinishedPass,
        desired: &State,
        observed: &KernelObservation,
    ) -> Result<usize, ReconcileError> {
        let desired = &*self.kept(desired, &observed.state);
        let failures = self.failed.set_aside_tolerable(pass.failures);
        if failures.is_empty() && self.writing == Writing::Real {
            let after = &observed.state;
            self.ownership.release(desired, after, &self.snapshot).await;
        }
        self.mark_registry.confirm(&observed.state);
        publish::publish(&self.snapshot, desired, observed);
        if !failures.is_empty() {
            return Err(ReconcileError::Steps(failures));
        }
        if self.proposed.is_empty() {
            let took = clock::monotonic() - pass.started;
            self.metrics.reconciled(took);
        }
        Ok(pass.number)
    }

    pub(super) fn propose(&mut self, steps: Vec<Step>) {
        self.proposed.replace(steps, &self.snapshot);
    }

    /// Adds a pending step of a dry run, or replaces its weight.
    pub(super) fn add_proposed(&mut self, step: Step) {
        self.proposed.add(step);
        self.snapshot.reconcile.lock().pending_steps = self.proposed.len();
    }

    pub(super) async fn held_back(&mut self, desired: &State) -> HeldBack {
        HeldBack {
            silent_about: self.silent_about(desired).await,
            unneeded: self.failed.unneeded().clone(),
        }
    }

    /// The VIPs that should be on no interface of this real server. `None` for a director.
    async fn silent_about(&mut self, desired: &State) -> Option<BTreeSet<IpAddr>> {
        if self.snapshot.role == Role::Director {
            return None;
        }
        Some(self.ownership.old_vips(desired).await)
    }
}

fn is_unreadable(unreadable: &BTreeMap<SysctlKey, KernelError>, step: &Step) -> bool {
    let subject = step.subject();
    subject
        .sysctl()
        .is_some_and(|key| unreadable.contains_key(key))
}
