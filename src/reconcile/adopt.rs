use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::observe::Observation;
use super::{ReconcileError, Reconciler};
use crate::config::Config;
use crate::desired;
use crate::health::{self, Health};
use crate::kernel::Ipvs;
use crate::model::{RealServerKey, ServiceKey, Weight};
use crate::plan::State;
use crate::via_vip::Marks;

/// What a director that starts now desires, and what it found.
pub(crate) struct Adopted {
    pub(crate) desired: State,
    pub(crate) observed: Observation,
    /// By which others have services, though they are for probes.
    pub(super) foreign_marks: BTreeSet<NonZeroU32>,
}

/// Looks at the table before anything is written.
///
/// A real server keeps the weight that the kernel has for it until there is a
/// verdict, and a path of probes the mark that leads over it there.
pub(crate) async fn adopt<T: Ipvs>(
    reconciler: &mut Reconciler<T>,
    config: &Config,
) -> Result<Adopted, ReconcileError> {
    let zero = |_: &ServiceKey, _: &RealServerKey, _| Weight::ZERO;
    let bare = desired_of::<T>(config, &Marks::default(), zero);
    let mut observed = reconciler.observe(&bare).await?;
    let found = Marks::found(config, &observed.state);
    let foreign_marks = reconciler.foreign_marks(config).await?;
    let marks = Marks::assign(config, found.by_path(), &foreign_marks);
    reconciler.board.assign(found);
    if !marks.by_path().is_empty() {
        let with_marks = desired_of::<T>(config, &marks, zero);
        observed = reconciler.observe(&with_marks).await?;
    }
    let desired = desired_of::<T>(config, &marks, |service, real_server, configured| {
        let held = observed.state.weight(service, real_server);
        health::weight(Health::Unknown, configured, held.unwrap_or(Weight::ZERO))
    });
    reconciler.board.assign(marks);
    let names = Arc::clone(&reconciler.snapshot);
    reconciler.note_leaving(
        config.director.on_removal,
        &desired,
        &observed.state,
        &names,
    );
    Ok(Adopted {
        desired,
        observed,
        foreign_marks,
    })
}

/// A table inside this process takes no traffic, so no VIP may bring any; and
/// the host's parameters are not touched to try something out.
pub(super) fn desired_of<T: Ipvs>(
    config: &Config,
    marks: &Marks,
    weight: impl Fn(&ServiceKey, &RealServerKey, Weight) -> Weight,
) -> State {
    let mut desired = desired::director(config, marks, weight);
    if !T::IN_KERNEL {
        desired.addresses.clear();
        desired.sysctls.clear();
    }
    desired
}
