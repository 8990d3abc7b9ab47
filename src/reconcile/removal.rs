//! The removal of everything that the agent owns.

use std::collections::BTreeMap;

use super::apply::{self, AppliedSteps};
use super::drift::announce;
use super::observe::is_for_probes;
use super::ownership::{OwnedSysctl, StateFileStatus};
use super::{ReconcileError, Reconciler, StepFailure, Writing, not_remembered};
use crate::kernel::Ipvs;
use crate::plan::{State, Step};

/// How far the agent is out of the kernel.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    pub(crate) done: Vec<Step>,
    /// What stays by its nature, a sentence each.
    pub(crate) notes: Vec<String>,
    failures: Vec<StepFailure>,
}

impl Removal {
    /// Fails if any step did.
    pub(crate) fn into_result(self) -> Result<(), ReconcileError> {
        if self.failures.is_empty() {
            Ok(())
        } else {
            Err(ReconcileError::Steps(self.failures))
        }
    }
}

impl<T: Ipvs> Reconciler<T> {
    /// Takes all that is owned or configured out of the kernel again; of the
    /// services for probes, only those that are owned.
    pub(crate) async fn remove_all(
        &mut self,
        configured: &State,
    ) -> Result<Removal, ReconcileError> {
        let nothing = State::default();
        self.ownership.owned.leaving.clear();
        let services = configured.services.keys();
        let services = services.filter(|key| !is_for_probes(self.probe_marks, key));
        self.ownership.owned.services.extend(services);
        let addresses = configured.addresses.iter().cloned();
        self.ownership.owned.addresses.extend(addresses);
        if self.ownership.file_status == StateFileStatus::Damaged {
            for (key, ours) in &configured.sysctls {
                let (ours, original) = (ours.clone(), None);
                let sysctl = self.ownership.owned.sysctls.entry(key.clone());
                sysctl.or_insert(OwnedSysctl { ours, original });
            }
        }
        let observed = self.observe(&nothing).await?;
        let unknown = self.ownership.owned.without_original();
        let stay =
            unknown.filter(|(key, owned)| observed.state.sysctls.get(key) == Some(&owned.ours));
        let notes = stay.map(|(key, owned)| {
            format!(
                "sysctl {key} stays {}: its value from before the agent is not known, because the \
                 state file was damaged",
                owned.ours
            )
        });
        let foreign = observed.foreign.iter().map(not_remembered);
        let notes = notes.chain(foreign).collect();
        let steps = self.plan(&nothing, &observed.state);
        if self.writing == Writing::DryRun {
            self.propose(steps);
            return Ok(Removal::default());
        }
        let held_back = self.held_back(&nothing).await;
        let AppliedSteps { done, failures } =
            apply::apply(&mut self.kernel, &nothing, held_back, steps).await;
        announce(&done, &BTreeMap::new());
        // What failed is to be tried again, and in knowledge of every old VIP.
        if failures.is_empty() {
            let observed = self.observe(&nothing).await?;
            self.ownership.owned.release(&nothing, &observed.state);
        }
        self.ownership.remember_at_the_end(&self.snapshot).await;
        Ok(Removal {
            done,
            notes,
            failures,
        })
    }
}
