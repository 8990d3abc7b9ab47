//! Which marks probes have, beside what others have by such marks.

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
    /// Gives up the marks that are others' by this look at the table, and
    /// gives each path that lacks one what is free. Whether that changes what
    /// is desired.
    ///
    /// The services that are desired by it are owned or not in the table, so
    /// the same look tells what there is of them.
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
