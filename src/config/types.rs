//! The types of a whole, valid configuration: one for each section, service and real server.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::check::{Check, CheckKind};
use super::error::ConfigWarning;
use super::notify::Notify;
use super::policies::{
    DirectorExit, DirectorRemoval, OnArpConflict, OnFailure, PerRealServer, RealServerExit,
};
use super::probe_mark::ProbeMark;
use crate::model::{
    Forwarding, Persistence, RealServerKey, Scheduler, ServiceFlags, ServiceKey, SysctlKey,
    Timeout, Weight, with_noun,
};

/// A whole, valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The read-only HTTP endpoints.
    pub http: Http,
    /// What the metrics are about.
    pub metrics: MetricsSection,
    /// The control socket.
    pub control: Control,
    /// Where the agent remembers what it owns in the kernel.
    pub state_dir: PathBuf,
    /// The targets of notifications, in the file's order.
    pub notify: Vec<Notify>,
    /// For `run` as director.
    pub director: Director,
    /// For `run --real-server`.
    pub real_server: RealServerRole,
    /// In the file's order; no two share a name or a key.
    pub virtual_services: Vec<VirtualService>,
    /// The SHA-256 of the file and of the files that it includes, in
    /// hexadecimal digits: the same on hosts that have the same files, whatever
    /// secrets are found where the files say.
    pub sha256: String,
    /// What is valid in the files, and still hardly meant.
    pub warnings: Vec<ConfigWarning>,
    /// What is valid and works, and could be better.
    pub suggestions: Vec<ConfigWarning>,
}

impl Config {
    /// The file where none is named.
    pub const DEFAULT_PATH: &str = "/etc/lvs-agent/config.yaml";

    /// Whether a check leads through a VIP.
    pub(crate) fn asks_through_vips(&self) -> bool {
        let mut services = self.virtual_services.iter();
        services.any(|service| {
            service
                .members()
                .any(|member| member.check.via.through_vip())
        })
    }

    /// Whether a check, or a part of one, is such.
    pub(crate) fn checks_any(&self, such: impl Fn(&CheckKind) -> bool) -> bool {
        let services = self.virtual_services.iter();
        let mut checks = services.flat_map(|service| service.members().map(|member| member.check));
        checks.any(|check| check.kind.single_checks().iter().any(&such))
    }

    /// How much there is of it: `1 virtual service, 2 real servers`.
    pub fn summary(&self) -> String {
        let services = self.virtual_services.iter();
        let real_servers = services.map(|service| service.real_servers.len()).sum();
        let services = with_noun(self.virtual_services.len(), "virtual service");
        format!("{services}, {}", with_noun(real_servers, "real server"))
    }
}

/// The section `http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where metrics and status are served.
    pub listen: SocketAddr,
}

impl Http {
    /// The port where none is configured.
    pub const DEFAULT_PORT: u16 = 9477;
}

/// The section `metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSection {
    /// Which series each real server has.
    pub per_real_server: PerRealServer,
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

impl Config {
    /// Where a director's agent serves HTTP.
    pub fn director_http(&self) -> &Http {
        self.director.http.as_ref().unwrap_or(&self.http)
    }

    /// Where a real server's agent serves HTTP.
    pub fn real_server_http(&self) -> &Http {
        self.real_server.http.as_ref().unwrap_or(&self.http)
    }

    /// The control socket of a director's agent.
    pub fn director_control(&self) -> &Control {
        self.director.control.as_ref().unwrap_or(&self.control)
    }

    /// The control socket of a real server's agent.
    pub fn real_server_control(&self) -> &Control {
        self.real_server.control.as_ref().unwrap_or(&self.control)
    }
}

