//! The loop of a director's reconcile: the fast path, full passes, drains and removals.

mod connection_counts;
mod fast_path;
mod marks;
mod pending_removals;
mod recent_observation;
mod resets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use self::pending_removals::RemovalsInProgress;
use self::recent_observation::RecentObservation;
use self::resets::Resets;
use super::adopt::{Adopted, adopt, probe_marks};
use super::host_watch::HostWatch;
use super::observe::{KernelObservation, UnfinishedObservation};
use super::retry::Retry;
use super::{ChangeCause, ReconcileError, Reconciler, StepError, StepFailure};
use crate::config::{self, Config};
use crate::health::Loads;
use crate::health::weight_updates::WeightUpdates;
use crate::kernel::{Ipvs, KernelError};
use crate::metrics::Metrics;
use crate::model::{Destination, MemberKey, Weight, Weights};
use crate::plan::probe_marks::Marks;
use crate::plan::{State, desired, pending_removal};
use crate::runtime::clock;
use crate::runtime::liveness::{Liveness, Loop};
use crate::runtime::signals::Stopping;
use crate::status::Snapshot;

/// How often connections are read during a drain or removal.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Longer than every time until the next pass.
const NO_PASS: Duration = Duration::from_hours(24 * 365);

/// Maintains the table of a director by the configuration and the weights of health.
pub(crate) struct DirectorLoop<T> {
    reconciler: Reconciler<T>,
    desired: State,
    /// The weights with which the table was adopted.
    found: Weights,
    weight_updates: Arc<WeightUpdates>,
    /// The connection counts that health waits for. The latest value replaces all earlier ones.
    loads: watch::Sender<Option<Loads>>,
    retry: Retry,
    next_pass: Instant,
    host: HostWatch,
    /// The settings of removal.
    section: config::Director,
    /// The deadlines and connections of real servers that are being removed.
    removals: RemovalsInProgress,
    /// The real servers that are not in the table while they are down, with their
    /// properties for the return.
    out_while_down: BTreeMap<MemberKey, Destination>,
    /// The real servers whose connections are being ended.
    resets: Resets,
    /// The snapshot before a reload, until the next observation: differences in that
    /// observation are no drift.
    changed_from: Option<Arc<Snapshot>>,
    /// What the reload that has begun was told of the table.
    recent: RecentObservation,
}

/// A request of a reload to the loop of a director.
pub(crate) enum ReconcileRequest {
    /// Return the kernel's weights of this configuration's real servers. This request
    /// comes first, so that the reload fails if the kernel cannot be read.
    Observe {
        config: Arc<Config>,
        found: oneshot::Sender<Result<Weights, ReconcileError>>,
    },
    /// Apply another configuration.
    Reload(ReconcileReload),
}

/// Another configuration, with the weights that health wants for it.
pub(crate) struct ReconcileReload {
    pub(crate) config: Arc<Config>,
    /// The weights of all its real servers.
    pub(crate) weights: Weights,
    /// The real servers that must not be in the table.
    pub(crate) removed: BTreeSet<MemberKey>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) metrics: Arc<Metrics>,
    /// The weights that health wants from now on.
    pub(crate) weight_updates: Arc<WeightUpdates>,
    /// Receives the number of steps of the pass with the new configuration, or its error.
    pub(crate) done: oneshot::Sender<Result<usize, ReconcileError>>,
}

