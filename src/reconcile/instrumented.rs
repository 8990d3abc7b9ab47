//! A table that counts its operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kernel::{Ipvs, KernelError, ObservedDestination, ObservedService};
use crate::metrics::{IpvsCommand, Metrics};
use crate::model::{RealServerKey, ServiceKey, TableStatus, Timeout};
use crate::plan::Step;

/// A table that counts every operation in `lvs_ipvs_operations_total`.
pub(crate) struct InstrumentedIpvs<T> {
    table: T,
    metrics: Arc<Metrics>,
}

impl<T> InstrumentedIpvs<T> {
    pub(crate) fn new(table: T, metrics: Arc<Metrics>) -> Self {
        Self { table, metrics }
    }
}

impl<T: Ipvs> Ipvs for InstrumentedIpvs<T> {
    async fn services(&mut self) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        let services = self.table.services().await;
        self.metrics
            .ipvs_operation(IpvsCommand::GetServices, services.is_ok());
        services
    }

    async fn find(
        &mut self,
        services: &[ServiceKey],
    ) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        let found = self.table.find(services).await;
        self.metrics
            .ipvs_operation(IpvsCommand::GetService, found.is_ok());
        found
    }

    async fn destinations(
        &mut self,
        service: &ServiceKey,
    ) -> Result<BTreeMap<RealServerKey, ObservedDestination>, KernelError> {
        let destinations = self.table.destinations(service).await;
        self.metrics
            .ipvs_operation(IpvsCommand::GetDestinations, destinations.is_ok());
        destinations
    }

    async fn timeouts(&mut self) -> Result<BTreeMap<Timeout, u32>, KernelError> {
        let timeouts = self.table.timeouts().await;
        self.metrics
            .ipvs_operation(IpvsCommand::GetConfig, timeouts.is_ok());
        timeouts
    }

    async fn status(&mut self) -> Result<TableStatus, KernelError> {
        let status = self.table.status().await;
        self.metrics
            .ipvs_operation(IpvsCommand::GetDaemons, status.is_ok());
        status
    }

    async fn write(&mut self, steps: &[Step]) -> Vec<Result<(), KernelError>> {
        let results = self.table.write(steps).await;
        for (step, result) in steps.iter().zip(&results) {
            if let Some(command) = command(step) {
                self.metrics.ipvs_operation(command, result.is_ok());
            }
        }
        results
    }
}

fn command(step: &Step) -> Option<IpvsCommand> {
    match step {
        Step::AddService { .. } => Some(IpvsCommand::NewService),
        Step::SetService { .. } => Some(IpvsCommand::SetService),
        Step::RemoveService { .. } => Some(IpvsCommand::DelService),
        Step::AddDestination { .. } => Some(IpvsCommand::NewDest),
        Step::SetDestination { .. } => Some(IpvsCommand::SetDest),
        Step::RemoveDestination { .. } => Some(IpvsCommand::DelDest),
        Step::SetTimeout { .. } | Step::RestoreTimeout { .. } => Some(IpvsCommand::SetConfig),
        Step::SetSysctl { .. }
        | Step::RestoreSysctl { .. }
        | Step::AddAddress(_)
        | Step::RemoveAddress(_) => None,
    }
}
