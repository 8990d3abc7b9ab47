//! Real servers that answer for a VIP on the link.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The VIPs that real servers claim: pairs of VIP and RIP.
pub(crate) type ArpConflicts = BTreeSet<(IpAddr, IpAddr)>;
