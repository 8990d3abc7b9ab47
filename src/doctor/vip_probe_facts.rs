//! The facts on which probes through VIPs depend.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::kernel::KernelError;
use crate::model::ServiceKey;
use crate::plan::ServiceState;

pub(super) struct VipProbeFacts {
    /// Each VIP that is asked, and the addresses of this host from which.
    pub(super) sources: BTreeSet<Source>,
    /// The table's services by marks of `director.probe_mark`.
    pub(super) by_mark: BTreeMap<ServiceKey, ServiceState>,
    /// Whether IPVS lets all packets of this host pass, as the backup of
    /// another; the error tells why that is not known.
    pub(super) passes_everything: Result<bool, KernelError>,
}

/// Where the answers of a VIP come to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) vip: IpAddr,
    /// The address of this host; without one, why, and towards whom.
    pub(super) address: Result<IpAddr, (String, IpAddr)>,
}