impl<T: Ipvs> DirectorLoop<T> {
    /// Brings the table to the configuration with the weights found in the table: a
    /// new real server starts with weight 0.
    ///
    /// Fails if the table cannot be read or nothing can be written at all; other
    /// failures are logged and tried again.
    pub(crate) async fn start(
        mut reconciler: Reconciler<T>,
        config: &Config,
        weight_updates: Arc<WeightUpdates>,
    ) -> Result<Self, ReconcileError> {
        reconciler.check_link(config).await?;
        let Adopted { desired, observed } = adopt(&mut reconciler, config).await?;
        reconciler.interfaces_seen = true;
        reconciler.update_mark_conditions(&observed.foreign);
        let found = weights(&reconciler.kept(&desired, &observed.state));
        let result = reconciler
            .converge(&desired, observed, ChangeCause::Wanted)
            .await;
        reconciler.note(&result);
        let succeeded = result.is_ok();
        if_it_can_go_on(result)?;
        let mut retry = Retry::new(config.director.resync_interval);
        let next_pass = in_from_now(retry.after(succeeded));
        let mut director = Self {
            reconciler,
            desired,
            found,
            weight_updates,
            loads: watch::Sender::new(None),
            retry,
            next_pass,
            host: HostWatch::new(),
            section: config.director.clone(),
            removals: RemovalsInProgress::new(),
            out_while_down: BTreeMap::new(),
            resets: Resets::default(),
            changed_from: None,
            recent: RecentObservation::default(),
        };
        director.watch_leaving();
        Ok(director)
    }

    /// The connection counts that health waits for.
    pub(crate) fn loads(&self) -> watch::Receiver<Option<Loads>> {
        self.loads.subscribe()
    }

    /// The weights with which the table was adopted: what health begins with. They are handed
    /// over: a second call returns none.
    pub(crate) fn take_found(&mut self) -> Weights {
        std::mem::take(&mut self.found)
    }

    /// Writes changed weights and repairs drift until `stopping`, which takes effect
    /// between operations.
    pub(crate) async fn run(
        mut self,
        mut stopping: Stopping,
        liveness: Arc<Liveness>,
        mut requests: mpsc::Receiver<ReconcileRequest>,
    ) -> Self {
        let mut next_count = in_from_now(COUNT_INTERVAL);
        loop {
            liveness.beat(Loop::Reconcile, clock::monotonic());
            tokio::select! {
                biased;
                () = stopping.recv() => {
                    self.put_back_all().await;
                    return self;
                }
                Some(request) = requests.recv() => self.answer(request).await,
                () = self.weight_updates.changed() => drop(self.write_weights().await),
                () = sleep_until(next_count) => {
                    next_count = in_from_now(COUNT_INTERVAL);
                    self.count_connections().await;
                    self.check_pending_removals().await;
                }
                () = sleep_until(self.resets.next()), if self.resets.any() => {
                    self.go_on_with_resets().await;
                }
                () = self.host.due(), if !self.resets.any() => self.check_host().await,
                () = sleep_until(self.next_pass), if !self.resets.any() => {
                    self.write_weights().await;
                    // What stands in the way is shown and said by then.
                    let _ = self.full_pass(ChangeCause::Drift).await;
                }
            }
        }
    }

    async fn answer(&mut self, request: ReconcileRequest) {
        // The sender may have gone away, which is no reason to stop.
        match request {
            ReconcileRequest::Observe { config, found } => {
                let _ = found.send(self.observe_weights(&config).await);
            }
            ReconcileRequest::Reload(change) => self.change_to(change).await,
        }
    }

    async fn observe_weights(&mut self, config: &Config) -> Result<Weights, ReconcileError> {
        let bare = desired::director(config, &Marks::default(), |_, _, _| Weight::ZERO);
        let marks_of_now = self.reconciler.probe_marks;
        self.reconciler.probe_marks = probe_marks(config);
        let begun = in_from_now(Duration::ZERO);
        let observed = self.observe(Some(&bare)).await;
        self.begin_postponed_resets().await;
        let has_marks = self.reconciler.probe_marks.is_some();
        self.reconciler.probe_marks = marks_of_now;
        let observed = observed?;
        let weights = weights(&observed.state);
        self.recent.forget();
        // The services by marks for probes are not among what was desired here.
        if !has_marks {
            self.recent.keep(begun, observed);
        }
        Ok(weights)
    }

