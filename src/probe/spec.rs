//! What a probe asks, and on which way.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::config::Check;
use crate::model::ProbePath;

/// Number of a probe, which it keeps for as long as it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProbeId(pub(crate) u32);

/// What is probed, and how.
#[derive(Debug, Clone)]
pub(crate) struct ProbeSpec {
    /// RIP, and the check's port.
    pub(crate) target: SocketAddr,
    /// What is asked, how often, and how long is waited; its rise and fall do not matter here.
    pub(crate) check: Arc<Check>,
    /// For a check through a VIP.
    pub(crate) route: Option<Box<Route>>,
}

/// The way of a probe through a VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    /// What is connected to, on the check's port.
    pub(crate) vip: IpAddr,
    /// The clients' path to the real server.
    pub(crate) path: ProbePath,
}
