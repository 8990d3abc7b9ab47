//! From what is and what should be to the steps between, in an order that
//! loses no traffic. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Destination, LocalAddress, RealServerKey, Service, ServiceKey, SysctlKey};

/// What the kernel holds, or should hold, of all that this agent looks after.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The IPVS table.
    pub services: BTreeMap<ServiceKey, ServiceState>,
    /// The VIPs on interfaces of this host.
    pub addresses: BTreeSet<LocalAddress>,
    /// Kernel parameters; as observed, those alone that exist.
    pub sysctls: BTreeMap<SysctlKey, String>,
}

/// A virtual service with its real servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// Its own properties.
    pub service: Service,
    /// Its real servers.
    pub destinations: BTreeMap<RealServerKey, Destination>,
}

/// One change of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write a kernel parameter.
    SetSysctl {
        /// Which.
        key: SysctlKey,
        /// Its value before.
        from: Option<String>,
        /// Its value after.
        to: String,
    },
    /// Make a virtual service.
    AddService {
        /// Which.
        key: ServiceKey,
        /// Its properties.
        service: Service,
    },
    /// Change a virtual service in place.
    SetService {
        /// Which.
        key: ServiceKey,
        /// Its properties before.
        from: Service,
        /// Its properties after.
        to: Service,
    },
    /// Remove a virtual service with its real servers.
    RemoveService {
        /// Which.
        key: ServiceKey,
    },
    /// Give a virtual service one more real server.
    AddDestination {
        /// The virtual service.
        service: ServiceKey,
        /// The real server.
        key: RealServerKey,
        /// Its properties.
        destination: Destination,
    },
    /// Change a real server of a virtual service in place.
    SetDestination {
        /// The virtual service.
        service: ServiceKey,
        /// The real server.
        key: RealServerKey,
        /// Its properties before.
        from: Destination,
        /// Its properties after.
        to: Destination,
    },
    /// Take a real server from a virtual service.
    RemoveDestination {
        /// The virtual service.
        service: ServiceKey,
        /// The real server.
        key: RealServerKey,
    },
    /// Put a VIP on an interface.
    AddAddress(LocalAddress),
    /// Take a VIP from an interface.
    RemoveAddress(LocalAddress),
}
