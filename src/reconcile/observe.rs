//! Observation of the kernel.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use tracing::debug;

use super::ownership::Owned;
use litemap::LiteMap;

use crate::config::ProbeMark;
use crate::kernel::{
    Cause, Ipvs, Kernel, KernelError, ObservedDestination, ObservedService, present,
};
use crate::model::{
    Connections, LocalAddress, RealServerKey, ServiceKey, Statistics, SysctlKey, TableStatus,
    Timeout,
};
use crate::plan::{ServiceState, State, Step};
use crate::runtime::error_chain::error_chain;

/// How many virtual services that were written are not read alone: by then, a look at the
/// whole table costs little more in most tables.
pub(super) const READ_ALONE: usize = 64;

/// The part of the kernel that this agent observes.
#[derive(Debug)]
pub(crate) struct ObservationScope<'a> {
    desired: &'a State,
    owned: &'a Owned,
    services: BTreeSet<ServiceKey>,
    /// Services by these marks are the agent's only if they are owned.
    probe_marks: Option<ProbeMark>,
    /// The desired addresses, whose interfaces must exist.
    addresses: BTreeSet<LocalAddress>,
    /// The addresses that may have to be removed: without their interface they are gone.
    old_addresses: BTreeSet<LocalAddress>,
    sysctls: BTreeSet<SysctlKey>,
    timeouts: BTreeSet<Timeout>,
    /// A missing interface counts as one without addresses.
    interfaces_may_be_gone: bool,
}

impl<'a> ObservationScope<'a> {
    /// The desired and the owned state. A service by `probe_marks` that is desired
    /// and not owned does not exist yet.
    pub(crate) fn new(
        desired: &'a State,
        owned: &'a Owned,
        probe_marks: Option<ProbeMark>,
    ) -> Self {
        let services = desired
            .services
            .keys()
            .chain(&owned.services)
            .copied()
            .collect();
        let old_addresses = owned
            .addresses
            .difference(&desired.addresses)
            .cloned()
            .collect();
        let sysctls = desired
            .sysctls
            .keys()
            .chain(owned.sysctls.keys())
            .cloned()
            .collect();
        let timeouts = desired.timeouts.keys().chain(owned.timeouts.keys());
        let timeouts = timeouts.copied().collect();
        Self {
            desired,
            owned,
            services,
            probe_marks,
            addresses: desired.addresses.clone(),
            old_addresses,
            sysctls,
            timeouts,
            interfaces_may_be_gone: false,
        }
    }

    /// The same; a missing interface counts as one without addresses.
    pub(crate) fn with_interfaces_gone(self) -> Self {
        Self {
            interfaces_may_be_gone: true,
            ..self
        }
    }

    /// Whether a service of the table with a mark for probes belongs to another program.
    fn is_foreign(&self, key: &ServiceKey) -> bool {
        is_for_probes(self.probe_marks, key) && !self.owned.services.contains(key)
    }
}

/// Whether all real servers that this virtual service should have, or that are leaving it, are
/// among `found`.
fn has_all(
    desired: &State,
    owned: &Owned,
    service: &ServiceKey,
    found: &BTreeMap<RealServerKey, ObservedDestination>,
) -> bool {
    let desired = desired.services.get(service);
    let mut desired = desired.into_iter().flat_map(|s| s.destinations.keys());
    let mut leaving = owned
        .leaving
        .range((*service, RealServerKey::FIRST)..)
        .map(|((of, key), _)| (of, key))
        .take_while(|(of, _)| *of == service);
    desired.all(|key| found.contains_key(key)) && leaving.all(|(_, key)| found.contains_key(key))
}

/// Whether a service is by one of these marks.
pub(crate) fn is_for_probes(probe_marks: Option<ProbeMark>, key: &ServiceKey) -> bool {
    match (probe_marks, key) {
        (Some(range), ServiceKey::Fwmark { mark, .. }) => range.number(*mark).is_some(),
        (_, ServiceKey::Address { .. }) | (None, ServiceKey::Fwmark { .. }) => false,
    }
}

