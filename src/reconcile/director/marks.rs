//! Which marks probes have, beside what others have by such marks.

use std::collections::BTreeSet;

use super::DirectorLoop;
use crate::kernel::Ipvs;
use crate::model::ServiceKey;
use crate::reconcile::{Reconciler, foreign_marks};
use crate::runtime::clock;

impl<T: Ipvs> Reconciler<T> {
    /// Raises what is not as it should be with the marks for probes.
    pub(super) fn update_mark_conditions(&self, foreign: &BTreeSet<ServiceKey>) {
        let (conditions, marks) = (&self.snapshot.conditions, self.board.marks());
        foreign_marks::update(conditions, foreign, &marks, clock::wall());
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
        let before = self.reconciler.board.marks();
        let marks = before.again(foreign);
        let changes = marks != *before;
        if changes {
            let services = &mut self.desired.services;
            for key in before.services().keys() {
                services.remove(key);
            }
            services.extend(marks.services());
            self.reconciler.board.assign(marks);
        }
        self.reconciler.update_mark_conditions(foreign);
        changes
    }
}