/// The section `director`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Director {
    /// Where its agent serves HTTP, if not as `http` says.
    pub http: Option<Http>,
    /// Its agent's control socket, if not as `control` says.
    pub control: Option<Control>,
    /// Where the VIPs are put; `None` where something else owns them.
    pub interface: Option<String>,
    /// The interface of the LAN, where clients and real servers are; `None`
    /// where neither it nor `interface` is named.
    pub link: Option<String>,
    /// From one announcement of a VIP on the link to the next, for as long as
    /// this host has it; `None` for those alone that follow a change.
    pub garp_refresh: Option<Duration>,
    /// How often the kernel is compared with the configuration.
    pub resync_interval: Duration,
    /// Kernel parameters of this director: the defaults, with those that are
    /// given over them.
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// The table's time-outs in seconds; those that are not here are left alone.
    pub timeouts: BTreeMap<Timeout, u32>,
    /// What becomes of a real server that answers for a VIP on the link.
    pub on_arp_conflict: OnArpConflict,
    /// The firewall marks of probes through VIPs.
    pub probe_mark: ProbeMark,
    /// What is left of the table when the agent ends.
    pub on_exit: DirectorExit,
    /// What becomes of a real server that leaves the configuration.
    pub on_removal: DirectorRemoval,
    /// How long it may stay after that: 1 s to 1 day.
    pub removal_deadline: Duration,
}

/// The section `real_server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServerRole {
    /// Where its agent serves HTTP, if not as `http` says.
    pub http: Option<Http>,
    /// Its agent's control socket, if not as `control` says.
    pub control: Option<Control>,
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

/// One entry of `virtual_services`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    /// Its name in logs, metrics and commands.
    pub name: Arc<str>,
    /// What the kernel knows it by.
    pub key: ServiceKey,
    /// How the next real server is chosen.
    pub scheduler: Scheduler,
    /// One-packet scheduling and the scheduler's own flags.
    pub flags: ServiceFlags,
    /// How packets reach its real servers that do not say it themselves.
    pub forwarding: Forwarding,
    /// Whether clients are kept on their real server.
    pub persistence: Option<Persistence>,
    /// What every real server of it must pass that has no check of its own.
    pub check: Arc<Check>,
    /// What becomes of the whole when some of it fails or recovers.
    pub pool: Pool,
    /// In the file's order; no two share a name or a key.
    pub real_servers: Vec<RealServer>,
}

/// The keys of a virtual service that say how its real servers recover, and
/// what is done when too few of them are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// How long a real server that has come up takes to its whole weight; zero for at once.
    pub slow_start: Duration,
    /// Whether a real server that keeps falling must show a longer row of passes.
    pub flap_damping: bool,
    /// The sum of weights of real servers that must be up.
    pub quorum: u32,
    /// The quorum is lost when less than `quorum` less this is up, and is
    /// there again with `quorum` and this.
    pub hysteresis: u32,
    /// In percent of the whole weight, 1 to 100: with less than that up,
    /// failing real servers serve, too.
    pub fail_open_below: Option<u8>,
    /// Who serves while the quorum is lost.
    pub sorry_server: Option<SorryServer>,
    /// What becomes of a real server that fails, and of its connections;
    /// `None` for what suits the protocol and the failure.
    pub on_failure: Option<OnFailure>,
}

impl Default for Pool {
    /// What holds where none of the keys is there.
    fn default() -> Self {
        Self {
            slow_start: Duration::ZERO,
            flap_damping: true,
            quorum: 1,
            hysteresis: 0,
            fail_open_below: None,
            sorry_server: None,
            on_failure: None,
        }
    }
}

/// `sorry_server` of a virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SorryServer {
    /// What the kernel knows it by.
    pub key: RealServerKey,
    /// How packets reach it; `None` for the service's way.
    pub forwarding: Option<Forwarding>,
    /// What it must pass to be put to work: its own, or the service's.
    pub check: Arc<Check>,
}

impl SorryServer {
    /// What every one is called in logs, metrics and status.
    pub const NAME: &str = "sorry_server";
}

/// One entry of `real_servers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// Its name in logs, metrics and commands.
    pub name: Arc<str>,
    /// What the kernel knows it by.
    pub key: RealServerKey,
    /// How packets reach it; `None` for the service's way.
    pub forwarding: Option<Forwarding>,
    /// What it must pass; `None` for the service's check.
    pub check: Option<Arc<Check>>,
    /// Its weight while it is up.
    pub weight: Weight,
    /// Connections above which it gets no new ones; 0 is no limit.
    pub upper_threshold: u32,
    /// Connections below which it gets new ones again; 0 is three quarters of the upper one.
    pub lower_threshold: u32,
}
