//! The only writer: observe, diff, apply, and look again.
//!
//! [`Reconciler::converge`] is what both roles share. [`DirectorLoop`] adds the
//! fast path, on which a verdict becomes a weight in the kernel without a
//! dump; [`RealServerLoop`] adds the search for this host's VIPs.

mod apply;
mod counted;
mod director;
mod lock;
mod observe;
mod ownership;
mod publish;
mod real_server;
mod retry;
mod state_file;

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;
use tokio::task::spawn_blocking;
use tracing::{debug, error, info, warn};

pub(crate) use self::apply::Failure;
use self::apply::StepError;
pub(crate) use self::counted::Counted;
pub(crate) use self::director::{Change, DirectorLoop, Request, adopt};
pub(crate) use self::lock::{LockError, RoleLock};
use self::observe::{Observation, Scope, observe};
use self::ownership::Owned;
pub(crate) use self::real_server::{HostChange, RealServerLoop, find_desired};
pub(crate) use self::state_file::{StateFile, StateFileError};
use crate::clock;
use crate::error_chain::error_chain;
use crate::kernel::{Cause, Ipvs, Kernel, KernelError};
use crate::metrics::{DriftKind, Metrics};
use crate::notify::{Event, EventKind, Events};
use crate::plan::{State, Step, Subject, diff, in_safe_order};
use crate::snapshot::Snapshot;

/// Above this many steps, each is logged at DEBUG and only their number at INFO.
const STEPS_AT_INFO: usize = 64;

/// Whether the kernel is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// It is.
    Real,
    /// What would be written is logged instead.
    DryRun,
}

/// Why a difference is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// It is this agent's own wish that is new: a start, a changed VIP.
    Wanted,
    /// The kernel was as desired before: another hand was at it.
    Drift,
}

