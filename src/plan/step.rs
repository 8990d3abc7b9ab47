//! One write to the kernel.

use crate::model::{
    Destination, LocalAddress, RealServerKey, Service, ServiceKey, SysctlKey, Timeout,
};

/// One change of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write a kernel parameter.
    SetSysctl {
        /// Which.
        key: SysctlKey,
        /// Its value before; `None` if the kernel has no such parameter.
        from: Option<String>,
        /// Its value after.
        to: String,
    },
    /// Restore the value of a kernel parameter from before the agent.
    RestoreSysctl {
        /// Which.
        key: SysctlKey,
        /// The agent's value.
        from: String,
        /// The value from before the agent.
        to: String,
    },
    /// Set a time-out of the table.
    SetTimeout {
        /// Which.
        timeout: Timeout,
        /// Its seconds before; `None` if the kernel has no such time-out.
        from: Option<u32>,
        /// Its seconds after.
        to: u32,
    },
    /// Restore the value of a time-out from before the agent.
    RestoreTimeout {
        /// Which.
        timeout: Timeout,
        /// The agent's value, in seconds.
        from: u32,
        /// The value from before the agent, in seconds.
        to: u32,
    },
    /// Add a virtual service.
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
    /// Add a real server to a virtual service.
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
    /// Remove a real server from a virtual service.
    RemoveDestination {
        /// The virtual service.
        service: ServiceKey,
        /// The real server.
        key: RealServerKey,
    },
    /// Add a VIP to an interface.
    AddAddress(LocalAddress),
    /// Remove a VIP from an interface.
    RemoveAddress(LocalAddress),
}

/// The object that a step changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A kernel parameter.
    Sysctl(SysctlKey),
    /// A time-out of the table.
    Timeout(Timeout),
    /// A virtual service.
    Service(ServiceKey),
    /// A real server of a virtual service.
    Destination(ServiceKey, RealServerKey),
    /// A VIP on an interface.
    Address(LocalAddress),
}

impl Subject {
    /// The kernel parameter, if the object is one.
    pub fn sysctl(&self) -> Option<&SysctlKey> {
        match self {
            Self::Sysctl(key) => Some(key),
            Self::Timeout(_) | Self::Service(_) | Self::Destination(..) | Self::Address(_) => None,
        }
    }

    /// The virtual service, if the object is one or belongs to one.
    pub fn service(&self) -> Option<&ServiceKey> {
        match self {
            Self::Service(key) | Self::Destination(key, _) => Some(key),
            Self::Sysctl(_) | Self::Timeout(_) | Self::Address(_) => None,
        }
    }

    /// Whether the IPVS table has the object.
    pub fn is_of_table(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Service(_) | Self::Destination(..) => true,
            Self::Sysctl(_) | Self::Address(_) => false,
        }
    }
}

/// What a step does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// The object must not exist before.
    Add,
    /// The object must exist.
    Set,
    /// The object must exist, and does not after.
    Remove,
}

impl Step {
    /// What a real server has after the step; `None` if the step removes one or concerns none.
    pub(crate) const fn destination(&self) -> Option<&Destination> {
        if let Self::AddDestination { destination, .. }
        | Self::SetDestination {
            to: destination, ..
        } = self
        {
            Some(destination)
        } else {
            None
        }
    }

    /// The same, to be changed.
    pub(crate) const fn destination_mut(&mut self) -> Option<&mut Destination> {
        if let Self::AddDestination { destination, .. }
        | Self::SetDestination {
            to: destination, ..
        } = self
        {
            Some(destination)
        } else {
            None
        }
    }

    /// What the step does to its object.
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::AddService { .. } | Self::AddDestination { .. } | Self::AddAddress(_) => {
                StepKind::Add
            }
            Self::SetSysctl { .. }
            | Self::RestoreSysctl { .. }
            | Self::SetTimeout { .. }
            | Self::RestoreTimeout { .. }
            | Self::SetService { .. }
            | Self::SetDestination { .. } => StepKind::Set,
            Self::RemoveService { .. }
            | Self::RemoveDestination { .. }
            | Self::RemoveAddress(_) => StepKind::Remove,
        }
    }

    /// The operation, as an error message names it: `cannot` stands before the text.
    pub fn operation(&self) -> String {
        match self {
            Self::SetSysctl { key, to, .. } | Self::RestoreSysctl { key, to, .. } => {
                format!("set {key} to {to}")
            }
            Self::SetTimeout { timeout, .. } | Self::RestoreTimeout { timeout, .. } => {
                format!("set time-out {timeout}")
            }
            Self::AddService { key, .. } => format!("add virtual service {key}"),
            Self::SetService { key, .. } => format!("set virtual service {key}"),
            Self::RemoveService { key } => format!("remove virtual service {key}"),
            Self::AddDestination { service, key, .. } => {
                format!("add real server {key} of {service}")
            }
            Self::SetDestination { service, key, .. } => {
                format!("set real server {key} of {service}")
            }
            Self::RemoveDestination { service, key } => {
                format!("remove real server {key} of {service}")
            }
            Self::AddAddress(address) => format!("add address {address}"),
            Self::RemoveAddress(address) => format!("remove address {address}"),
        }
    }

    /// The object that the step changes.
    pub fn subject(&self) -> Subject {
        match self {
            Self::SetSysctl { key, .. } | Self::RestoreSysctl { key, .. } => {
                Subject::Sysctl(key.clone())
            }
            Self::SetTimeout { timeout, .. } | Self::RestoreTimeout { timeout, .. } => {
                Subject::Timeout(*timeout)
            }
            Self::AddService { key, .. }
            | Self::SetService { key, .. }
            | Self::RemoveService { key } => Subject::Service(*key),
            Self::AddDestination { service, key, .. }
            | Self::SetDestination { service, key, .. }
            | Self::RemoveDestination { service, key } => Subject::Destination(*service, *key),
            Self::AddAddress(address) | Self::RemoveAddress(address) => {
                Subject::Address(address.clone())
            }
        }
    }
}