/// The observed state of the kernel, and its counters.
#[derive(Debug, Default)]
pub(crate) struct KernelObservation {
    pub(crate) state: State,
    /// The services of other programs by marks for probes, which `state` does not have.
    pub(crate) foreign: BTreeSet<ServiceKey>,
    pub(crate) traffic: BTreeMap<ServiceKey, ServiceTraffic>,
    /// The parameters that cannot be read, with the error, which `state` does not have.
    pub(crate) unreadable: BTreeMap<SysctlKey, KernelError>,
    /// All time-outs of the table in seconds, where there is one to look after.
    pub(crate) timeouts: BTreeMap<Timeout, u32>,
    /// What is shown of the table as a whole, where there is one to look after and this could
    /// be read: nothing is decided by it.
    pub(crate) table: Option<TableStatus>,
}

/// The kernel's counters of one virtual service.
#[derive(Debug)]
pub(crate) struct ServiceTraffic {
    pub(crate) statistics: Statistics,
    pub(crate) real_servers: LiteMap<RealServerKey, (Connections, Statistics)>,
}

/// Reads all of `scope`. Any error means no observation at all, because a partial
/// observation must never count as a whole one; but a parameter that this process
/// can never read is reported separately from a missing parameter.
pub(crate) async fn observe<T: Ipvs>(
    kernel: &mut Kernel<T>,
    scope: &ObservationScope<'_>,
) -> Result<KernelObservation, KernelError> {
    let mut unfinished = UnfinishedObservation::begin(&mut kernel.ipvs, scope).await?;
    let (desired, owned) = (scope.desired, scope.owned);
    while unfinished
        .read_next(&mut kernel.ipvs, desired, owned)
        .await?
    {}
    unfinished.finish(kernel, scope).await
}

/// An observation that is made one virtual service after the other: the table may be written
/// between two of them.
#[derive(Debug)]
pub(crate) struct UnfinishedObservation {
    observation: KernelObservation,
    /// The agent's virtual services whose real servers are not read yet.
    left: btree_map::IntoIter<ServiceKey, ObservedService>,
}

impl UnfinishedObservation {
    /// Reads which virtual services there are.
    pub(crate) async fn begin<T: Ipvs>(
        ipvs: &mut T,
        scope: &ObservationScope<'_>,
    ) -> Result<Self, KernelError> {
        let mut observation = KernelObservation::default();
        let mut left = BTreeMap::new();
        if !scope.services.is_empty() {
            left = present::services(ipvs, scope.services.iter().copied()).await?;
            left.retain(|key, _| {
                let is_foreign = scope.is_foreign(key);
                if is_foreign {
                    observation.foreign.insert(*key);
                }
                !is_foreign && scope.services.contains(key)
            });
        }
        Ok(Self {
            observation,
            left: left.into_iter(),
        })
    }

    /// Reads the real servers of the next virtual service. Returns `false` if there is none.
    pub(crate) async fn read_next<T: Ipvs>(
        &mut self,
        ipvs: &mut T,
        desired: &State,
        owned: &Owned,
    ) -> Result<bool, KernelError> {
        let Some((key, observed)) = self.left.next() else {
            return Ok(false);
        };
        let has_all = |found: &_| has_all(desired, owned, &key, found);
        read_service(ipvs, has_all, key, observed, &mut self.observation).await?;
        Ok(true)
    }

    /// Takes account of a step that the kernel has carried out since the last service was read.
    pub(crate) fn note(&mut self, step: &Step) {
        self.observation.state.apply(step);
    }

    /// Reads everything but the virtual services.
    pub(crate) async fn finish<T: Ipvs>(
        self,
        kernel: &mut Kernel<T>,
        scope: &ObservationScope<'_>,
    ) -> Result<KernelObservation, KernelError> {
        let mut observation = self.observation;
        observe_rest(kernel, scope, &mut observation).await?;
        Ok(observation)
    }
}

