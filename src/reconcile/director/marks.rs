//! The marks of probes, beside the services of other programs by such marks.

use std::collections::BTreeSet;

use super::DirectorLoop;
use crate::kernel::Ipvs;
use crate::model::ServiceKey;
use crate::reconcile::{Reconciler, foreign_marks};
use crate::runtime::clock;

impl<T: Ipvs> Reconciler<T> {
    /// Raises what is not as it should be with the marks for probes.
    pub(super) fn update_mark_conditions(&self, foreign: &BTreeSet<ServiceKey>) {
        let (conditions, marks) = (&self.snapshot.conditions, self.mark_registry.marks());
        foreign_marks::update(conditions, foreign, &marks, clock::wall());
    }
}

impl<T: Ipvs> DirectorLoop<T> {
    /// Gives up the marks of other programs in this observation, and gives free marks
    /// to paths without one. Returns whether the desired state changes.
    ///
    /// The newly desired services are owned or not in the table, so the same
    /// observation is valid for them.
    pub(super) fn assign_marks_again(&mut self, foreign: &BTreeSet<ServiceKey>) -> bool {
        let before = self.reconciler.mark_registry.marks();
        let marks = before.again(foreign);
        let changes = marks != *before;
        if changes {
            let services = &mut self.desired.services;
            for key in before.services().keys() {
                services.remove(key);
            }
            services.extend(marks.services());
            self.reconciler.mark_registry.assign(marks);
        }
        self.reconciler.update_mark_conditions(foreign);
        changes
    }
}
