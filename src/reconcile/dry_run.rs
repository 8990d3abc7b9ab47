//! The steps that a dry run would do.

use std::collections::BTreeMap;

use tracing::{debug, info};

use super::STEPS_AT_INFO;
use crate::model::with_noun;
use crate::plan::{Step, Subject};
use crate::status::Snapshot;

/// The steps that are pending, as no step of a dry run is carried out.
#[derive(Debug, Default)]
pub(super) struct ProposedSteps(BTreeMap<Subject, Step>);

impl ProposedSteps {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes `steps` all pending steps, and logs those that are new.
    pub(super) fn replace(&mut self, steps: Vec<Step>, snapshot: &Snapshot) {
        let is_new = |step: &&Step| self.0.get(&step.subject()) != Some(*step);
        let new: Vec<_> = steps.iter().filter(is_new).collect();
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
                with_noun(new.len(), "step"),
                snapshot.command_line("plan")
            );
        }
        if steps.is_empty() && !self.is_empty() {
            info!("no step is pending any more: the kernel is as configured");
        }
        let steps = steps.into_iter();
        self.0 = steps.map(|step| (step.subject(), step)).collect();
    }

    /// Adds a step, or replaces the weight of one.
    pub(super) fn add(&mut self, step: Step) {
        let subject = step.subject();
        let step = match (self.0.remove(&subject), step) {
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
        self.0.insert(subject, step);
    }
}
