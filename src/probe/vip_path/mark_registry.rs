//! Which marks of probes the kernel has.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::model::{Family, ProbePath, ServiceKey};
use crate::plan::probe_marks::Marks;
use crate::plan::{State, Step};
use crate::runtime::shared::Shared;

/// The marks that the kernel is known to have. Reconcile writes the registry, and
/// probes read it.
#[derive(Debug, Default)]
pub(crate) struct MarkRegistry(Shared<Known>);

#[derive(Debug, Default)]
struct Known {
    marks: Arc<Marks>,
    /// The services by mark that were observed as desired, each with the number
    /// of the observation; a service that was made or changed gets a new number.
    confirmed: BTreeMap<ServiceKey, u64>,
    times: u64,
    /// All services by mark, those of the past included.
    own: BTreeSet<ServiceKey>,
}

/// A mark whose service leads to the right real server, as reconcile last observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirmed {
    pub(crate) service: ServiceKey,
    pub(crate) mark: NonZeroU32,
    /// Differs after the service was made anew.
    pub(super) time: u64,
}

impl MarkRegistry {
    /// The marks in use.
    pub(crate) fn marks(&self) -> Arc<Marks> {
        Arc::clone(&self.0.lock().marks)
    }

    /// Replaces the marks. A service that leads elsewhere than before has to be
    /// confirmed again.
    pub(crate) fn assign(&self, marks: Marks) {
        let mut known = self.0.lock();
        let (before, after) = (known.marks.services(), marks.services());
        let same = |key: &ServiceKey| before.contains_key(key) && before.get(key) == after.get(key);
        known.confirmed.retain(|key, _| same(key));
        known.own.extend(after.into_keys());
        known.marks = Arc::new(marks);
    }

    /// Whether a service belongs, or belonged, to the mark of a probe.
    pub(crate) fn owns(&self, service: &ServiceKey) -> bool {
        self.0.lock().own.contains(service)
    }

    /// Withdraws the confirmation of every service that these steps concern.
    pub(crate) fn invalidate(&self, steps: &[Step]) {
        let subjects = steps.iter().map(Step::subject);
        let services: BTreeSet<_> = subjects.filter_map(|of| of.service().copied()).collect();
        let mut known = self.0.lock();
        known.confirmed.retain(|key, _| !services.contains(key));
    }

    /// Confirms the services that were observed as desired.
    pub(crate) fn confirm(&self, observed: &State) {
        let mut known = self.0.lock();
        let services = known.marks.services();
        known.times += 1;
        let time = known.times;
        let as_wanted = |key: &ServiceKey| {
            services.contains_key(key) && observed.services.get(key) == services.get(key)
        };
        known.confirmed.retain(|key, _| as_wanted(key));
        for key in services.keys().filter(|key| as_wanted(key)) {
            known.confirmed.entry(*key).or_insert(time);
        }
    }

    /// The mark for this path; `None` while its service is not confirmed.
    pub(crate) fn confirmed(&self, path: &ProbePath) -> Option<Confirmed> {
        let known = self.0.lock();
        known.get(known.marks.service(path)?)
    }

    /// The mark of the canary; `None` while its service is not confirmed.
    pub(crate) fn canary(&self, family: Family) -> Option<Confirmed> {
        let known = self.0.lock();
        known.get(known.marks.canary(family)?)
    }
}

impl Known {
    fn get(&self, service: ServiceKey) -> Option<Confirmed> {
        let ServiceKey::Fwmark { mark, .. } = service else {
            return None;
        };
        let time = *self.confirmed.get(&service)?;
        Some(Confirmed {
            service,
            mark,
            time,
        })
    }
}

#[cfg(test)]
mod tests;
