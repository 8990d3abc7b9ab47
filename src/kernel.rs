//! The kernel's edge: the IPVS table, addresses, sysctls and the neighbours on
//! the link, in model types; and the embedded table with its addresses and sysctls.

mod address;
mod arp;
mod attributes;
mod changes;
mod error;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod host;
mod ipvs;
mod ipvs_reader;
mod listeners;
mod memory;
#[cfg(test)]
pub(crate) mod namespace;
mod neighbours;
mod netlink;
mod packet_capture;
pub(crate) mod present;
mod sysctl;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;

pub(crate) use address::{Addresses, KernelAddresses};
#[cfg(test)]
pub(crate) use arp::AddressClaim;
pub(crate) use arp::{ArpError, ArpLink, NeighbourMessage, OwnAddresses};
pub(crate) use changes::HostChanges;
#[cfg(test)]
pub(crate) use error::SysctlFault;
pub(crate) use error::{Cause, KernelError};
pub(crate) use host::{Host, Route};
pub(crate) use ipvs::KernelIpvs;
#[cfg(benchmarking)]
pub(crate) use ipvs::benchmarking;
pub(crate) use ipvs_reader::IpvsReader;
pub(crate) use listeners::Listeners;
pub(crate) use memory::{MemoryAddresses, MemoryIpvs};
pub(crate) use neighbours::{Hop, Neighbours, NextHop};
pub(crate) use packet_capture::{CapturedPacket, PacketCapture};
pub(crate) use sysctl::Sysctls;

use crate::model::{
    Connections, Destination, RealServerKey, Service, ServiceKey, Statistics, TableStatus, Timeout,
};
use crate::plan::Step;

/// A virtual service as observed in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObservedService {
    pub(crate) service: Service,
    pub(crate) statistics: Statistics,
}

/// A real server of a virtual service as observed in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ObservedDestination {
    pub(crate) destination: Destination,
    pub(crate) connections: Connections,
    pub(crate) statistics: Statistics,
}

/// The addresses of an interface: address and prefix length, and the label that IPv4 addresses have.
pub(crate) type AddressList = BTreeMap<(IpAddr, u8), Option<String>>;

/// All of the kernel that the agent looks after, or what stands for it in memory.
pub(crate) struct Kernel<T> {
    pub(crate) ipvs: T,
    pub(crate) addresses: Addresses,
    pub(crate) sysctls: Sysctls,
    pub(crate) table: TableKind,
}

/// Which table a [`Kernel`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableKind {
    /// The kernel's, which forwards packets and which other processes write as well.
    Kernel,
    /// A table in this process, which forwards nothing.
    Memory,
}

impl<T> Kernel<T> {
    /// The table of the kernel, with the addresses and sysctls of this network
    /// namespace. Opens nothing yet.
    pub(crate) fn with_table(ipvs: T) -> Self {
        Self {
            ipvs,
            addresses: Addresses::Host(KernelAddresses::new()),
            sysctls: Sysctls::default(),
            table: TableKind::Kernel,
        }
    }

    /// A table in this process, with addresses and sysctls of its own: nothing
    /// of this host is changed.
    pub(crate) fn in_memory(ipvs: T) -> Self {
        Self {
            ipvs,
            addresses: Addresses::Memory(MemoryAddresses::default()),
            sysctls: Sysctls::in_memory(),
            table: TableKind::Memory,
        }
    }

    /// The same with another handle on the table.
    pub(crate) fn map_table<U>(self, map: impl FnOnce(T) -> U) -> Kernel<U> {
        Kernel {
            ipvs: map(self.ipvs),
            addresses: self.addresses,
            sysctls: self.sysctls,
            table: self.table,
        }
    }
}

/// An IPVS table: the kernel's, or one inside this process.
pub(crate) trait Ipvs: Send + 'static {
    /// Every virtual service of the table. Fails when the dump was truncated. While
    /// other programs remove services, a dump may lack some: see [`present`].
    fn services(
        &mut self,
    ) -> impl Future<Output = Result<BTreeMap<ServiceKey, ObservedService>, KernelError>> + Send;

    /// The virtual services of these that exist, each requested by its key.
    fn find(
        &mut self,
        services: &[ServiceKey],
    ) -> impl Future<Output = Result<BTreeMap<ServiceKey, ObservedService>, KernelError>> + Send;

    /// Every real server of one virtual service; none if there is no such
    /// service. Fails when the dump was truncated, and may lack some as above.
    fn destinations(
        &mut self,
        service: &ServiceKey,
    ) -> impl Future<Output = Result<BTreeMap<RealServerKey, ObservedDestination>, KernelError>> + Send;

    /// The time-outs of the whole table, in seconds.
    fn timeouts(
        &mut self,
    ) -> impl Future<Output = Result<BTreeMap<Timeout, u32>, KernelError>> + Send;

    /// What concerns the table as a whole.
    fn status(&mut self) -> impl Future<Output = Result<TableStatus, KernelError>> + Send;

    /// Carries out steps that concern the table, in their order, and returns one
    /// result for each. A step for an address or a sysctl is refused.
    ///
    /// A step that fails does not stop those after it. After a time-out or a
    /// broken connection, all remaining steps have that same cause.
    fn write(
        &mut self,
        steps: &[Step],
    ) -> impl Future<Output = Vec<Result<(), KernelError>>> + Send;
}
