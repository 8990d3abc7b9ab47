//! Execution of the steps of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::vec;

use thiserror::Error;

use crate::kernel::{Cause, Ipvs, Kernel, KernelError};
use crate::model::{LocalAddress, MemberKey, ServiceKey, SysctlKey, Weight};
use crate::plan::{State, Step, Subject};

/// The result of some steps. A step that was not tried, because it depends on a
/// failed step, is in neither list.
#[derive(Debug, Default)]
pub(crate) struct AppliedSteps {
    pub(crate) done: Vec<Step>,
    pub(crate) failures: Vec<StepFailure>,
}

/// A failed step and its error.
#[derive(Debug, Clone)]
pub(crate) struct StepFailure {
    pub(crate) subject: Subject,
    pub(crate) error: StepError,
}

/// The error of a failed step.
#[derive(Debug, Clone, Error)]
pub(crate) enum StepError {
    /// The kernel refused the step.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The step would have done harm.
    #[error(
        "address {0} is held back until every sysctl is set: it would answer ARP for the director"
    )]
    ArpNotSilenced(LocalAddress),
    /// The step would have done harm.
    #[error("sysctl {0} is held back until every VIP is removed: it would be answered for by ARP")]
    VipStillThere(SysctlKey),
    /// The step would have done harm.
    #[error(
        "sysctl {sysctl} is held back: {} is still on this host, put there by another program, and would \
         be answered for by ARP; find it with `ip address`, remove it, and run `cleanup` again", list(.vips)
    )]
    VipElsewhere {
        sysctl: SysctlKey,
        vips: BTreeSet<IpAddr>,
    },
    /// The step would have done harm.
    #[error("address {0} is held back: none of its virtual services could be made")]
    NothingToServe(LocalAddress),
}

impl StepError {
    /// Whether the next attempt will fail in the same way, unless somebody follows
    /// the advice in the message.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Kernel(error) => error.cause.is_lasting(),
            // These last as long as their cause, which has an error of its own.
            Self::ArpNotSilenced(_) | Self::NothingToServe(_) => true,
            Self::VipStillThere(_) | Self::VipElsewhere { .. } => false,
        }
    }
}

fn list(vips: &BTreeSet<IpAddr>) -> String {
    let vips: Vec<_> = vips.iter().map(ToString::to_string).collect();
    vips.join(", ")
}

/// What decides whether a step would do harm.
#[derive(Debug, Default)]
pub(crate) struct HeldBack {
    /// The VIPs that a real server has to lose, and must not answer ARP for until
    /// then; `None` for a director, which has to answer.
    pub(crate) silent_about: Option<BTreeSet<IpAddr>>,
    /// The parameters that a VIP does not need.
    pub(crate) unneeded: BTreeSet<SysctlKey>,
}

/// Carries out the steps, which are in safe order, and returns the results.
///
/// A step that depends on a failed step is not tried: a real server of a service
/// that could not be added, a VIP whose ARP sysctls could not be set, a VIP none
/// of whose services could be added, the old value of a sysctl while a VIP could
/// not be removed.
pub(crate) async fn apply<T: Ipvs>(
    kernel: &mut Kernel<T>,
    desired: &State,
    held_back: HeldBack,
    steps: Vec<Step>,
) -> AppliedSteps {
    let mut unfinished = UnfinishedSteps::new(desired, held_back, steps);
    while unfinished.write_next(kernel).await {}
    unfinished.take_results()
}

/// How many steps go out together: the answers to all of a large table would take memory, and a
/// new weight waits for them.
const LARGEST_BATCH: usize = 1024;

/// Steps that are carried out one batch after the other: the table may be written between two of
/// them.
#[derive(Debug)]
pub(crate) struct UnfinishedSteps {
    left: vec::IntoIter<Step>,
    held_back: HeldBack,
    /// The services of each VIP that is added.
    served: BTreeMap<IpAddr, Vec<ServiceKey>>,
    /// What was decided on real servers since the steps were planned: a weight, or `None` for one
    /// that left the table.
    decided: BTreeMap<MemberKey, Option<Weight>>,
    applied: AppliedSteps,
    lost_services: BTreeSet<ServiceKey>,
}

