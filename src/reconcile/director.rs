mod fast_path;
mod look;
mod marks;
mod resets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use self::look::Departures;
use self::resets::Resets;
use super::adopt::{Adopted, adopt, desired_of, probe_marks};
use super::host_watch::HostWatch;
use super::retry::Retry;
use super::{Difference, Failure, ReconcileError, Reconciler, StepError};
use crate::config::{self, Config};
use crate::health::weight_updates::Intent;
use crate::kernel::Ipvs;
use crate::metrics::Metrics;
use crate::model::{Destination, RealServerKey, ServiceKey, Weight, Weights};
use crate::plan::probe_marks::Marks;
use crate::plan::{State, desired, pending_removal};
use crate::runtime::clock;
use crate::runtime::liveness::{Liveness, Loop};
use crate::runtime::signals::Stopping;
use crate::status::Snapshot;

/// How often the connections of what is being drained or leaving are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps a director's table as the configuration and the verdicts want it.
pub(crate) struct DirectorLoop<T> {
    reconciler: Reconciler<T>,
    desired: State,
    intent: Arc<Intent>,
    retry: Retry,
    next_pass: Instant,
    host: HostWatch,
    /// Of that section, what becomes of what is no longer configured.
    section: config::Director,
    /// Of what is leaving, when it goes and what is left.
    departures: Departures,
    /// The real servers that are out of the table for as long as they are
    /// down, as they are to be put back.
    removed: BTreeMap<(ServiceKey, RealServerKey), Destination>,
    /// Those whose connections are being ended.
    resets: Resets,
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
    /// Those of them that are to be out of the table.
    pub(crate) removed: BTreeSet<(ServiceKey, RealServerKey)>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) metrics: Arc<Metrics>,
    /// Where health puts the weights that it wants from now on.
    pub(crate) intent: Arc<Intent>,
    /// Told in how many steps the kernel became as the new configuration
    /// wants it, or why it is not.
    pub(crate) done: oneshot::Sender<Result<usize, ReconcileError>>,
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
        reconciler.check_link(config).await?;
        let Adopted { desired, observed } = adopt(&mut reconciler, config).await?;
        reconciler.interfaces_seen = true;
        reconciler.update_mark_conditions(&observed.foreign);
        let result = reconciler
            .converge(&desired, observed, Difference::Wanted)
            .await;
        reconciler.note(&result);
        let succeeded = result.is_ok();
        if_it_can_go_on(result)?;
        let mut retry = Retry::new(config.director.resync_interval);
        let next_pass = in_from_now(retry.after(succeeded));
        let mut director = Self {
            reconciler,
            desired,
            intent,
            retry,
            next_pass,
            host: HostWatch::new(),
            section: config.director.clone(),
            departures: Departures::new(),
            removed: BTreeMap::new(),
            resets: Resets::default(),
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
                () = stopping.recv() => {
                    self.put_back_all().await;
                    return self;
                }
                Some(request) = requests.recv() => self.answer(request).await,
                () = self.intent.changed() => self.write_weights().await,
                () = sleep_until(next_look) => {
                    next_look = in_from_now(LOOK);
                    self.look_at_draining().await;
                    self.look_at_leaving().await;
                }
                () = sleep_until(self.resets.next()), if self.resets.any() => {
                    self.go_on_with_resets().await;
                }
                () = self.host.due(), if !self.resets.any() => self.look_at_host().await,
                () = sleep_until(self.next_pass), if !self.resets.any() => {
                    self.write_weights().await;
                    // What stands in the way is shown and said by then.
                    let _ = self.full_pass(Difference::Drift).await;
                }
            }
        }
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
            removed,
            snapshot,
            metrics,
            intent,
            done,
        } = change;
        let mut resets = self.put_back_all().await;
        resets.extend(self.unwritten_resets());
        self.intent = intent;
        let before = std::mem::replace(&mut self.reconciler.snapshot, snapshot);
        self.changed_from.get_or_insert(before);
        self.section.clone_from(&config.director);
        self.reconciler.metrics = metrics;
        self.retry = Retry::new(config.director.resync_interval);
        self.reconciler.probe_marks = probe_marks(&config);
        self.reconciler.unneeded = desired::unneeded_by_director(&config);
        // Of others' services the pass below knows, before anything is written.
        let marks = self.reconciler.board.marks();
        let marks = Marks::assign(&config, &marks, &BTreeSet::new());
        self.desired = desired_of::<T>(&config, &marks, |service, real_server, _| {
            let weight = weights.get(&(*service, *real_server));
            weight.copied().unwrap_or(Weight::ZERO)
        });
        self.reconciler.board.assign(marks);
        self.removed = removed
            .into_iter()
            .filter_map(|key| {
                let state = self.desired.services.get_mut(&key.0)?;
                Some((key, state.destinations.remove(&key.1)?))
            })
            .collect();
        self.see_replaced();
        let result = self.full_pass(Difference::Wanted).await;
        self.reset_again(resets).await;
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

    /// Repairs what another hand has changed on this host.
    async fn look_at_host(&mut self) {
        let addresses = self.host.begin();
        let differs = self.reconciler.host_differs(&self.desired, addresses);
        if differs.await && self.host.may_repair() {
            // What stands in the way is shown and said by then.
            let _ = self.full_pass(Difference::Drift).await;
        }
    }

    async fn observe_and_converge(
        &mut self,
        difference: Difference,
    ) -> Result<usize, ReconcileError> {
        let observed = self.reconciler.observe(&self.desired).await?;
        pending_removal::see(&mut self.reconciler.owned.leaving, &observed.state);
        let difference = if self.assign_marks_again(&observed.foreign) {
            Difference::Wanted
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

/// Whether an agent whose first pass ended so can do some of its work, or can
/// later.
pub(super) fn if_it_can_go_on(
    first_pass: Result<(), ReconcileError>,
) -> Result<(), ReconcileError> {
    match first_pass {
        Err(ReconcileError::Steps(failures)) if failures.iter().any(is_for_good) => {
            Err(ReconcileError::Steps(failures))
        }
        Err(ReconcileError::Steps(_)) | Ok(()) => Ok(()),
        Err(error @ ReconcileError::Observe(_)) => Err(error),
    }
}

pub(super) fn in_from_now(wait: Duration) -> Instant {
    Instant::from_std(clock::monotonic() + wait)
}

#[cfg(test)]
mod tests;
