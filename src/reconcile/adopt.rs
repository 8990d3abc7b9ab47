//! The start of a director on a table that exists.

use std::sync::Arc;

use super::observe::KernelObservation;
use super::{ReconcileError, Reconciler};
use crate::config::{Config, ProbeMark};
use crate::health;
use crate::kernel::Ipvs;
use crate::model::{Health, RealServerKey, ServiceKey, Weight};
use crate::plan::probe_marks::Marks;
use crate::plan::{State, desired, pending_removal};

/// The desired and the observed state at the start of a director.
pub(crate) struct Adopted {
    pub(crate) desired: State,
    pub(crate) observed: KernelObservation,
}

/// Observes the table before anything is written.
///
/// A real server keeps its weight in the kernel until health has a result, and a
/// path of probes keeps its mark. Only the state file decides which services by
/// marks for probes belong to the agent.
pub(crate) async fn adopt<T: Ipvs>(
    reconciler: &mut Reconciler<T>,
    config: &Config,
) -> Result<Adopted, ReconcileError> {
    reconciler.probe_marks = probe_marks(config);
    let unneeded = desired::unneeded_by_director(config);
    reconciler.failed.set_unneeded(unneeded);
    let zero = |_: &ServiceKey, _: &RealServerKey, _| Weight::ZERO;
    let bare = desired::director(config, &Marks::default(), zero);
    let observed = reconciler.observe(&bare).await?;
    let found = Marks::found(config, &observed.state);
    let marks = Marks::assign(config, &found, &observed.foreign);
    reconciler.mark_registry.assign(found);
    let desired = desired::director(config, &marks, |service, real_server, configured| {
        let held = observed.state.weight(service, real_server);
        health::weight(Health::Unknown, configured, held.unwrap_or(Weight::ZERO))
    });
    reconciler.mark_registry.assign(marks);
    let names = Arc::clone(&reconciler.snapshot);
    reconciler.unreplaced = pending_removal::unreplaced(config, &desired);
    reconciler.note_leaving(&config.director, &desired, &observed.state, &names);
    Ok(Adopted { desired, observed })
}

/// The range of marks, if a check leads through a VIP.
pub(super) fn probe_marks(config: &Config) -> Option<ProbeMark> {
    let range = config.director.probe_mark;
    config.asks_through_vips().then_some(range)
}