/// The kernel could not be brought to what is desired.
#[derive(Debug, Error)]
pub(crate) enum ReconcileError {
    /// It could not be read, or its answer is not to be trusted: nothing was written.
    #[error(transparent)]
    Observe(#[from] KernelError),
    /// Some steps failed; all others are done.
    #[error("{} not done: {}", count(.0.len(), "step"), list(.0))]
    Steps(Vec<Failure>),
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn list(failures: &[Failure]) -> String {
    let texts: Vec<_> = failures
        .iter()
        .take(3)
        .map(|failure| error_chain(&failure.error))
        .collect();
    let more = failures.len().saturating_sub(texts.len());
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", texts.join("; "))
}

/// Brings the kernel to a desired state and keeps count of what it took.
pub(crate) struct Reconciler<T> {
    kernel: Kernel<T>,
    owned: Owned,
    /// What the state file holds.
    remembered: Owned,
    state_file: StateFile,
    /// The state file could not be written when it was last tried.
    forgetful: bool,
    writing: Writing,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    events: Arc<Events>,
    /// What the last pass could not bring about: still missing, it is no drift.
    failed: BTreeSet<Subject>,
    /// What was last logged as standing in the way, so as not to repeat it.
    logged: Option<String>,
    /// In a dry run, what was last said would be done.
    proposed: Vec<Step>,
}

impl<T: Ipvs> Reconciler<T> {
    /// Reads the state file; touches nothing.
    pub(crate) fn new(
        kernel: Kernel<T>,
        state_file: StateFile,
        writing: Writing,
        snapshot: Arc<Snapshot>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StateFileError> {
        let owned = state_file.load()?;
        Ok(Self {
            kernel,
            remembered: owned.clone(),
            owned,
            state_file,
            forgetful: false,
            writing,
            snapshot,
            metrics,
            events: Events::none(),
            failed: BTreeSet::new(),
            logged: None,
            proposed: Vec::new(),
        })
    }

    /// From now on drift is told to these.
    pub(crate) fn telling(mut self, events: Arc<Events>) -> Self {
        self.events = events;
        self
    }

    /// Reads all that is desired or owned.
    async fn observe(&mut self, desired: &State) -> Result<Observation, KernelError> {
        observe(&mut self.kernel, &Scope::new(desired, &self.owned)).await
    }

    /// The steps from what was observed to what is desired.
    pub(crate) fn plan(&self, desired: &State, observed: &State) -> Vec<Step> {
        let mut steps = diff(desired, observed);
        steps.extend(self.owned.restores(desired, observed));
        in_safe_order(steps)
    }

    /// One full pass from `observed`: diff, apply, and observe again to see
    /// what the kernel made of it.
    async fn converge(
        &mut self,
        desired: &State,
        observed: Observation,
        difference: Difference,
    ) -> Result<(), ReconcileError> {
        let started = clock::monotonic();
        let steps = self.plan(desired, &observed.state);
        let observed = if self.writing == Writing::DryRun {
            self.propose(steps);
            observed
        } else if steps.is_empty() {
            self.failed.clear();
            observed
        } else {
            self.announce(&steps, difference);
            self.claim(desired, &observed.state).await;
            let failures = apply::apply(&mut self.kernel, desired, &steps).await;
            self.failed = failures
                .iter()
                .map(|failure| failure.subject.clone())
                .collect();
            let observed = self.observe(desired).await?;
            if !failures.is_empty() {
                publish::publish(&self.snapshot, desired, &observed);
                return Err(ReconcileError::Steps(failures));
            }
            observed
        };
        self.release(desired, &observed.state).await;
        publish::publish(&self.snapshot, desired, &observed);
        self.metrics.reconciled(clock::monotonic() - started);
        Ok(())
    }

    /// Says what would be done, once.
    fn propose(&mut self, steps: Vec<Step>) {
        if steps != self.proposed {
            for step in &steps {
                info!("would do: {step}");
            }
            self.proposed = steps;
        }
    }

    /// Says and counts what is about to be done.
    fn announce(&self, steps: &[Step], difference: Difference) {
        let mut drifted = Vec::new();
        for step in steps {
            let drift = match difference {
                Difference::Drift if !self.is_known_failure(step) => drift_kind(step),
                Difference::Drift | Difference::Wanted => None,
            };
            if let Some(kind) = drift {
                self.metrics.drift(kind);
                warn!(kind = kind.as_str(), "drift, repairing: {step}");
                drifted.push(step);
            } else if steps.len() <= STEPS_AT_INFO {
                info!("{step}");
            } else {
                debug!("{step}");
            }
        }
        if steps.len() > STEPS_AT_INFO {
            info!("{} in the kernel", count(steps.len(), "change"));
        }
        if !drifted.is_empty() {
            self.tell_drift(&drifted);
        }
    }

    /// One event for all that one pass repairs.
    fn tell_drift(&self, steps: &[&Step]) {
        let named: Vec<_> = steps.iter().take(3).map(ToString::to_string).collect();
        let more = match steps.len() - named.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let detail = format!("repairing: {}{more}", named.join("; "));
        self.events.emit(Event::of_agent(EventKind::Drift, &detail));
    }

    fn is_known_failure(&self, step: &Step) -> bool {
        let subject = step.subject();
        let of_failed_service = match &subject {
            Subject::Destination(service, _) => self.failed.contains(&Subject::Service(*service)),
            Subject::Sysctl(_)
            | Subject::Timeout(_)
            | Subject::Service(_)
            | Subject::Address(_) => false,
        };
        of_failed_service || self.failed.contains(&subject)
    }

    /// Remembers what is ours before it is written. Traffic comes first: a
    /// disk that cannot be written is no reason to leave the kernel unrepaired.
    async fn claim(&mut self, desired: &State, observed: &State) {
        self.owned.claim(desired, observed);
        self.remember().await;
    }

    async fn release(&mut self, desired: &State, observed: &State) {
        if self.writing == Writing::Real {
            self.owned.claim(desired, observed);
            self.owned.release(desired, observed);
            self.remember().await;
        }
    }

    /// Writes what is owned to the state file, unless it is there already. What
    /// a full disk refuses is tried again in every pass. A disk may take its
    /// time, and a thread of the runtime that waits for it could keep probes
    /// from being made: so another one waits.
    async fn remember(&mut self) {
        if self.owned == self.remembered {
            return;
        }
        let (file, owned) = (self.state_file.clone(), self.owned.clone());
        let saved = spawn_blocking(move || file.save(&owned).map(|()| owned)).await;
        let trouble = match saved {
            Ok(Ok(owned)) => {
                self.remembered = owned;
                None
            }
            Ok(Err(error)) => Some(error_chain(&error)),
            Err(error) => Some(error_chain(&error)),
        };
        // Told once, not with every attempt: the text names a new file each time.
        match (&trouble, self.forgetful) {
            (Some(error), false) => error!(
                error,
                "what the agent owns in the kernel is not remembered across a restart"
            ),
            (None, true) => info!("what the agent owns in the kernel is remembered again"),
            (Some(_), true) | (None, false) => {}
        }
        self.forgetful = trouble.is_some();
    }

    /// Keeps the outcome of a pass where it is shown, and says once what is in the way.
    fn note<Done>(&mut self, result: &Result<Done, ReconcileError>) {
        let text = result.as_ref().err().map(|error| error_chain(error));
        {
            let mut record = self.snapshot.reconcile.lock();
            record.error.clone_from(&text);
            if text.is_none() {
                record.last_success = Some(clock::wall());
            }
        }
        if text != self.logged {
            if let Some(error) = &text {
                error!(error, "the kernel is not as configured");
            } else {
                info!("the kernel is as configured again");
            }
            self.logged = text;
        }
    }

    /// Takes all that is owned or configured out of the kernel again.
    pub(crate) async fn remove_all(
        &mut self,
        configured: &State,
    ) -> Result<Vec<Step>, ReconcileError> {
        let nothing = State::default();
        self.owned.services.extend(configured.services.keys());
        self.owned
            .addresses
            .extend(configured.addresses.iter().cloned());
        let observed = self.observe(&nothing).await?;
        let steps = self.plan(&nothing, &observed.state);
        if self.writing == Writing::Real {
            let failures = apply::apply(&mut self.kernel, &nothing, &steps).await;
            let observed = self.observe(&nothing).await?;
            self.owned.release(&nothing, &observed.state);
            self.remember().await;
            if !failures.is_empty() {
                return Err(ReconcileError::Steps(failures));
            }
        }
        Ok(steps)
    }
}

/// Whether the kernel's answer means that it is not what it was last seen to be.
fn calls_for_another_look(error: &StepError) -> bool {
    matches!(
        error,
        StepError::Kernel(KernelError {
            cause: Cause::Exists | Cause::Missing,
            ..
        })
    )
}

fn drift_kind(step: &Step) -> Option<DriftKind> {
    match step {
        Step::AddService { .. } => Some(DriftKind::ServiceMissing),
        Step::SetService { .. } => Some(DriftKind::ServiceChanged),
        Step::AddDestination { .. } => Some(DriftKind::RealServerMissing),
        Step::SetDestination { .. } => Some(DriftKind::RealServerChanged),
        Step::RemoveDestination { .. } => Some(DriftKind::RealServerExtra),
        Step::AddAddress(_) => Some(DriftKind::AddressMissing),
        Step::SetSysctl { .. } => Some(DriftKind::SysctlChanged),
        Step::SetTimeout { .. } => Some(DriftKind::TimeoutChanged),
        Step::RemoveService { .. }
        | Step::RemoveAddress(_)
        | Step::RestoreSysctl { .. }
        | Step::RestoreTimeout { .. } => None,
    }
}