impl UnfinishedSteps {
    /// All steps that lead to `desired`.
    pub(crate) fn new(desired: &State, held_back: HeldBack, steps: Vec<Step>) -> Self {
        let mut served = BTreeMap::new();
        for step in &steps {
            if let Step::AddAddress(LocalAddress { address, .. }) = step {
                let services = desired.services.keys().copied();
                let of_vip = services.filter(|key| key.vip() == Some(*address));
                served.insert(*address, of_vip.collect());
            }
        }
        Self {
            left: steps.into_iter(),
            held_back,
            served,
            decided: BTreeMap::new(),
            applied: AppliedSteps::default(),
            lost_services: BTreeSet::new(),
        }
    }

    /// The real servers that one of the steps left adds: until then, the table does not have them.
    pub(crate) fn left_to_add(&self) -> BTreeSet<MemberKey> {
        let mut added = BTreeSet::new();
        for step in self.left.as_slice() {
            if let Step::AddDestination { service, key, .. } = step {
                added.insert((*service, *key));
            }
        }
        added
    }

    /// Takes account of a step for a real server that was decided after these: a step left for
    /// it does not bring back what held before.
    pub(crate) fn note(&mut self, step: &Step) {
        if let Subject::Destination(service, key) = step.subject() {
            let weight = step.destination().map(|destination| destination.weight);
            self.decided.insert((service, key), weight);
        }
    }

    /// The step with what was decided by now; `None` if the step is not wanted any longer.
    fn as_decided(&self, mut step: Step) -> Option<Step> {
        if self.decided.is_empty() {
            return Some(step);
        }
        let Subject::Destination(service, key) = step.subject() else {
            return Some(step);
        };
        match (self.decided.get(&(service, key)), step.destination_mut()) {
            (None, _) => {}
            (Some(Some(weight)), Some(destination)) => destination.weight = *weight,
            (Some(Some(_)), None) | (Some(None), _) => return None,
        }
        Some(step)
    }

    /// Carries out the next steps, [`LARGEST_BATCH`] of the table at the most. Returns whether
    /// there are more.
    pub(crate) async fn write_next<T: Ipvs>(&mut self, kernel: &mut Kernel<T>) -> bool {
        let mut batch = Batch::default();
        while batch.steps.len() < LARGEST_BATCH
            && let Some(step) = self.left.next()
        {
            let Some(step) = self.as_decided(step) else {
                continue;
            };
            match &step {
                Step::AddService { .. }
                | Step::SetService { .. }
                | Step::RemoveService { .. }
                | Step::SetTimeout { .. }
                | Step::RestoreTimeout { .. } => batch.push(step),
                Step::AddDestination { service, .. }
                | Step::SetDestination { service, .. }
                | Step::RemoveDestination { service, .. } => {
                    let service = *service;
                    if batch.holds_services {
                        self.write(&mut kernel.ipvs, &mut batch).await;
                    }
                    if !self.lost_services.contains(&service) {
                        batch.push(step);
                    }
                }
                Step::SetSysctl { key, to, .. } => {
                    self.write(&mut kernel.ipvs, &mut batch).await;
                    let done = kernel.sysctls.write(key, to);
                    self.note_result(step, done.map_err(StepError::from));
                }
                Step::RestoreSysctl { key, to, .. } => {
                    self.write(&mut kernel.ipvs, &mut batch).await;
                    let done = if self.left_a_vip() {
                        Err(StepError::VipStillThere(key.clone()))
                    } else {
                        restore(kernel, self.held_back.silent_about.as_ref(), key, to).await
                    };
                    self.note_result(step, done);
                }
                Step::AddAddress(address) => {
                    self.write(&mut kernel.ipvs, &mut batch).await;
                    let done = match self.harm(address) {
                        Some(error) => Err(error),
                        None => kernel.addresses.add(address).await.map_err(StepError::from),
                    };
                    self.note_result(step, done);
                }
                Step::RemoveAddress(address) => {
                    self.write(&mut kernel.ipvs, &mut batch).await;
                    let done = kernel.addresses.remove(address).await;
                    self.note_result(step, done.map_err(StepError::from));
                }
            }
        }
        self.write(&mut kernel.ipvs, &mut batch).await;
        self.left.len() > 0
    }

