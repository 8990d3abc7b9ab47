//! The marks of probes, beside the services of other programs by such marks.

use std::collections::BTreeSet;

use super::DirectorLoop;
use crate::kernel::Ipvs;
use crate::model::ServiceKey;
use crate::reconcile::Reconciler;

impl<T: Ipvs> Reconciler<T> {
    pub(super) fn say_of_marks(&mut self, foreign: &BTreeSet<ServiceKey>) {
        self.said_of_marks
            .note(foreign, &self.mark_registry.marks());
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
        self.reconciler.say_of_marks(foreign);
        changes
    }
}