/// Reads the virtual services `written` and all that is not of a virtual service; the other
/// services are as in the observation `before`. From [`READ_ALONE`] services on, reads all.
pub(crate) async fn observe_written<T: Ipvs>(
    kernel: &mut Kernel<T>,
    scope: &ObservationScope<'_>,
    before: KernelObservation,
    written: &BTreeSet<ServiceKey>,
) -> Result<KernelObservation, KernelError> {
    if written.len() >= READ_ALONE {
        drop(before);
        return observe(kernel, scope).await;
    }
    let mut observation = KernelObservation {
        foreign: before.foreign,
        traffic: before.traffic,
        ..KernelObservation::default()
    };
    observation.state.services = before.state.services;
    if !written.is_empty() {
        for key in written {
            observation.foreign.remove(key);
            observation.traffic.remove(key);
            observation.state.services.remove(key);
        }
        let written: Vec<_> = written.iter().copied().collect();
        for (key, observed) in kernel.ipvs.find(&written).await? {
            if scope.is_foreign(&key) {
                observation.foreign.insert(key);
            } else if scope.services.contains(&key) {
                let has_all = |found: &_| has_all(scope.desired, scope.owned, &key, found);
                let ipvs = &mut kernel.ipvs;
                read_service(ipvs, has_all, key, observed, &mut observation).await?;
            }
        }
    }
    observe_rest(kernel, scope, &mut observation).await?;
    Ok(observation)
}

/// Everything but the virtual services.
async fn observe_rest<T: Ipvs>(
    kernel: &mut Kernel<T>,
    scope: &ObservationScope<'_>,
    observation: &mut KernelObservation,
) -> Result<(), KernelError> {
    if !scope.services.is_empty() || !scope.timeouts.is_empty() {
        observation.timeouts = kernel.ipvs.timeouts().await?;
        let mut timeouts = observation.timeouts.clone();
        timeouts.retain(|timeout, _| scope.timeouts.contains(timeout));
        observation.state.timeouts = timeouts;
        match kernel.ipvs.status().await {
            Ok(status) => observation.table = Some(status),
            Err(error) => debug!(error = error_chain(&error), "totals of the table not read"),
        }
    }
    observation.state.addresses = observe_addresses(kernel, scope).await?;
    for key in &scope.sysctls {
        match kernel.sysctls.read(key) {
            Ok(Some(value)) => {
                observation.state.sysctls.insert(key.clone(), value);
            }
            Ok(None) => {}
            Err(error) if error.cause.is_lasting() => {
                observation.unreadable.insert(key.clone(), error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Adds a virtual service with its real servers. `has_all` says whether all wanted real servers
/// are among those found.
async fn read_service<T: Ipvs>(
    ipvs: &mut T,
    has_all: impl Fn(&BTreeMap<RealServerKey, ObservedDestination>) -> bool,
    key: ServiceKey,
    observed: ObservedService,
    observation: &mut KernelObservation,
) -> Result<(), KernelError> {
    let found = present::destinations(ipvs, &key, has_all).await?;
    let destinations = found.iter();
    let destinations = destinations.map(|(real_server, found)| (*real_server, found.destination));
    let destinations = destinations.collect();
    let real_servers = found.into_iter();
    let real_servers = real_servers
        .map(|(real_server, found)| (real_server, (found.connections, found.statistics)));
    let real_servers = real_servers.collect();
    let state = ServiceState {
        service: observed.service,
        destinations,
    };
    observation.state.services.insert(key, state);
    let traffic = ServiceTraffic {
        statistics: observed.statistics,
        real_servers,
    };
    observation.traffic.insert(key, traffic);
    Ok(())
}

async fn observe_addresses<T: Ipvs>(
    kernel: &mut Kernel<T>,
    scope: &ObservationScope<'_>,
) -> Result<BTreeSet<LocalAddress>, KernelError> {
    let required: BTreeSet<_> = scope
        .addresses
        .iter()
        .map(|a| a.interface.clone())
        .collect();
    let old: BTreeSet<_> = scope
        .old_addresses
        .iter()
        .map(|a| a.interface.clone())
        .collect();
    let mut found = BTreeSet::new();
    for interface in required.union(&old) {
        let listed = match kernel.addresses.list(interface).await {
            Err(KernelError {
                cause: Cause::NoInterface(_),
                ..
            }) if scope.interfaces_may_be_gone || !required.contains(interface) => {
                continue;
            }
            listed => listed?,
        };
        let here = scope.addresses.union(&scope.old_addresses);
        found.extend(
            here.filter(|a| {
                a.interface == *interface && listed.contains_key(&(a.address, a.prefix_length()))
            })
            .cloned(),
        );
    }
    Ok(found)
}
