//! Execution of the steps of a plan.

use std::collections::BTreeSet;
use std::net::IpAddr;

use thiserror::Error;

use crate::kernel::{Cause, Ipvs, Kernel, KernelError};
use crate::model::{LocalAddress, ServiceKey, SysctlKey};
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
    held_back: &HeldBack,
    steps: Vec<Step>,
) -> AppliedSteps {
    let silent_about = held_back.silent_about.as_ref();
    let mut run = Run {
        desired,
        silent: silent_about.is_some(),
        unneeded: &held_back.unneeded,
        outcome: AppliedSteps::default(),
        lost_services: BTreeSet::new(),
    };
    let mut batch = Batch::default();
    for step in steps {
        match &step {
            Step::AddService { .. }
            | Step::SetService { .. }
            | Step::RemoveService { .. }
            | Step::SetTimeout { .. }
            | Step::RestoreTimeout { .. } => {}
            Step::AddDestination { service, .. }
            | Step::SetDestination { service, .. }
            | Step::RemoveDestination { service, .. } => {
                if batch.holds_services {
                    run.write(&mut kernel.ipvs, &mut batch).await;
                }
                if run.lost_services.contains(service) {
                    continue;
                }
            }
            Step::SetSysctl { key, to, .. } => {
                run.write(&mut kernel.ipvs, &mut batch).await;
                let done = kernel.sysctls.write(key, to);
                run.note(step, done.map_err(StepError::from));
                continue;
            }
            Step::RestoreSysctl { key, to, .. } => {
                run.write(&mut kernel.ipvs, &mut batch).await;
                let done = if run.left_a_vip() {
                    Err(StepError::VipStillThere(key.clone()))
                } else {
                    restore(kernel, silent_about, key, to).await
                };
                run.note(step, done);
                continue;
            }
            Step::AddAddress(address) => {
                run.write(&mut kernel.ipvs, &mut batch).await;
                let done = match run.harm(address) {
                    Some(error) => Err(error),
                    None => kernel.addresses.add(address).await.map_err(StepError::from),
                };
                run.note(step, done);
                continue;
            }
            Step::RemoveAddress(address) => {
                run.write(&mut kernel.ipvs, &mut batch).await;
                let done = kernel.addresses.remove(address).await;
                run.note(step, done.map_err(StepError::from));
                continue;
            }
        }
        batch.push(step);
        if batch.steps.len() == LARGEST_BATCH {
            run.write(&mut kernel.ipvs, &mut batch).await;
        }
    }
    run.write(&mut kernel.ipvs, &mut batch).await;
    run.outcome
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

/// How many steps go out together: the answers to all of a large table would take memory.
const LARGEST_BATCH: usize = 1024;

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

struct Run<'a> {
    desired: &'a State,
    /// Whether this host is a real server, which must not answer ARP for its VIPs.
    silent: bool,
    unneeded: &'a BTreeSet<SysctlKey>,
    outcome: AppliedSteps,
    lost_services: BTreeSet<ServiceKey>,
}

impl Run<'_> {
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
            self.note(step, done.map_err(StepError::from));
        }
    }

    fn note(&mut self, step: Step, done: Result<(), StepError>) {
        match done {
            Ok(()) => self.outcome.done.push(step),
            Err(error) => self.outcome.failures.push(StepFailure {
                subject: step.subject(),
                error,
            }),
        }
    }

    /// Whether an address that had to be removed may still exist.
    fn left_a_vip(&self) -> bool {
        let mut failures = self.outcome.failures.iter().filter(|_| self.silent);
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
            sysctl.is_some_and(|key| !self.unneeded.contains(key))
        };
        if self.silent && self.outcome.failures.iter().any(sysctl) {
            return Some(StepError::ArpNotSilenced(address.clone()));
        }
        let mut services = self
            .desired
            .services
            .keys()
            .filter(|key| key.vip() == Some(address.address))
            .peekable();
        let all_lost =
            services.peek().is_some() && services.all(|key| self.lost_services.contains(key));
        all_lost.then(|| StepError::NothingToServe(address.clone()))
    }
}
