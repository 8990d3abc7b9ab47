//! The configuration: one file for the whole cluster, read into a form that
//! is valid or does not exist.

mod address;
mod check;
mod error;
mod fields;
mod load;
mod node;
mod problem;
mod raw;
mod rules;
mod scalar;
mod sections;
mod service;
mod syntax;

pub(crate) use check::{ADDRESS, PORT};
pub use check::{
    AgentCheck, Check, CheckKind, DnsCheck, ExecCheck, Expression, FileCheck, GrpcCheck, HttpCheck,
    Origin, Pattern, StatusRanges, Step, StreamCheck, TlsSettings, UdpCheck,
};
pub use error::ConfigErrors;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Forwarding, RealServerKey, Scheduler, ServiceKey, SysctlKey, Weight};

/// A whole, valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The read-only HTTP endpoints.
    pub http: Http,
    /// The control socket.
    pub control: Control,
    /// Where the agent remembers what it owns in the kernel.
    pub state_dir: PathBuf,
    /// For `run` as director.
    pub director: Director,
    /// For `run --real-server`.
    pub real_server: RealServerRole,
    /// In the file's order; no two share a name or a key.
    pub virtual_services: Vec<VirtualService>,
}

impl Config {
    /// How much there is of it: `1 virtual service, 2 real servers`.
    pub fn summary(&self) -> String {
        let count = |n: usize, noun| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        let real_servers = self
            .virtual_services
            .iter()
            .map(|service| service.real_servers.len());
        let services = count(self.virtual_services.len(), "virtual service");
        format!("{services}, {}", count(real_servers.sum(), "real server"))
    }
}

/// The section `http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where metrics and status are served.
    pub listen: SocketAddr,
}

/// The section `control`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The path of the unix socket.
    pub socket: PathBuf,
}

impl Control {
    /// The path of the socket where none is configured.
    pub const DEFAULT_SOCKET: &str = "/run/lvs-agent/control.sock";
}

/// The section `director`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Director {
    /// Where the VIPs are put; `None` where something else owns them.
    pub interface: Option<String>,
    /// How often the kernel is compared with the configuration.
    pub resync_interval: Duration,
    /// What is left of the table when the agent ends.
    pub on_exit: DirectorExit,
}

/// `director.on_exit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectorExit {
    /// The table stays as it is.
    Keep,
    /// Every weight becomes 0; established connections go on.
    Drain,
    /// All that is ours goes.
    Remove,
}

/// The section `real_server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServerRole {
    /// Where the VIPs are put.
    pub interface: String,
    /// The VIPs; `None` for those of the services that list one of this host's addresses.
    pub vips: Option<Vec<IpAddr>>,
    /// Set before the first VIP is added, restored after the last is removed.
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// How often addresses and sysctls are compared with the configuration.
    pub resync_interval: Duration,
    /// What is left when the agent ends.
    pub on_exit: RealServerExit,
}

/// `real_server.on_exit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealServerExit {
    /// VIPs and sysctls stay as they are.
    Keep,
    /// The VIPs go, then the sysctls are restored.
    Remove,
}

/// One entry of `virtual_services`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    /// Its name in logs, metrics and commands.
    pub name: Arc<str>,
    /// What the kernel knows it by.
    pub key: ServiceKey,
    /// How the next real server is chosen.
    pub scheduler: Scheduler,
    /// How packets reach its real servers.
    pub forwarding: Forwarding,
    /// What every real server of it must pass.
    pub check: Arc<Check>,
    /// In the file's order; no two share a name or a key.
    pub real_servers: Vec<RealServer>,
}

/// One entry of `real_servers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// Its name in logs, metrics and commands.
    pub name: Arc<str>,
    /// What the kernel knows it by.
    pub key: RealServerKey,
    /// Its weight while it is up.
    pub weight: Weight,
}
