//! The fast path: one message for a new weight, without a dump.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::{COUNT_INTERVAL, DirectorLoop, in_from_now};
use crate::health::{Handling, WeightChange};
use crate::kernel::Ipvs;
use crate::model::{MemberKey, RealServerId, Weight, with_noun};
use crate::plan::{Step, Subject};
use crate::reconcile::pass::UnfinishedPass;
use crate::reconcile::{STEPS_AT_INFO, StepError, Writing, calls_for_another_look, is_missing};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::log_limit::LINES_AT_ONCE;
use crate::status::{RealServerRecord, ServiceRecord};

/// A weight that has to be written.
pub(super) struct Pending {
    pub(super) id: RealServerId,
    pub(super) change: WeightChange,
    pub(super) step: Step,
}

impl<T: Ipvs> DirectorLoop<T> {
    /// Writes the weights that changed, one message each. Returns the steps that the kernel has
    /// carried out.
    pub(super) async fn write_weights(&mut self) -> Vec<Step> {
        let pending = self.take_pending();
        self.write(pending).await
    }

    /// The same during a pass. Connections are ended after it, since the real server leaves the
    /// table for that and comes back; until then, it gets no new ones.
    pub(super) async fn write_weights_within_a_pass(&mut self) -> Vec<Step> {
        let pending = self.take_pending_within_a_pass();
        self.write(pending).await
    }

    /// The same ahead of what the pass has yet to write. A real server that the pass has yet to
    /// add is added with the new weight.
    pub(super) async fn write_weights_ahead_of(&mut self, pass: &mut UnfinishedPass) {
        let pending = self.take_pending_within_a_pass();
        if pending.is_empty() {
            return;
        }
        let left_to_add = pass.left_to_add();
        let is_left = |pending: &Pending| {
            let subject = pending.step.subject();
            matches!(subject, Subject::Destination(service, key) if left_to_add.contains(&(service, key)))
        };
        let (later, now): (Vec<_>, Vec<_>) = pending.into_iter().partition(is_left);
        for Pending { step, .. } in &later {
            pass.take_over(step);
        }
        for step in self.write(now).await {
            pass.note(&step);
        }
    }

    async fn write(&mut self, pending: Vec<Pending>) -> Vec<Step> {
        if pending.is_empty() {
            return Vec::new();
        }
        if self.reconciler.writing == Writing::DryRun {
            self.leave_out(pending);
            return Vec::new();
        }
        let steps: Vec<_> = pending.iter().map(|pending| pending.step.clone()).collect();
        let results = self.reconciler.kernel.ipvs.write(&steps).await;
        let mut done = Vec::new();
        let mut unwritten = Vec::new();
        for ((pending, step), result) in pending.iter().zip(steps).zip(results) {
            match result {
                Ok(()) => {
                    self.recent.note(&step);
                    self.written(pending);
                    done.push(step);
                }
                Err(error) => {
                    self.recent.forget();
                    let error = StepError::Kernel(error);
                    if self.not_written(pending, &error) {
                        unwritten.push((pending, error));
                    }
                }
            }
        }
        announce_unwritten(&unwritten);
        done
    }

    /// In a dry run, the weights become pending; the next pass finds those that the
    /// kernel has already.
    fn leave_out(&mut self, pending: Vec<Pending>) {
        let lines = pending.len();
        for Pending { step, .. } in pending {
            if lines <= STEPS_AT_INFO {
                info!("would do: {step}");
            } else {
                debug!("would do: {step}");
            }
            self.reconciler.add_proposed(step);
        }
        if lines > STEPS_AT_INFO {
            info!("would set {}", with_noun(lines, "weight"));
        }
        self.next_pass = self.next_pass.min(in_from_now(COUNT_INTERVAL));
    }

    /// The weights that health wants and that are not desired yet. Rising weights
    /// come first, so that a service always has a real server.
    fn take_pending(&mut self) -> Vec<Pending> {
        let changes = self.weight_updates.take();
        self.pending(changes)
    }

    /// The same without the end of connections, which is postponed.
    fn take_pending_within_a_pass(&mut self) -> Vec<Pending> {
        if self.reconciler.writing == Writing::DryRun {
            return self.take_pending();
        }
        let mut changes = self.weight_updates.take();
        for (id, change) in &mut changes {
            if change.handling == Handling::Reset {
                change.handling = Handling::Weight;
                self.postpone_reset(*id);
            }
        }
        self.pending(changes)
    }

