//! The path of a probe through a VIP to one real server.

use std::fmt;
use std::net::IpAddr;

use super::{Family, Forwarding};

/// The clients' way to one real server, which a probe through a VIP takes: it
/// is the same for every VIP of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbePath {
    /// Of the clients' packets.
    pub family: Family,
    /// The RIP, which a tunnel may lead to from another family.
    pub real_server: IpAddr,
    /// How the packets reach it.
    pub forwarding: Forwarding,
}

impl fmt::Display for ProbePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            family,
            real_server,
            forwarding,
        } = self;
        write!(f, "{family} to {real_server} by {forwarding}")
    }
}
