//! An IPVS table inside this process, for `--table memory` and for tests.

mod host;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

pub(crate) use self::host::MemoryAddresses;
pub(super) use self::host::MemorySysctls;
use super::{Cause, Ipvs, KernelError, ObservedDestination, ObservedService};
use crate::model::{
    Connections, Destination, RealServerKey, Service, ServiceKey, Statistics, Timeout,
};
use crate::plan::Step;

/// A table that behaves as the kernel's does, without any traffic. A new table is
/// empty, and a clone is a second handle on the same table.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryIpvs {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug)]
struct Table {
    services: BTreeMap<ServiceKey, Row>,
    timeouts: BTreeMap<Timeout, u32>,
}

impl Default for Table {
    /// With the time-outs of `ip_vs_proto_tcp.c` and `ip_vs_proto_udp.c`.
    fn default() -> Self {
        let timeouts = [
            (Timeout::Tcp, 900),
            (Timeout::TcpFin, 120),
            (Timeout::Udp, 300),
        ];
        Self {
            services: BTreeMap::new(),
            timeouts: timeouts.into(),
        }
    }
}

#[derive(Debug)]
struct Row {
    service: Service,
    destinations: BTreeMap<RealServerKey, ObservedDestination>,
}

impl Row {
    fn observed(&self) -> ObservedService {
        ObservedService {
            service: self.service.clone(),
            statistics: Statistics::default(),
        }
    }
}

impl MemoryIpvs {
    /// A write is atomic, so the table is consistent even after a panic in the user
    /// of another handle.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ipvs for MemoryIpvs {
    async fn services(&mut self) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        let table = self.table();
        Ok(table
            .services
            .iter()
            .map(|(key, row)| (*key, row.observed()))
            .collect())
    }

    async fn find(
        &mut self,
        services: &[ServiceKey],
    ) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        let table = self.table();
        let found = services
            .iter()
            .filter_map(|key| Some((*key, table.services.get(key)?.observed())));
        Ok(found.collect())
    }

    async fn destinations(
        &mut self,
        service: &ServiceKey,
    ) -> Result<BTreeMap<RealServerKey, ObservedDestination>, KernelError> {
        let table = self.table();
        Ok(table
            .services
            .get(service)
            .map(|row| row.destinations.clone())
            .unwrap_or_default())
    }

    async fn timeouts(&mut self) -> Result<BTreeMap<Timeout, u32>, KernelError> {
        Ok(self.table().timeouts.clone())
    }

    async fn write(&mut self, steps: &[Step]) -> Vec<Result<(), KernelError>> {
        let mut table = self.table();
        steps
            .iter()
            .map(|step| {
                apply(&mut table, step).map_err(|cause| KernelError::new(step.operation(), cause))
            })
            .collect()
    }
}

fn apply(table: &mut Table, step: &Step) -> Result<(), Cause> {
    match step {
        Step::AddService { key, service } => match table.services.entry(*key) {
            Entry::Occupied(_) => return Err(Cause::Exists),
            Entry::Vacant(entry) => {
                entry.insert(Row {
                    service: service.clone(),
                    destinations: BTreeMap::new(),
                });
            }
        },
        Step::SetService { key, to, .. } => {
            row(table, key)?.service = to.clone();
        }
        Step::RemoveService { key } => {
            table.services.remove(key).ok_or(Cause::Missing)?;
        }
        Step::AddDestination {
            service,
            key,
            destination,
        } => {
            let row = row(table, service)?;
            check_thresholds(destination)?;
            match row.destinations.entry(*key) {
                Entry::Occupied(_) => return Err(Cause::Exists),
                Entry::Vacant(entry) => {
                    entry.insert(ObservedDestination {
                        destination: *destination,
                        connections: Connections::default(),
                        statistics: Statistics::default(),
                    });
                }
            }
        }
        Step::SetDestination {
            service, key, to, ..
        } => {
            let row = row(table, service)?;
            check_thresholds(to)?;
            let observed = row.destinations.get_mut(key).ok_or(Cause::Missing)?;
            observed.destination = *to;
        }
        Step::RemoveDestination { service, key } => {
            let row = row(table, service)?;
            row.destinations.remove(key).ok_or(Cause::Missing)?;
        }
        Step::SetTimeout { timeout, to, .. } | Step::RestoreTimeout { timeout, to, .. } => {
            // As in `ip_vs_set_timeout`, 0 changes nothing.
            if *to > 0 {
                table.timeouts.insert(*timeout, *to);
            }
        }
        Step::SetSysctl { .. }
        | Step::RestoreSysctl { .. }
        | Step::AddAddress(_)
        | Step::RemoveAddress(_) => return Err(Cause::not_of_table()),
    }
    Ok(())
}

fn row<'a>(table: &'a mut Table, service: &ServiceKey) -> Result<&'a mut Row, Cause> {
    table.services.get_mut(service).ok_or(Cause::Missing)
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
