use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::model::{Family, ProbePath, ServiceKey};
use crate::plan::probe_marks::Marks;
use crate::plan::{State, Step, Subject};
use crate::runtime::shared::Shared;

/// Which marks the kernel is known to have: reconcile writes it, probes read it.
#[derive(Debug, Default)]
pub(crate) struct Board(Shared<Known>);

#[derive(Debug, Default)]
struct Known {
    marks: Arc<Marks>,
    /// The services by mark that were seen to be as they should be, and since
    /// which time; one that had to be made or changed begins another.
    confirmed: BTreeMap<ServiceKey, u64>,
    times: u64,
    /// The services by mark that there are, or ever were.
    own: BTreeSet<ServiceKey>,
}

/// A mark that leads where it should, as far as reconcile knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirmed {
    pub(crate) service: ServiceKey,
    pub(crate) mark: NonZeroU32,
    /// Not the same again once the service had to be made anew.
    pub(super) time: u64,
}

impl Board {
    /// The marks that hold.
    pub(crate) fn marks(&self) -> Arc<Marks> {
        Arc::clone(&self.0.lock().marks)
    }

    /// From now on these hold. A service that leads elsewhere than before is
    /// to be confirmed anew.
    pub(crate) fn assign(&self, marks: Marks) {
        let mut known = self.0.lock();
        let (before, after) = (known.marks.services(), marks.services());
        let same = |key: &ServiceKey| before.contains_key(key) && before.get(key) == after.get(key);
        known.confirmed.retain(|key, _| same(key));
        known.own.extend(after.into_keys());
        known.marks = Arc::new(marks);
    }

    /// Whether a service is by the mark of a probe, or was.
    pub(crate) fn owns(&self, service: &ServiceKey) -> bool {
        self.0.lock().own.contains(service)
    }

    /// What these steps are done to is in doubt from now on.
    pub(crate) fn doubt(&self, steps: &[Step]) {
        let services: BTreeSet<_> = steps.iter().filter_map(service_of).collect();
        let mut known = self.0.lock();
        known.confirmed.retain(|key, _| !services.contains(key));
    }

    /// Takes what was observed in.
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

    /// The mark that leads over this path; `None` while that is not known.
    pub(crate) fn confirmed(&self, path: &ProbePath) -> Option<Confirmed> {
        let known = self.0.lock();
        known.get(known.marks.service(path)?)
    }

    /// The mark that leads nowhere; `None` while that is not known.
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

fn service_of(step: &Step) -> Option<ServiceKey> {
    match step.subject() {
        Subject::Service(key) | Subject::Destination(key, _) => Some(key),
        Subject::Sysctl(_) | Subject::Timeout(_) | Subject::Address(_) => None,
    }
}

#[cfg(test)]
mod tests;
