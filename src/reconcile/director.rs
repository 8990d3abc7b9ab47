mod look;
mod marks;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use self::look::Departures;
use super::adopt::{Adopted, adopt, desired_of, probe_marks};
use super::apply::destination_write;
use super::count;
use super::retry::Retry;
use super::{
    Difference, Failure, LINES_AT_ONCE, ReconcileError, Reconciler, STEPS_AT_INFO, StepError,
    Writing,
};
use super::{calls_for_another_look, is_missing};
use crate::clock;
use crate::config::{Config, DirectorRemoval};
use crate::error_chain::error_chain;
use crate::health::Weights;
use crate::intent::{Intent, WeightChange};
use crate::kernel::Ipvs;
use crate::liveness::{Liveness, Loop};
use crate::metrics::Metrics;
use crate::model::{RealServerId, Weight};
use crate::plan::{State, Step};
use crate::signals::Stopping;
use crate::snapshot::Snapshot;
use crate::via_vip::Marks;

/// How often the connections of what is being drained or leaving are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps a director's table as the configuration and the verdicts want it.
pub(crate) struct DirectorLoop<T> {
    reconciler: Reconciler<T>,
    desired: State,
    intent: Arc<Intent>,
    retry: Retry,
    next_pass: Instant,
    /// What becomes of what is no longer configured.
    on_removal: DirectorRemoval,
    /// Of what is leaving, when it goes and what is left.
    departures: Departures,
    /// The configuration has changed since the table was last seen: what is
    /// found then is no drift. With it, the names of before.
    changed_from: Option<Arc<Snapshot>>,
}

/// What a director's loop is asked for when the configuration is read again.
pub(crate) enum Request {
    /// The weights that the kernel has for this configuration's real servers:
    /// asked first, so that a kernel that cannot be read stops the reload.
    Look {
        config: Arc<Config>,
        found: oneshot::Sender<Result<Weights, ReconcileError>>,
    },
    /// To take it over.
    Change(Change),
}

/// Another configuration, with the weights that health wants for it.
pub(crate) struct Change {
    pub(crate) config: Arc<Config>,
    /// Of every real server of it.
    pub(crate) weights: Weights,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) metrics: Arc<Metrics>,
    /// Where health puts the weights that it wants from now on.
    pub(crate) intent: Arc<Intent>,
    /// Told in how many steps the kernel became as the new configuration
    /// wants it, or why it is not.
    pub(crate) done: oneshot::Sender<Result<usize, ReconcileError>>,
}

/// A weight that is on its way to the kernel.
struct Pending {
    id: RealServerId,
    change: WeightChange,
    step: Step,
}

impl<T: Ipvs> DirectorLoop<T> {
    /// Makes the table as configured, with the weights that are found there:
    /// a real server that is not in the table yet begins with weight 0.
    ///
    /// Fails if the table cannot be read or nothing can be written at all;
    /// a part that cannot be made is logged and tried again.
    pub(crate) async fn start(
        mut reconciler: Reconciler<T>,
        config: &Config,
        intent: Arc<Intent>,
    ) -> Result<Self, ReconcileError> {
        let Adopted { desired, observed } = adopt(&mut reconciler, config).await?;
        reconciler.say_of_marks(&observed.foreign);
        let result = reconciler
            .converge(&desired, observed, Difference::Wanted)
            .await;
        reconciler.note(&result);
        let succeeded = result.is_ok();
        match result {
            Err(ReconcileError::Steps(failures)) if failures.iter().any(is_for_good) => {
                return Err(ReconcileError::Steps(failures));
            }
            Err(ReconcileError::Steps(_)) | Ok(()) => {}
            Err(error @ ReconcileError::Observe(_)) => return Err(error),
        }
        let mut retry = Retry::new(config.director.resync_interval);
        let next_pass = in_from_now(retry.after(succeeded));
        let mut director = Self {
            reconciler,
            desired,
            intent,
            retry,
            next_pass,
            on_removal: config.director.on_removal,
            departures: Departures::new(),
            changed_from: None,
        };
        director.watch_leaving();
        Ok(director)
    }

