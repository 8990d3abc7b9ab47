//! An IPVS table inside this process, for `--table memory` and for tests.

mod host;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::io::Errno;

pub(crate) use self::host::MemoryAddresses;
pub(super) use self::host::MemorySysctls;
use super::{Cause, Ipvs, KernelError, ObservedDestination, ObservedService};
use crate::model::{
    Connections, Destination, RealServerKey, ServiceKey, Statistics, TableStatus, Timeout,
};
use crate::plan::{ServiceState, State, Step, StepKind, Subject};
use crate::runtime::shared::Shared;

/// A table that behaves as the kernel's does, without any traffic. A new table is
/// empty, and a clone is a second handle on the same table.
#[derive(Debug, Clone)]
pub(crate) struct MemoryIpvs {
    table: Arc<Shared<State>>,
}

/// The time-outs of `ip_vs_proto_tcp.c` and `ip_vs_proto_udp.c`, in seconds.
const TIMEOUTS: [(Timeout, u32); 3] = [
    (Timeout::Tcp, 900),
    (Timeout::TcpFin, 120),
    (Timeout::Udp, 300),
];

impl Default for MemoryIpvs {
    fn default() -> Self {
        let table = State {
            timeouts: TIMEOUTS.into(),
            ..State::default()
        };
        Self {
            table: Arc::new(Shared::new(table)),
        }
    }
}

fn observed_service(state: &ServiceState) -> ObservedService {
    ObservedService {
        service: state.service.clone(),
        statistics: Statistics::default(),
    }
}

fn observed_destination(destination: Destination) -> ObservedDestination {
    ObservedDestination {
        destination,
        connections: Connections::default(),
        statistics: Statistics::default(),
    }
}

impl Ipvs for MemoryIpvs {
    async fn services(&mut self) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        let table = self.table.lock();
        Ok(table
            .services
            .iter()
            .map(|(key, state)| (*key, observed_service(state)))
            .collect())
    }

    async fn find(
        &mut self,
        services: &[ServiceKey],
    ) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        let table = self.table.lock();
        let found = services
            .iter()
            .filter_map(|key| Some((*key, observed_service(table.services.get(key)?))));
        Ok(found.collect())
    }

    async fn destinations(
        &mut self,
        service: &ServiceKey,
    ) -> Result<BTreeMap<RealServerKey, ObservedDestination>, KernelError> {
        let table = self.table.lock();
        let state = table.services.get(service).into_iter();
        let destinations = state.flat_map(|state| state.destinations.iter());
        Ok(destinations
            .map(|(key, destination)| (*key, observed_destination(*destination)))
            .collect())
    }

    async fn timeouts(&mut self) -> Result<BTreeMap<Timeout, u32>, KernelError> {
        Ok(self.table.lock().timeouts.clone())
    }

    async fn status(&mut self) -> Result<TableStatus, KernelError> {
        Ok(TableStatus::default())
    }

    async fn write(&mut self, steps: &[Step]) -> Vec<Result<(), KernelError>> {
        let mut table = self.table.lock();
        steps
            .iter()
            .map(|step| {
                apply(&mut table, step).map_err(|cause| KernelError::new(step.operation(), cause))
            })
            .collect()
    }
}

/// Carries out a step with the refusals of `ip_vs_genl_set_cmd` in `ip_vs_ctl.c`.
fn apply(table: &mut State, step: &Step) -> Result<(), Cause> {
    let subject = step.subject();
    if !subject.is_of_table() {
        return Err(Cause::not_of_table());
    }
    let of = subject.service().filter(|_| step.kind() == StepKind::Add);
    if let (Subject::Destination(..), Some(service)) = (&subject, of)
        && !table.services.contains_key(service)
    {
        return Err(Cause::Missing);
    }
    if let Step::AddDestination {
        destination: to, ..
    }
    | Step::SetDestination { to, .. } = step
    {
        check_thresholds(to)?;
    }
    match (step.kind(), table.has(&subject)) {
        (StepKind::Add, true) => return Err(Cause::Exists),
        (StepKind::Set | StepKind::Remove, false) => return Err(Cause::Missing),
        (StepKind::Add, false) | (StepKind::Set | StepKind::Remove, true) => {}
    }
    // As in `ip_vs_set_timeout`, 0 changes nothing.
    if !matches!(
        step,
        Step::SetTimeout { to: 0, .. } | Step::RestoreTimeout { to: 0, .. }
    ) {
        table.apply(step);
    }
    Ok(())
}

/// As `ip_vs_add_dest` and `ip_vs_edit_dest` in `ip_vs_ctl.c` do.
fn check_thresholds(destination: &Destination) -> Result<(), Cause> {
    if destination.lower_threshold > destination.upper_threshold {
        Err(Cause::Errno(Errno::RANGE.raw_os_error()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
