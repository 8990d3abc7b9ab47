//! The state that belongs to the agent.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{LocalAddress, ServiceKey, SysctlKey, Timeout};
use crate::plan::pending_removal::PendingRemovals;
use crate::plan::{State, Step};

/// The objects that this agent has written to the kernel and may therefore remove,
/// even when they are no longer configured. Pure; `state_file` stores them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Owned {
    pub(crate) services: BTreeSet<ServiceKey>,
    pub(crate) addresses: BTreeSet<LocalAddress>,
    pub(crate) sysctls: BTreeMap<SysctlKey, OwnedSysctl>,
    pub(crate) timeouts: BTreeMap<Timeout, OwnedTimeout>,
    /// What is no longer configured, and stays until its connections have ended.
    pub(crate) leaving: PendingRemovals,
}

/// A kernel parameter that the agent sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedSysctl {
    /// The value of the agent.
    pub(crate) ours: String,
    /// The value from before the agent; `None` if a damaged state file hides it.
    pub(crate) original: Option<String>,
}

impl OwnedSysctl {
    /// The value to restore where the parameter is now `have`.
    fn gives_back(&self, have: Option<&String>) -> Option<&String> {
        let original = self.original.as_ref();
        original.filter(|original| **original != self.ours && have == Some(&self.ours))
    }
}

/// Whether a value of a parameter that the state file does not have can come from
/// an earlier run of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateFileStatus {
    /// The state file is whole: the value comes from another program.
    Whole,
    /// The state file was damaged: the value may come from the agent.
    Damaged,
}

/// A time-out of the table that the agent sets, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnedTimeout {
    /// The value of the agent.
    pub(crate) ours: u32,
    /// The value from before the agent.
    pub(crate) original: u32,
}

impl Owned {
    /// Takes all of `desired` into ownership before it is written, except parameters
    /// that another program has set to a stricter value. The first value of a
    /// parameter is kept permanently. If the state file was damaged, the agent's
    /// own value says nothing about the value before.
    pub(crate) fn claim(&mut self, desired: &State, observed: &State, memory: StateFileStatus) {
        self.services.extend(desired.services.keys());
        self.addresses.extend(desired.addresses.iter().cloned());
        for (key, ours) in &desired.sysctls {
            if let Some(owned) = self.sysctls.get_mut(key) {
                // A stricter value of an earlier configuration stays, and is ours.
                let have = observed.sysctls.get(key);
                let stays = have.is_some_and(|h| *h == owned.ours && key.is_satisfied(h, ours));
                if !stays {
                    owned.ours.clone_from(ours);
                }
            } else if let Some(original) = observed.sysctls.get(key)
                && (original == ours || !key.is_satisfied(original, ours))
            {
                let known = memory == StateFileStatus::Whole || original != ours;
                let (ours, original) = (ours.clone(), known.then(|| original.clone()));
                self.sysctls
                    .insert(key.clone(), OwnedSysctl { ours, original });
            }
        }
        for (timeout, &ours) in &desired.timeouts {
            if let Some(owned) = self.timeouts.get_mut(timeout) {
                owned.ours = ours;
            } else if let Some(&original) = observed.timeouts.get(timeout) {
                self.timeouts
                    .insert(*timeout, OwnedTimeout { ours, original });
            }
        }
    }

    /// Gives up everything that is neither desired nor observed.
    pub(crate) fn release(&mut self, desired: &State, observed: &State) {
        self.services.retain(|key| {
            desired.services.contains_key(key) || observed.services.contains_key(key)
        });
        self.leaving
            .retain(|(service, real_server), _| observed.weight(service, real_server).is_some());
        self.addresses.retain(|address| {
            desired.addresses.contains(address) || observed.addresses.contains(address)
        });
        self.sysctls.retain(|key, owned| {
            desired.sysctls.contains_key(key)
                || owned.gives_back(observed.sysctls.get(key)).is_some()
        });
        self.timeouts.retain(|timeout, owned| {
            desired.timeouts.contains_key(timeout)
                || (owned.ours != owned.original
                    && observed.timeouts.get(timeout) == Some(&owned.ours))
        });
    }

    /// The steps that restore each parameter and time-out that is no longer desired
    /// and still has the agent's value.
    pub(crate) fn restores(&self, desired: &State, observed: &State) -> Vec<Step> {
        let released = self.sysctls.iter();
        let released = released.filter(|(key, _)| !desired.sysctls.contains_key(key));
        let sysctls = released.filter_map(|(key, owned)| {
            let original = owned.gives_back(observed.sysctls.get(key))?;
            Some(Step::RestoreSysctl {
                key: key.clone(),
                from: owned.ours.clone(),
                to: original.clone(),
            })
        });
        let released = self.timeouts.iter().filter(|(timeout, owned)| {
            !desired.timeouts.contains_key(timeout)
                && owned.ours != owned.original
                && observed.timeouts.get(timeout) == Some(&owned.ours)
        });
        let timeouts = released.map(|(timeout, owned)| Step::RestoreTimeout {
            timeout: *timeout,
            from: owned.ours,
            to: owned.original,
        });
        sysctls.chain(timeouts).collect()
    }

    /// The parameters whose values from before the agent are not known.
    pub(crate) fn without_original(&self) -> impl Iterator<Item = (&SysctlKey, &OwnedSysctl)> {
        let sysctls = self.sysctls.iter();
        sysctls.filter(|(_, owned)| owned.original.is_none())
    }
}

#[cfg(test)]
mod tests;
