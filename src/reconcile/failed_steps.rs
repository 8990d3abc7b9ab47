//! The failed steps of the last pass: what is known to fail is no drift in the next pass, and
//! what traffic does not depend on does not prevent readiness.

use std::collections::BTreeSet;

use super::apply::StepFailure;
use crate::model::SysctlKey;
use crate::plan::{Step, Subject};

/// The failed steps of the last pass.
#[derive(Debug, Default)]
pub(super) struct FailedSteps {
    subjects: BTreeSet<Subject>,
    /// The parameters that traffic does not depend on.
    unneeded: BTreeSet<SysctlKey>,
    /// The failed steps that traffic does not depend on.
    tolerated: Vec<StepFailure>,
}

impl FailedSteps {
    /// Takes over which parameters traffic does not depend on.
    pub(super) fn set_unneeded(&mut self, unneeded: BTreeSet<SysctlKey>) {
        self.unneeded = unneeded;
    }

    pub(super) fn unneeded(&self) -> &BTreeSet<SysctlKey> {
        &self.unneeded
    }

    /// A pass begins: nothing is tolerated yet.
    pub(super) fn begin_pass(&mut self) {
        self.tolerated.clear();
    }

    /// Makes these all failed steps.
    pub(super) fn replace(&mut self, failures: &[StepFailure]) {
        let subjects = failures.iter().map(|failure| failure.subject.clone());
        self.subjects = subjects.collect();
    }

    /// Adds a step that failed between two passes.
    pub(super) fn insert(&mut self, subject: Subject) {
        self.subjects.insert(subject);
    }

    pub(super) fn contains(&self, subject: &Subject) -> bool {
        self.subjects.contains(subject)
    }

    /// Whether the step, or the step of its service, failed before.
    pub(super) fn is_known(&self, step: &Step) -> bool {
        let subject = step.subject();
        self.contains(&subject) || self.is_of_failed_service(&subject)
    }

    /// Whether the subject is a real server of a service whose own step failed.
    pub(super) fn is_of_failed_service(&self, subject: &Subject) -> bool {
        let service = subject.service();
        service.is_some_and(|service| {
            let of = Subject::Service(*service);
            *subject != of && self.contains(&of)
        })
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

    pub(super) fn tolerated(&self) -> &[StepFailure] {
        &self.tolerated
    }
}