    /// Reads all that is desired, or `other` in its place, and all that is owned. A large table
    /// takes long, for which new weights do not wait: they are written between two virtual
    /// services.
    async fn observe(&mut self, other: Option<&State>) -> Result<KernelObservation, KernelError> {
        let desired = other.unwrap_or(&self.desired);
        let (scope, kernel) = self.reconciler.scope_and_kernel(desired);
        let mut unfinished = UnfinishedObservation::begin(&mut kernel.ipvs, &scope).await?;
        loop {
            let desired = other.unwrap_or(&self.desired);
            let reconciler = &mut self.reconciler;
            let (ipvs, owned) = (&mut reconciler.kernel.ipvs, &reconciler.ownership.owned);
            if !unfinished.read_next(ipvs, desired, owned).await? {
                let (scope, kernel) = reconciler.scope_and_kernel(desired);
                return unfinished.finish(kernel, &scope).await;
            }
            // The kernel answers at once, so that nothing else would have its turn.
            yield_now().await;
            for step in self.write_weights_within_a_pass().await {
                unfinished.note(&step);
            }
        }
    }

    /// Applies another configuration with the fewest steps. Pending weights of the
    /// old configuration are among the new weights.
    async fn change_to(&mut self, change: ReconcileReload) {
        let ReconcileReload {
            config,
            weights,
            removed,
            snapshot,
            metrics,
            weight_updates,
            done,
        } = change;
        let mut resets = self.put_back_all().await;
        if !resets.is_empty() {
            self.recent.forget();
        }
        resets.extend(self.unwritten_resets());
        let observed = self.recent.take(in_from_now(Duration::ZERO));
        self.weight_updates = weight_updates;
        let before = std::mem::replace(&mut self.reconciler.snapshot, snapshot);
        self.changed_from.get_or_insert(before);
        self.section.clone_from(&config.director);
        self.reconciler.metrics = metrics;
        self.retry = Retry::new(config.director.resync_interval);
        self.reconciler.probe_marks = probe_marks(&config);
        let unneeded = desired::unneeded_by_director(&config);
        self.reconciler.failed.set_unneeded(unneeded);
        // The pass below finds the services of other programs before anything is written.
        let marks = self.reconciler.mark_registry.marks();
        let marks = Marks::assign(&config, &marks, &BTreeSet::new());
        self.desired = desired::director(&config, &marks, |service, real_server, _| {
            let weight = weights.get(&(*service, *real_server));
            weight.copied().unwrap_or(Weight::ZERO)
        });
        self.reconciler.mark_registry.assign(marks);
        self.out_while_down = removed
            .into_iter()
            .filter_map(|key| {
                let state = self.desired.services.get_mut(&key.0)?;
                Some((key, state.destinations.remove(&key.1)?))
            })
            .collect();
        self.update_unreplaced();
        let result = self.pass_from(observed, ChangeCause::Wanted).await;
        self.reset_again(resets).await;
        // The sender may have gone away.
        let _ = done.send(result);
    }

    /// Returns the number of steps.
    async fn full_pass(&mut self, difference: ChangeCause) -> Result<usize, ReconcileError> {
        self.pass_from(None, difference).await
    }

    /// The same, without reading the table that was just observed.
    async fn pass_from(
        &mut self,
        observed: Option<KernelObservation>,
        difference: ChangeCause,
    ) -> Result<usize, ReconcileError> {
        self.recent.forget();
        // What a weight that is written meanwhile finds may call for another pass at once.
        self.next_pass = in_from_now(NO_PASS);
        let result = self.observe_and_converge(observed, difference).await;
        self.begin_postponed_resets().await;
        self.watch_leaving();
        self.reconciler.note(&result);
        let next_pass = in_from_now(self.retry.after(result.is_ok()));
        self.next_pass = self.next_pass.min(next_pass);
        result
    }

    /// Repairs changes by other programs on this host.
    async fn check_host(&mut self) {
        let addresses = self.host.begin();
        let differs = self.reconciler.host_differs(&self.desired, addresses);
        if differs.await && self.host.may_repair() {
            // What stands in the way is shown and said by then.
            let _ = self.full_pass(ChangeCause::Drift).await;
        }
    }

