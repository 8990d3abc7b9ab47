//! One pass over the kernel, for both roles: diff, apply, and observe again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::apply::{AppliedSteps, HeldBack, StepError, StepFailure, UnfinishedSteps};
use super::drift::{announce, count_drift, tell_drift};
use super::observe::{KernelObservation, READ_ALONE};
use super::reconciler::SAVING;
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
        pending_removal::kept(&self.owned.leaving, &self.unreplaced, desired, observed)
    }

    pub(super) fn steps(&self, desired: &State, observed: &State) -> Vec<Step> {
        let mut steps = diff(desired, observed);
        steps.extend(self.owned.restores(desired, observed));
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
        self.tolerated.clear();
        if self.writing == Writing::DryRun {
            self.propose(steps);
        } else if steps.is_empty() && unreadable.is_empty() {
            self.failed.clear();
        } else {
            if difference == ChangeCause::Drift {
                let unexpected = steps.iter().filter(|step| !self.is_known_failure(step));
                pass.drift = count_drift(unexpected, &self.metrics);
            }
            self.claim(desired, &pass.observed.state).await;
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
        let failed = pass.failures.iter();
        self.failed = failed.map(|failure| failure.subject.clone()).collect();
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
        self.observe_written(desired, observed, &pass.written).await
    }

    /// Shows the result of a pass with what was `observed` after it. Returns the number of steps.
    pub(super) async fn finish_pass(
        &mut self,
        pass: UnfinishedPass,
        desired: &State,
        observed: &KernelObservation,
    ) -> Result<usize, ReconcileError> {
        let desired = &*self.kept(desired, &observed.state);
        let failures = self.set_aside_tolerable(pass.failures);
        if failures.is_empty() {
            self.release(desired, &observed.state).await;
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

    /// Separates the failures that will repeat and that traffic does not depend on:
    /// these are reported, and do not prevent readiness. Returns the other failures.
    pub(super) fn set_aside_tolerable(&mut self, failures: Vec<StepFailure>) -> Vec<StepFailure> {
        let tolerable = |failure: &StepFailure| {
            let sysctl = failure.subject.sysctl();
            sysctl.is_some_and(|key| self.unneeded.contains(key)) && failure.error.is_lasting()
        };
        let (tolerated, failures) = failures.into_iter().partition(tolerable);
        self.tolerated = tolerated;
        failures
    }

    pub(super) fn propose(&mut self, steps: Vec<Step>) {
        self.proposed.replace(steps, &self.snapshot);
    }

    /// Adds a pending step of a dry run, or replaces its weight.
    pub(super) fn add_proposed(&mut self, step: Step) {
        self.proposed.add(step);
        self.snapshot.reconcile.lock().pending_steps = self.proposed.len();
    }

    pub(super) fn is_known_failure(&self, step: &Step) -> bool {
        let subject = step.subject();
        self.failed.contains(&subject) || self.is_of_failed_service(&subject)
    }

    /// Whether the subject is a real server of a service whose own step failed.
    pub(super) fn is_of_failed_service(&self, subject: &Subject) -> bool {
        let service = subject.service();
        service.is_some_and(|service| {
            let of = Subject::Service(*service);
            *subject != of && self.failed.contains(&of)
        })
    }

    pub(super) async fn held_back(&mut self, desired: &State) -> HeldBack {
        HeldBack {
            silent_about: self.silent_about(desired).await,
            unneeded: self.unneeded.clone(),
        }
    }

    /// The VIPs that should be on no interface of this real server; those of
    /// which this host is the director as well are the director's. `None` for
    /// a director.
    pub(super) async fn silent_about(&mut self, desired: &State) -> Option<BTreeSet<IpAddr>> {
        if self.snapshot.role == Role::Director {
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
}

fn is_unreadable(unreadable: &BTreeMap<SysctlKey, KernelError>, step: &Step) -> bool {
    let subject = step.subject();
    subject
        .sysctl()
        .is_some_and(|key| unreadable.contains_key(key))
}
