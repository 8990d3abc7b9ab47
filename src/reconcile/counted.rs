use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kernel::{Ipvs, IpvsWrite, KernelError, ObservedDestination, ObservedService};
use crate::metrics::{IpvsCommand, Metrics};
use crate::model::{RealServerKey, ServiceKey, Timeout};

/// A table whose every operation is counted in `lvs_ipvs_operations_total`.
pub(crate) struct Counted<T> {
    table: T,
    metrics: Arc<Metrics>,
}

impl<T> Counted<T> {
    pub(crate) fn new(table: T, metrics: Arc<Metrics>) -> Self {
        Self { table, metrics }
    }
}

impl<T: Ipvs> Ipvs for Counted<T> {
    const IN_KERNEL: bool = T::IN_KERNEL;

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

    async fn write(&mut self, writes: &[IpvsWrite]) -> Vec<Result<(), KernelError>> {
        let results = self.table.write(writes).await;
        for (write, result) in writes.iter().zip(&results) {
            self.metrics.ipvs_operation(command(write), result.is_ok());
        }
        results
    }
}

fn command(write: &IpvsWrite) -> IpvsCommand {
    match write {
        IpvsWrite::AddService { .. } => IpvsCommand::NewService,
        IpvsWrite::SetService { .. } => IpvsCommand::SetService,
        IpvsWrite::RemoveService { .. } => IpvsCommand::DelService,
        IpvsWrite::AddDestination { .. } => IpvsCommand::NewDest,
        IpvsWrite::SetDestination { .. } => IpvsCommand::SetDest,
        IpvsWrite::RemoveDestination { .. } => IpvsCommand::DelDest,
        IpvsWrite::SetTimeout { .. } => IpvsCommand::SetConfig,
    }
}