    async fn observe_and_converge(
        &mut self,
        observed: Option<KernelObservation>,
        difference: ChangeCause,
    ) -> Result<usize, ReconcileError> {
        let observed = match observed {
            Some(observed) => observed,
            None => self.observe(None).await?,
        };
        pending_removal::note_weights(
            &mut self.reconciler.ownership.owned.leaving,
            &observed.state,
        );
        let difference = if self.assign_marks_again(&observed.foreign) {
            ChangeCause::Wanted
        } else {
            difference
        };
        let difference = match self.changed_from.take() {
            Some(before) => {
                self.reconciler.note_leaving(
                    &self.section,
                    &self.desired,
                    &observed.state,
                    &before,
                );
                ChangeCause::Wanted
            }
            None => difference,
        };
        self.converge(observed, difference).await
    }

    /// Brings the table to what is desired. A large table takes long to write, for which new
    /// weights do not wait: they are written between two batches of steps.
    async fn converge(
        &mut self,
        observed: KernelObservation,
        difference: ChangeCause,
    ) -> Result<usize, ReconcileError> {
        let pass = self
            .reconciler
            .begin_pass(&self.desired, observed, difference);
        let mut pass = pass.await;
        while self.reconciler.go_on_with_pass(&mut pass).await {
            // The kernel answers at once, so that nothing else would have its turn.
            yield_now().await;
            self.write_weights_ahead_of(&mut pass).await;
        }
        let observed = if pass.needs_whole_observation() {
            self.observe(None).await?
        } else {
            let observed = self.reconciler.observe_after(&mut pass, &self.desired);
            observed.await?
        };
        let finished = self.reconciler.finish_pass(pass, &self.desired, &observed);
        finished.await
    }

    /// `on_exit: drain`: no new connections, the established ones go on.
    pub(crate) async fn quiesce_all(mut self) -> Result<(), ReconcileError> {
        for service in self.desired.services.values_mut() {
            for (_, destination) in service.destinations.iter_mut() {
                destination.weight = Weight::ZERO;
            }
        }
        let observed = self.reconciler.observe(&self.desired).await?;
        self.assign_marks_again(&observed.foreign);
        let converged = self
            .reconciler
            .converge(&self.desired, observed, ChangeCause::Wanted);
        converged.await.map(drop)
    }

    /// `on_exit: remove`: everything that the agent owns is removed.
    pub(crate) async fn remove_all(mut self) -> Result<(), ReconcileError> {
        self.reconciler
            .remove_all(&self.desired)
            .await?
            .into_result()
    }
}

/// Whether another attempt cannot help, because the whole agent lacks a requirement.
fn is_permanent(failure: &StepFailure) -> bool {
    match &failure.error {
        StepError::Kernel(error) => error.cause.is_permanent(),
        StepError::ArpNotSilenced(_)
        | StepError::VipStillThere(_)
        | StepError::VipElsewhere { .. }
        | StepError::NothingToServe(_) => false,
    }
}

/// Succeeds if an agent with this result of the first pass can do some of its work,
/// now or later.
pub(super) fn if_it_can_go_on(
    first_pass: Result<usize, ReconcileError>,
) -> Result<(), ReconcileError> {
    match first_pass {
        Err(ReconcileError::Steps(failures)) if failures.iter().any(is_permanent) => {
            Err(ReconcileError::Steps(failures))
        }
        Err(ReconcileError::Steps(_)) | Ok(_) => Ok(()),
        Err(error @ ReconcileError::Observe(_)) => Err(error),
    }
}

fn weights(state: &State) -> Weights {
    let services = state.services.iter();
    let weights = services.flat_map(|(service, state)| {
        let destinations = state.destinations.iter();
        destinations.map(|(key, destination)| ((*service, *key), destination.weight))
    });
    weights.collect()
}

pub(super) fn in_from_now(wait: Duration) -> Instant {
    Instant::from_std(clock::monotonic() + wait)
}

#[cfg(test)]
mod tests;