    fn pending(&mut self, changes: BTreeMap<RealServerId, WeightChange>) -> Vec<Pending> {
        let mut pending = Vec::new();
        for (id, change) in changes {
            let Some((service, record)) = self.reconciler.snapshot.records(id) else {
                continue;
            };
            record.live.lock().desired = change.weight;
            let key = (service.key, record.key);
            let Some(step) = self.step_to(id, key, change) else {
                continue;
            };
            pending.push(Pending { id, change, step });
        }
        pending.sort_by_key(|pending| falls(&pending.step));
        pending
    }

    /// Updates the desired state, and returns the step for the kernel, if one is needed.
    fn step_to(
        &mut self,
        id: RealServerId,
        (service, key): MemberKey,
        change: WeightChange,
    ) -> Option<Step> {
        let state = self.desired.services.get_mut(&service)?;
        let serves = change.weight != Weight::ZERO;
        let mut returns = self.resets.is_out(&(service, key));
        if serves && let Some(removed) = self.out_while_down.remove(&(service, key)) {
            state.destinations.insert(key, removed);
            returns = true;
        }
        let destination = state.destinations.get_mut(&key)?;
        let from = *destination;
        destination.weight = change.weight;
        let to = *destination;
        if self.reconciler.is_held_back(&service, &key) {
            return None;
        }
        match change.handling {
            Handling::Weight => {}
            Handling::Remove => {
                self.resets.forget(&(service, key));
                state.destinations.remove(&key);
                self.out_while_down.insert((service, key), to);
                return Some(Step::RemoveDestination { service, key });
            }
            Handling::Reset => {
                let dry = self.reconciler.writing == Writing::DryRun;
                let begins = dry || self.resets.begin((service, key), id);
                return begins.then_some(Step::RemoveDestination { service, key });
            }
        }
        self.resets.forget(&(service, key));
        if returns {
            let destination = to;
            return Some(Step::AddDestination {
                service,
                key,
                destination,
            });
        }
        (from != to).then_some(Step::SetDestination {
            service,
            key,
            from,
            to,
        })
    }

    fn written(&self, pending: &Pending) {
        debug!("{}", pending.step);
        if let Some((service, record)) = self.reconciler.snapshot.records(pending.id) {
            tell_handling(pending, service, record);
        }
        if let Some((_, record)) = self.reconciler.snapshot.records(pending.id) {
            let mut live = record.live.lock();
            let removed = matches!(pending.step, Step::RemoveDestination { .. });
            live.kernel = (!removed).then_some(pending.change.weight);
        }
        if let Some(first_failure) = pending.change.first_failure {
            let took = clock::monotonic().saturating_duration_since(first_failure);
            self.reconciler
                .metrics
                .detected(pending.id.service_index(), took);
        }
    }

    /// Returns whether the failure is to be logged.
    fn not_written(&mut self, pending: &Pending, error: &StepError) -> bool {
        if is_missing(error)
            && self
                .reconciler
                .failed
                .is_of_failed_service(&pending.step.subject())
        {
            // The cause was logged, and the next pass tries again with this weight.
            debug!(error = error_chain(error), "not written: {}", pending.step);
            return false;
        }
        let wait = if calls_for_another_look(error) {
            Duration::ZERO
        } else {
            self.reconciler.failed.insert(pending.step.subject());
            self.retry.after(false)
        };
        self.next_pass = self.next_pass.min(in_from_now(wait));
        true
    }
}

/// One line for each, or one for all: the kernel may refuse every weight at once.
fn announce_unwritten(unwritten: &[(&Pending, StepError)]) {
    let one_by_one = unwritten.len() <= LINES_AT_ONCE;
    for (Pending { step, .. }, error) in unwritten {
        let error = error_chain(error);
        if one_by_one {
            warn!(error, "not written, looking at the whole table: {step}");
        } else {
            debug!(error, "not written: {step}");
        }
    }
    if let (false, Some((Pending { step, .. }, error))) = (one_by_one, unwritten.first()) {
        warn!(
            number = unwritten.len(),
            error = error_chain(error),
            "weights not written, looking at the whole table; the first: {step}"
        );
    }
}

/// Logs what is done with a real server beside setting its weight.
fn tell_handling(pending: &Pending, service: &ServiceRecord, record: &RealServerRecord) {
    let (service, real_server) = (&*service.name, &*record.name);
    match pending.change.handling {
        Handling::Weight => {}
        Handling::Remove => info!(
            service,
            real_server, "removed from the table until it passes its check"
        ),
        Handling::Reset => tell_reset(service, real_server),
    }
}

/// Logs that the connections of a real server are ended.
pub(super) fn tell_reset(service: &str, real_server: &str) {
    info!(
        service,
        real_server, "its connections are ended: it can be reached no more"
    );
}

fn falls(step: &Step) -> bool {
    matches!(step, Step::RemoveDestination { .. })
        || matches!(step, Step::SetDestination { from, to, .. } if to.weight < from.weight)
}