    /// Writes weights as they change and the whole as it drifts, until
    /// `stopping` says so. It stops between operations, never in one.
    pub(crate) async fn run(
        mut self,
        mut stopping: Stopping,
        liveness: Arc<Liveness>,
        mut requests: mpsc::Receiver<Request>,
    ) -> Self {
        let mut next_look = in_from_now(LOOK);
        loop {
            liveness.beat(Loop::Reconcile, clock::monotonic());
            tokio::select! {
                biased;
                () = stopping.recv() => return self,
                Some(request) = requests.recv() => self.answer(request).await,
                () = self.intent.changed() => self.write_weights().await,
                () = sleep_until(next_look) => {
                    next_look = in_from_now(LOOK);
                    self.look_at_draining().await;
                    self.look_at_leaving().await;
                }
                () = sleep_until(self.next_pass) => {
                    self.write_weights().await;
                    // What stands in the way is shown and said by then.
                    let _ = self.full_pass(Difference::Drift).await;
                }
            }
        }
    }

    /// The fast path: the weights that changed, one message each.
    async fn write_weights(&mut self) {
        let pending = self.take_pending();
        if pending.is_empty() {
            return;
        }
        if self.reconciler.writing == Writing::DryRun {
            self.leave_out(pending);
            return;
        }
        let writes: Vec<_> = pending
            .iter()
            .filter_map(|pending| destination_write(&pending.step))
            .collect();
        let results = self.reconciler.kernel.ipvs.write(&writes).await;
        let mut unwritten = Vec::new();
        for (pending, result) in pending.iter().zip(results) {
            match result {
                Ok(()) => self.written(pending),
                Err(error) => {
                    let error = StepError::Kernel(error);
                    if self.not_written(pending, &error) {
                        unwritten.push((pending, error));
                    }
                }
            }
        }
        announce_unwritten(&unwritten);
    }

