use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::apply::destination_write;
use super::calls_for_another_look;
use super::retry::Retry;
use super::{Difference, Failure, ReconcileError, Reconciler, StepError, Writing};
use crate::clock;
use crate::config::Config;
use crate::desired;
use crate::error_chain::error_chain;
use crate::health::{self, Health};
use crate::intent::{Intent, WeightChange};
use crate::kernel::Ipvs;
use crate::liveness::{Liveness, Loop};
use crate::model::{RealServerId, RealServerKey, ServiceKey, Weight};
use crate::plan::{State, Step};
use crate::signals::Stopping;

/// Keeps a director's table as the configuration and the verdicts want it.
pub(crate) struct DirectorLoop<T> {
    reconciler: Reconciler<T>,
    desired: State,
    intent: Arc<Intent>,
    retry: Retry,
    next_pass: Instant,
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
        let (desired, observed) = adopt(&mut reconciler, config).await?;
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
        Ok(Self {
            reconciler,
            desired,
            intent,
            retry,
            next_pass,
        })
    }

    /// Writes weights as they change and the whole as it drifts, until
    /// `stopping` says so. It stops between operations, never in one.
    pub(crate) async fn run(mut self, mut stopping: Stopping, liveness: Arc<Liveness>) -> Self {
        loop {
            liveness.beat(Loop::Reconcile, clock::monotonic());
            tokio::select! {
                biased;
                () = stopping.recv() => return self,
                () = self.intent.changed() => self.write_weights().await,
                () = sleep_until(self.next_pass) => {
                    self.write_weights().await;
                    self.full_pass().await;
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
            for Pending { step, .. } in &pending {
                info!("would do: {step}");
            }
            return;
        }
        let writes: Vec<_> = pending
            .iter()
            .filter_map(|pending| destination_write(&pending.step))
            .collect();
        let results = self.reconciler.kernel.ipvs.write(&writes).await;
        for (pending, result) in pending.iter().zip(results) {
            match result {
                Ok(()) => self.written(pending),
                Err(error) => self.not_written(pending, &StepError::Kernel(error)),
            }
        }
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
        pending.sort_by_key(|pending| pending.change.weight == Weight::ZERO);
        pending
    }

    fn written(&self, pending: &Pending) {
        debug!("{}", pending.step);
        if let Some((_, record)) = self.reconciler.snapshot.records(pending.id) {
            record.live.lock().kernel = Some(pending.change.weight);
        }
        if let Some(first_failure) = pending.change.first_failure {
            let took = clock::monotonic().saturating_duration_since(first_failure);
            self.reconciler
                .metrics
                .detected(pending.id.service_index(), took);
        }
    }

    fn not_written(&mut self, pending: &Pending, error: &StepError) {
        warn!(
            error = error_chain(error),
            "not written, looking at the whole table: {}", pending.step
        );
        let wait = if calls_for_another_look(error) {
            Duration::ZERO
        } else {
            self.reconciler.failed.insert(pending.step.subject());
            self.retry.after(false)
        };
        self.next_pass = self.next_pass.min(in_from_now(wait));
    }

    async fn full_pass(&mut self) {
        let result = match self.reconciler.observe(&self.desired).await {
            Ok(observed) => {
                self.reconciler
                    .converge(&self.desired, observed, Difference::Drift)
                    .await
            }
            Err(error) => Err(error.into()),
        };
        self.reconciler.note(&result);
        self.next_pass = in_from_now(self.retry.after(result.is_ok()));
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
        self.reconciler
            .converge(&self.desired, observed, Difference::Wanted)
            .await
    }

    /// `on_exit: remove`: all that is ours goes.
    pub(crate) async fn remove_all(mut self) -> Result<(), ReconcileError> {
        self.reconciler.remove_all(&self.desired).await.map(drop)
    }
}

/// What a director that starts now desires, and what it found.
///
/// A real server keeps the weight that the kernel has for it until there is a
/// verdict.
pub(crate) async fn adopt<T: Ipvs>(
    reconciler: &mut Reconciler<T>,
    config: &Config,
) -> Result<(State, super::Observation), ReconcileError> {
    let bare = wanted::<T>(config, |_, _, _| Weight::ZERO);
    let observed = reconciler.observe(&bare).await?;
    let desired = wanted::<T>(config, |service, real_server, configured| {
        let state = observed.state.services.get(service);
        let held = state.and_then(|state| state.destinations.get(real_server));
        health::weight(
            Health::Unknown,
            configured,
            held.map_or(Weight::ZERO, |d| d.weight),
        )
    });
    Ok((desired, observed))
}

/// What the configuration wants of a host with this table: a table inside the
/// process goes without the sysctls of the kernel's IPVS, which may have none.
fn wanted<T: Ipvs>(
    config: &Config,
    weight: impl Fn(&ServiceKey, &RealServerKey, Weight) -> Weight,
) -> State {
    let mut wanted = desired::director(config, weight);
    if !T::IN_KERNEL {
        wanted.sysctls.retain(|key, _| !key.is_of_ipvs());
    }
    wanted
}

/// Whether trying again cannot help: the whole agent lacks what it stands on.
fn is_for_good(failure: &Failure) -> bool {
    match &failure.error {
        StepError::Kernel(error) => error.cause.is_for_good(),
        StepError::ArpNotSilenced(_) | StepError::NothingToServe(_) => false,
    }
}

pub(super) fn in_from_now(wait: Duration) -> Instant {
    Instant::from_std(clock::monotonic() + wait)
}

#[cfg(test)]
mod tests;
