//! The values of labels that tasks count by.

/// A command to the IPVS table: the label `command` of `lvs_ipvs_operations_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IpvsCommand {
    /// Dump the virtual services.
    GetServices,
    /// Look for virtual services that the dump lacks.
    GetService,
    /// Dump the real servers of one virtual service.
    GetDestinations,
    /// Read the time-outs.
    GetConfig,
    /// Read the totals, and list the synchronization daemons.
    GetDaemons,
    /// Add a virtual service.
    NewService,
    /// Change a virtual service.
    SetService,
    /// Remove a virtual service.
    DelService,
    /// Add a real server.
    NewDest,
    /// Change a real server.
    SetDest,
    /// Remove a real server.
    DelDest,
    /// Change a time-out.
    SetConfig,
}

impl IpvsCommand {
    pub(super) const ALL: [Self; 12] = [
        Self::GetServices,
        Self::GetService,
        Self::GetDestinations,
        Self::GetConfig,
        Self::GetDaemons,
        Self::NewService,
        Self::SetService,
        Self::DelService,
        Self::NewDest,
        Self::SetDest,
        Self::DelDest,
        Self::SetConfig,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::GetServices => "get_services",
            Self::GetService => "get_service",
            Self::GetDestinations => "get_destinations",
            Self::GetConfig => "get_config",
            Self::GetDaemons => "get_daemons",
            Self::NewService => "new_service",
            Self::SetService => "set_service",
            Self::DelService => "del_service",
            Self::NewDest => "new_dest",
            Self::SetDest => "set_dest",
            Self::DelDest => "del_dest",
            Self::SetConfig => "set_config",
        }
    }
}

/// How the kernel differed from what this agent had left there: the label
/// `kind` of `lvs_drift_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DriftKind {
    /// A virtual service was gone.
    ServiceMissing,
    /// A virtual service had other properties.
    ServiceChanged,
    /// A real server was gone.
    RealServerMissing,
    /// A real server had another weight or forwarding.
    RealServerChanged,
    /// One of our virtual services had a real server that is not configured.
    RealServerExtra,
    /// A VIP was gone from its interface.
    AddressMissing,
    /// A kernel parameter had another value.
    SysctlChanged,
    /// A time-out of the table had another value.
    TimeoutChanged,
}

impl DriftKind {
    pub(super) const ALL: [Self; 8] = [
        Self::ServiceMissing,
        Self::ServiceChanged,
        Self::RealServerMissing,
        Self::RealServerChanged,
        Self::RealServerExtra,
        Self::AddressMissing,
        Self::SysctlChanged,
        Self::TimeoutChanged,
    ];

    /// Those that a real server can have, which has no table.
    pub(super) const OF_REAL_SERVER: [Self; 2] = [Self::AddressMissing, Self::SysctlChanged];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceMissing => "service_missing",
            Self::ServiceChanged => "service_changed",
            Self::RealServerMissing => "real_server_missing",
            Self::RealServerChanged => "real_server_changed",
            Self::RealServerExtra => "real_server_extra",
            Self::AddressMissing => "address_missing",
            Self::SysctlChanged => "sysctl_changed",
            Self::TimeoutChanged => "timeout_changed",
        }
    }
}