    /// In a dry run, the weights are pending from now on; the next pass says
    /// which of them the kernel has already.
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
            info!("would set {}", count(lines, "weight"));
        }
        self.next_pass = self.next_pass.min(in_from_now(LOOK));
    }

    /// What health wants and is not desired yet. Weights that rise come
    /// first, so that a service is not empty in between.
    fn take_pending(&mut self) -> Vec<Pending> {
        let mut pending = Vec::new();
        for (id, change) in self.intent.take() {
            let Some((service, record)) = self.reconciler.snapshot.records(id) else {
                continue;
            };
            record.live.lock().desired = change.weight;
            let state = self.desired.services.get_mut(&service.key);
            let destination = state.and_then(|state| state.destinations.get_mut(&record.key));
            let Some(destination) = destination.filter(|d| d.weight != change.weight) else {
                continue;
            };
            let from = *destination;
            destination.weight = change.weight;
            let (service, key) = (service.key, record.key);
            let step = Step::SetDestination {
                service,
                key,
                from,
                to: *destination,
            };
            pending.push(Pending { id, change, step });
        }
        pending.sort_by_key(|pending| falls(&pending.step));
        pending
    }

    fn written(&self, pending: &Pending) {
        debug!("{}", pending.step);
        if let Some((_, record)) = self.reconciler.snapshot.records(pending.id) {
            let mut live = record.live.lock();
            live.kernel = Some(pending.change.weight);
            live.connections_known = false;
        }
        if let Some(first_failure) = pending.change.first_failure {
            let took = clock::monotonic().saturating_duration_since(first_failure);
            self.reconciler
                .metrics
                .detected(pending.id.service_index(), took);
        }
    }

    /// Answers whether it is to be told.
    fn not_written(&mut self, pending: &Pending, error: &StepError) -> bool {
        if is_missing(error)
            && self
                .reconciler
                .is_of_failed_service(&pending.step.subject())
        {
            // The cause was said, and the next pass tries again with this weight.
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

    async fn answer(&mut self, request: Request) {
        // Whoever asked may have gone away: that is no reason to stop.
        match request {
            Request::Look { config, found } => {
                let _ = found.send(self.look(&config).await);
            }
            Request::Change(change) => self.change_to(change).await,
        }
    }

    async fn look(&mut self, config: &Config) -> Result<Weights, ReconcileError> {
        let bare = desired_of::<T>(config, &Marks::default(), |_, _, _| Weight::ZERO);
        let marks_of_now = self.reconciler.probe_marks;
        self.reconciler.probe_marks = probe_marks(config);
        let observed = self.reconciler.observe(&bare).await;
        self.reconciler.probe_marks = marks_of_now;
        let observed = observed?;
        let mut found = Weights::new();
        for (service, state) in &observed.state.services {
            for (real_server, destination) in &state.destinations {
                found.insert((*service, *real_server), destination.weight);
            }
        }
        Ok(found)
    }

    /// Takes another configuration over, with the fewest steps. What weights
    /// the old intent still held are not lost: they are among the new ones.
    async fn change_to(&mut self, change: Change) {
        let Change {
            config,
            weights,
            snapshot,
            metrics,
            intent,
            done,
        } = change;
        self.intent = intent;
        let before = std::mem::replace(&mut self.reconciler.snapshot, snapshot);
        self.changed_from.get_or_insert(before);
        self.on_removal = config.director.on_removal;
        self.reconciler.metrics = metrics;
        self.retry = Retry::new(config.director.resync_interval);
        self.reconciler.probe_marks = probe_marks(&config);
        // Of others' services the pass below knows, before anything is written.
        let marks = self.reconciler.board.marks();
        let marks = Marks::assign(&config, &marks, &BTreeSet::new());
        self.desired = desired_of::<T>(&config, &marks, |service, real_server, _| {
            let weight = weights.get(&(*service, *real_server));
            weight.copied().unwrap_or(Weight::ZERO)
        });
        self.reconciler.board.assign(marks);
        let result = self.full_pass(Difference::Wanted).await;
        // Whoever asked may have gone away.
        let _ = done.send(result);
    }

    /// Answers in how many steps the kernel became as it should be.
    async fn full_pass(&mut self, difference: Difference) -> Result<usize, ReconcileError> {
        let result = self.observe_and_converge(difference).await;
        self.watch_leaving();
        self.reconciler.note(&result);
        self.next_pass = in_from_now(self.retry.after(result.is_ok()));
        result
    }

    async fn observe_and_converge(
        &mut self,
        difference: Difference,
    ) -> Result<usize, ReconcileError> {
        let observed = self.reconciler.observe(&self.desired).await?;
        let difference = if self.assign_marks_again(&observed.foreign) {
            Difference::Wanted
        } else {
            difference
        };
        let difference = match self.changed_from.take() {
            Some(before) => {
                self.reconciler.note_leaving(
                    self.on_removal,
                    &self.desired,
                    &observed.state,
                    &before,
                );
                Difference::Wanted
            }
            None => difference,
        };
        let steps = self.reconciler.plan(&self.desired, &observed.state).len();
        let converged = self
            .reconciler
            .converge(&self.desired, observed, difference);
        converged.await.map(|()| steps)
    }

    /// `on_exit: drain`: no new connections, the established ones go on.
    pub(crate) async fn quiesce_all(mut self) -> Result<(), ReconcileError> {
        for service in self.desired.services.values_mut() {
            service
                .destinations
                .values_mut()
                .for_each(|d| d.weight = Weight::ZERO);
        }
        let observed = self.reconciler.observe(&self.desired).await?;
        self.assign_marks_again(&observed.foreign);
        self.reconciler
            .converge(&self.desired, observed, Difference::Wanted)
            .await
    }

    /// `on_exit: remove`: all that is ours goes.
    pub(crate) async fn remove_all(mut self) -> Result<(), ReconcileError> {
        self.reconciler.remove_all(&self.desired).await?.whole()
    }
}

/// A line each, or one for all: the kernel may refuse every weight at once.
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

fn falls(step: &Step) -> bool {
    matches!(step, Step::SetDestination { from, to, .. } if to.weight < from.weight)
}

/// Whether trying again cannot help: the whole agent lacks what it stands on.
fn is_for_good(failure: &Failure) -> bool {
    match &failure.error {
        StepError::Kernel(error) => error.cause.is_for_good(),
        StepError::ArpNotSilenced(_)
        | StepError::VipStillThere(_)
        | StepError::VipElsewhere { .. }
        | StepError::NothingToServe(_) => false,
    }
}

pub(super) fn in_from_now(wait: Duration) -> Instant {
    Instant::from_std(clock::monotonic() + wait)
}

#[cfg(test)]
mod tests;