    /// The results of the steps that were carried out.
    pub(crate) fn take_results(&mut self) -> AppliedSteps {
        std::mem::take(&mut self.applied)
    }

    async fn write<T: Ipvs>(&mut self, ipvs: &mut T, batch: &mut Batch) {
        let Batch { steps, .. } = std::mem::take(batch);
        if steps.is_empty() {
            return;
        }
        let results = ipvs.write(&steps).await;
        for (step, done) in steps.into_iter().zip(results) {
            if let (Step::AddService { key, .. }, Err(_)) = (&step, &done) {
                self.lost_services.insert(*key);
            }
            self.note_result(step, done.map_err(StepError::from));
        }
    }

    fn note_result(&mut self, step: Step, done: Result<(), StepError>) {
        match done {
            Ok(()) => self.applied.done.push(step),
            Err(error) => self.applied.failures.push(StepFailure {
                subject: step.subject(),
                error,
            }),
        }
    }

    /// Whether this host is a real server, which must not answer ARP for its VIPs.
    const fn is_silent(&self) -> bool {
        self.held_back.silent_about.is_some()
    }

    /// Whether an address that had to be removed may still exist.
    fn left_a_vip(&self) -> bool {
        let mut failures = self.applied.failures.iter().filter(|_| self.is_silent());
        failures.any(|failure| {
            matches!(failure.subject, Subject::Address(_))
                && !matches!(
                    &failure.error,
                    StepError::Kernel(KernelError {
                        cause: Cause::Missing,
                        ..
                    })
                )
        })
    }

    fn harm(&self, address: &LocalAddress) -> Option<StepError> {
        let sysctl = |failure: &StepFailure| {
            let sysctl = failure.subject.sysctl();
            sysctl.is_some_and(|key| !self.held_back.unneeded.contains(key))
        };
        if self.is_silent() && self.applied.failures.iter().any(sysctl) {
            return Some(StepError::ArpNotSilenced(address.clone()));
        }
        let services = self.served.get(&address.address);
        let all_lost = services.is_some_and(|services| {
            !services.is_empty() && services.iter().all(|key| self.lost_services.contains(key))
        });
        all_lost.then(|| StepError::NothingToServe(address.clone()))
    }
}

async fn restore<T: Ipvs>(
    kernel: &mut Kernel<T>,
    silent_about: Option<&BTreeSet<IpAddr>>,
    sysctl: &SysctlKey,
    to: &str,
) -> Result<(), StepError> {
    let vips: BTreeSet<_> = match silent_about {
        Some(vips) => {
            let local = kernel.addresses.local().await?;
            local.intersection(vips).copied().collect()
        }
        None => BTreeSet::new(),
    };
    if vips.is_empty() {
        Ok(kernel.sysctls.write(sysctl, to)?)
    } else {
        let sysctl = sysctl.clone();
        Err(StepError::VipElsewhere { sysctl, vips })
    }
}

/// Steps for the table that may go out together.
#[derive(Default)]
struct Batch {
    steps: Vec<Step>,
    holds_services: bool,
}

impl Batch {
    fn push(&mut self, step: Step) {
        self.holds_services |= matches!(step.subject(), Subject::Service(_));
        self.steps.push(step);
    }
}
