//! The latest value of everything that is shown: written in place by health
//! and reconcile, read by `/metrics`, `/status` and the control socket.
//!
//! Each real server has a record and a lock of its own, so that neither a
//! probe's result nor a scrape costs more than what it touches.

mod arp;
mod command_line;
mod conditions;
pub(crate) mod document;
mod process;
mod real_server;
mod transitions;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::config::{Config, PerRealServer, RealServerRole, SorryServer};
use crate::diagnosis::DiagnosisSubject;
use crate::model::{
    Candidate, ConditionType, Connections, ContinuousStatistics, Forwarding, FreezeReason,
    PoolStatus, RealServerId, RealServerKey, Scheduler, ServiceKey, SyncDaemon, SysctlKey,
    TableStatus, Timeout, Weight, Weights,
};
use crate::net::tls::StaleFiles;
use crate::plan::desired;
use crate::readiness::{ArpValues, ServiceReadiness};
use crate::runtime::shared::Shared;

pub(crate) use arp::{ArpRecord, ConflictRecord};
pub(crate) use command_line::command_line;
pub(crate) use conditions::{ConditionChange, Conditions, Examiner, SharedConditions};
pub(crate) use process::ProcessRecord;
#[cfg(test)]
pub(crate) use real_server::FirstCounted;
pub(crate) use real_server::{LastProbe, RealServerLive, RealServerRecord};
pub(crate) use transitions::{TransitionRecord, Transitions};

/// Which of the two roles this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It keeps the IPVS table.
    Director,
    /// It keeps the VIP on lo.
    RealServer,
}

impl Mode {
    /// The label's and the field's value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Director => "director",
            Self::RealServer => "real_server",
        }
    }

    /// The name of the systemd unit that runs the agent in this role.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Director => "lvs-agent-director",
            Self::RealServer => "lvs-agent-real-server",
        }
    }
}

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) mode: Mode,
    pub(crate) process: ProcessRecord,
    pub(crate) config_path: PathBuf,
    /// The configuration that is in force.
    pub(crate) loaded: Shared<LoadedRecord>,
    /// How the last reload of the configuration went.
    pub(crate) reload: Shared<ReloadRecord>,
    /// In the configuration's order; empty on a real server.
    pub(crate) services: Vec<ServiceRecord>,
    /// The VIPs of this host, and whether each is where it should be.
    pub(crate) vips: Shared<BTreeMap<(IpAddr, String), bool>>,
    /// The kernel parameters of this host.
    pub(crate) sysctls: Shared<BTreeMap<SysctlKey, SysctlRecord>>,
    /// What is shown of the table as a whole.
    pub(crate) table: Shared<TableRecord>,
    /// Which metrics each real server has.
    pub(crate) per_real_server: PerRealServer,
    /// The table's time-outs; empty on a real server.
    pub(crate) timeouts: Shared<BTreeMap<Timeout, TimeoutRecord>>,
    /// What this host lacks as a real server; `None` on a director, and before
    /// the first look.
    pub(crate) readiness: Shared<Option<ReadinessRecord>>,
    /// How the last reconcile went.
    pub(crate) reconcile: Shared<ReconcileRecord>,
    /// What is not as it should be: one registry for all configurations that are read.
    pub(crate) conditions: SharedConditions,
    /// The files of TLS that checks and webhooks cannot read again: one record for all
    /// configurations that are read.
    pub(crate) tls_not_read: Arc<StaleFiles>,
    /// What is no longer configured, and is removed when its connections have ended.
    pub(crate) leaving: Shared<Vec<LeavingRecord>>,
    /// Why no weight is changed now; empty if they are.
    pub(crate) frozen: Shared<BTreeSet<FreezeReason>>,
    /// Who else on the link says that they have a VIP: one record for all
    /// configurations that are read.
    pub(crate) arp: Arc<Shared<ArpRecord>>,
    /// The last transitions: one record for all configurations that are read.
    pub(crate) transitions: Arc<Transitions>,
}

impl Snapshot {
    /// Whether no weight is changed, since the fault is likely this host's.
    pub(crate) fn all_weights_are_frozen(&self) -> bool {
        self.frozen.lock().iter().any(|reason| reason.freezes_all())
    }

    /// A sentence for each state file that is damaged, with what to do.
    pub(crate) fn notes_of_damage(&self) -> Vec<String> {
        let damaged = self.conditions.of_kind(ConditionType::StateFileDamaged);
        let notes = damaged
            .iter()
            .map(|one| format!("{}; {}", one.message, one.fix));
        notes.collect()
    }

    /// Whether this process keeps a VIP on lo, rather than the table.
    pub(crate) fn is_real_server(&self) -> bool {
        self.mode == Mode::RealServer
    }

    /// A director that has just read its configuration: nothing is known yet
    /// of the real servers or of the kernel, and no weight is wanted.
    pub(crate) fn director(config: &Config, config_path: PathBuf, loaded_at: SystemTime) -> Self {
        let services = config.virtual_services.iter();
        let services =
            services.map(|service| ServiceRecord {
                name: Arc::clone(&service.name),
                key: service.key,
                scheduler: service.scheduler.clone(),
                refuses_clients: desired::refuses_clients(service),
                forwarding: service.forwarding,
                check_interval: service.check.interval,
                is_persistent: service.persistence.is_some(),
                statistics: Shared::default(),
                pool: Shared::new(PoolRecord {
                    quorum: service.pool.quorum,
                    hysteresis: service.pool.hysteresis,
                    standing: PoolStatus::WELL,
                }),
                sorry_server: service.pool.sorry_server.as_ref().map(|sorry_server| {
                    RealServerRecord {
                        name: SorryServer::NAME.into(),
                        key: sorry_server.key,
                        configured: Weight::ONE,
                        checked_port: sorry_server
                            .check
                            .kind
                            .clients_port(sorry_server.key.0.port()),
                        live: Shared::new(RealServerLive::unknown(loaded_at)),
                    }
                }),
                real_servers: service
                    .real_servers
                    .iter()
                    .map(|real_server| RealServerRecord {
                        name: Arc::clone(&real_server.name),
                        key: real_server.key,
                        configured: real_server.weight,
                        checked_port: service.check.kind.clients_port(real_server.key.0.port()),
                        live: Shared::new(RealServerLive::unknown(loaded_at)),
                    })
                    .collect(),
            });
        let vips = config.director.interface.iter().flat_map(|interface| {
            let vips = config
                .virtual_services
                .iter()
                .filter_map(|service| service.key.vip());
            vips.map(|vip| ((vip, interface.clone()), false))
        });
        Self {
            services: services.collect(),
            vips: Shared::new(vips.collect()),
            per_real_server: config.metrics.per_real_server,
            loaded: Shared::new(LoadedRecord::of(config, Mode::Director, loaded_at)),
            ..Self::empty(Mode::Director, config_path, loaded_at)
        }
    }

    /// The same, shown as of this process.
    pub(crate) fn of_process(self, process: ProcessRecord) -> Self {
        Self { process, ..self }
    }

    /// The same director after it has read its configuration again: what is
    /// known of the real servers that it still has stays known. Those that are
    /// new have the weights that they were found with.
    pub(crate) fn director_again(
        &self,
        config: &Config,
        loaded_at: SystemTime,
        found: &Weights,
    ) -> Self {
        let next = Self {
            arp: Arc::clone(&self.arp),
            transitions: Arc::clone(&self.transitions),
            process: self.process.clone(),
            conditions: Arc::clone(&self.conditions),
            tls_not_read: Arc::clone(&self.tls_not_read),
            ..Self::director(config, self.config_path.clone(), loaded_at)
        };
        let known: BTreeMap<_, _> = self
            .services
            .iter()
            .map(|service| (service.key, service))
            .collect();
        for service in &next.services {
            let before = known.get(&service.key);
            if let Some(before) = before {
                *service.statistics.lock() = *before.statistics.lock();
            }
            let known: BTreeMap<_, _> = before
                .into_iter()
                .flat_map(|before| before.records())
                .map(|record| (record.key, record))
                .collect();
            for record in service.records() {
                if let Some(before) = known.get(&record.key) {
                    *record.live.lock() = before.live.lock().clone();
                } else if let Some(weight) = found.get(&(service.key, record.key)) {
                    record.live.lock().desired = *weight;
                }
            }
        }
        next.frozen.lock().clone_from(&self.frozen.lock());
        next.leaving.lock().clone_from(&self.leaving.lock());
        let vips = self.vips.lock();
        for (vip, configured) in &mut *next.vips.lock() {
            *configured = vips.get(vip).copied().unwrap_or(false);
        }
        next.sysctls.lock().clone_from(&self.sysctls.lock());
        next.table.lock().clone_from(&self.table.lock());
        next.timeouts.lock().clone_from(&self.timeouts.lock());
        *next.reconcile.lock() = self.reconcile.lock().clone();
        next
    }

    /// A real server that has just read its configuration: `vips` are those it
    /// should hold, and nothing is known yet of the kernel.
    pub(crate) fn real_server(
        role: &RealServerRole,
        vips: impl IntoIterator<Item = IpAddr>,
        config_path: PathBuf,
        loaded_at: SystemTime,
    ) -> Self {
        let vips = vips
            .into_iter()
            .map(|vip| ((vip, role.interface.clone()), false));
        let sysctls = role.sysctls.iter().map(|(key, want)| {
            let record = SysctlRecord {
                want: want.clone(),
                have: None,
            };
            (key.clone(), record)
        });
        Self {
            vips: Shared::new(vips.collect()),
            sysctls: Shared::new(sysctls.collect()),
            ..Self::empty(Mode::RealServer, config_path, loaded_at)
        }
    }

    /// What the kernel knows each real server and sorry server by, with its place.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ((ServiceKey, RealServerKey), RealServerId)> {
        (0..).zip(&self.services).flat_map(|(service, record)| {
            (0..)
                .zip(record.records())
                .map(move |(real_server, found)| {
                    let id = RealServerId {
                        service,
                        real_server,
                    };
                    ((record.key, found.key), id)
                })
        })
    }

    /// The records of a real server and of its virtual service; the place of
    /// a sorry server is after the last real server.
    pub(crate) fn records(&self, id: RealServerId) -> Option<(&ServiceRecord, &RealServerRecord)> {
        let service = self.services.get(id.service_index())?;
        let index = id.real_server_index();
        let real_server = match service.real_servers.get(index) {
            None if index == service.real_servers.len() => service.sorry_server.as_ref(),
            real_server => real_server,
        };
        Some((service, real_server?))
    }

    /// Of no service.
    pub(crate) fn empty(mode: Mode, config_path: PathBuf, loaded_at: SystemTime) -> Self {
        Self {
            mode,
            process: ProcessRecord::this(loaded_at),
            config_path,
            loaded: Shared::new(LoadedRecord {
                at: loaded_at,
                sha256: String::new(),
                resync_interval: None,
            }),
            reload: Shared::new(ReloadRecord {
                last_success: loaded_at,
                error: None,
            }),
            services: Vec::new(),
            vips: Shared::default(),
            sysctls: Shared::default(),
            table: Shared::default(),
            per_real_server: PerRealServer::Full,
            timeouts: Shared::default(),
            readiness: Shared::default(),
            reconcile: Shared::default(),
            conditions: Arc::default(),
            tls_not_read: Arc::default(),
            leaving: Shared::default(),
            frozen: Shared::default(),
            arp: Arc::default(),
            transitions: Arc::default(),
        }
    }
}

/// A configuration that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadedRecord {
    pub(crate) at: SystemTime,
    /// Of its files; empty before one is loaded.
    pub(crate) sha256: String,
    /// How often the kernel is compared with it; `None` before one is loaded.
    pub(crate) resync_interval: Option<Duration>,
}

impl LoadedRecord {
    pub(crate) fn of(config: &Config, mode: Mode, at: SystemTime) -> Self {
        let resync_interval = match mode {
            Mode::Director => config.director.resync_interval,
            Mode::RealServer => config.real_server.resync_interval,
        };
        Self {
            at,
            sha256: config.sha256.clone(),
            resync_interval: Some(resync_interval),
        }
    }
}

/// How the last reload of the configuration went; loading it at the start counts as one.
#[derive(Debug, Clone)]
pub(crate) struct ReloadRecord {
    pub(crate) last_success: SystemTime,
    /// Why the newest file was not taken, if it was not.
    pub(crate) error: Option<String>,
}

/// How the last reconcile went.
#[derive(Debug, Default, Clone)]
pub(crate) struct ReconcileRecord {
    /// When the kernel was last found, or made, to be as configured.
    pub(crate) last_success: Option<SystemTime>,
    /// What stands in the way, if something does.
    pub(crate) error: Option<String>,
    /// In a dry run, how many steps would bring the kernel to what is configured.
    pub(crate) pending_steps: usize,
}

/// A real server that is no longer configured, and not removed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeavingRecord {
    /// The names that its virtual service and it had.
    pub(crate) service: String,
    pub(crate) real_server: String,
    pub(crate) service_key: ServiceKey,
    pub(crate) key: RealServerKey,
    /// As of the last second.
    pub(crate) connections: Connections,
    /// When it is removed whatever is left, unless nobody else serves.
    pub(crate) deadline: SystemTime,
    /// Whether it serves, since what replaces it does not yet.
    pub(crate) serves: bool,
}

/// What the last look at a real server's own host has seen.
#[derive(Debug, Clone)]
pub(crate) struct ReadinessRecord {
    pub(crate) at: SystemTime,
    /// The same by the clock that nobody sets.
    pub(crate) seen: Instant,
    /// What holds on each interface that is asked for addresses.
    pub(crate) arp: BTreeMap<String, ArpValues>,
    pub(crate) services: Vec<ServiceReadiness>,
    /// Why the last look saw nothing: the rest is then of the look before.
    pub(crate) error: Option<String>,
}

/// One virtual service.
#[derive(Debug)]
pub(crate) struct ServiceRecord {
    pub(crate) name: Arc<str>,
    pub(crate) key: ServiceKey,
    pub(crate) scheduler: Scheduler,
    /// Whether the scheduler refuses the clients of a real server with weight 0.
    pub(crate) refuses_clients: bool,
    pub(crate) forwarding: Forwarding,
    /// From the start of one probe to the start of the next, as configured.
    pub(crate) check_interval: Duration,
    /// Whether clients are kept on their real server.
    pub(crate) is_persistent: bool,
    /// As of the last resync.
    pub(crate) statistics: Shared<ContinuousStatistics>,
    pub(crate) pool: Shared<PoolRecord>,
    /// In the configuration's order.
    pub(crate) real_servers: Vec<RealServerRecord>,
    pub(crate) sorry_server: Option<RealServerRecord>,
}

/// How a virtual service stands as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolRecord {
    /// As configured.
    pub(crate) quorum: u32,
    /// As configured.
    pub(crate) hysteresis: u32,
    pub(crate) standing: PoolStatus,
}

impl ServiceRecord {
    /// How long a check may have no verdict before something is wrong with it: some intervals,
    /// and the time in which an agent starts.
    pub(crate) fn verdict_patience(&self) -> Duration {
        const INTERVALS: u32 = 3;
        const START: Duration = Duration::from_secs(10);
        START.max(self.check_interval.saturating_mul(INTERVALS))
    }

    /// The real servers, then the sorry server.
    pub(crate) fn records(&self) -> impl Iterator<Item = &RealServerRecord> {
        self.real_servers.iter().chain(&self.sorry_server)
    }

    /// The weight of all real servers, as configured.
    pub(crate) fn configured_weight(&self) -> u64 {
        let weights = self.real_servers.iter();
        weights
            .map(|real_server| u64::from(real_server.configured.get()))
            .sum()
    }

    /// The name of one of the real servers, as operators say it.
    pub(crate) fn name_of(&self, record: &RealServerRecord) -> String {
        format!("{}/{}", self.name, record.name)
    }

    /// One of the real servers as what a command may name.
    pub(crate) fn candidate<'a>(&'a self, record: &'a RealServerRecord) -> Candidate<'a> {
        Candidate::new((&self.name, self.key), (&record.name, record.key))
    }

    /// One of the real servers as the subject of a diagnosis.
    pub(crate) fn subject(&self, record: &RealServerRecord) -> DiagnosisSubject {
        DiagnosisSubject {
            service: self.key,
            forwarding: self.forwarding,
            real_server: record.key.0.ip(),
            port: match record.checked_port {
                0 => record.key.0.port(),
                port => port,
            },
        }
    }
}

/// The table as a whole, as of the last resync.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableRecord {
    pub(crate) statistics: ContinuousStatistics,
    pub(crate) sync_daemons: BTreeSet<SyncDaemon>,
}

impl TableRecord {
    pub(crate) fn observe(&mut self, status: &TableStatus) {
        self.statistics.observe(status.statistics);
        self.sync_daemons.clone_from(&status.sync_daemons);
    }
}

/// One kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SysctlRecord {
    pub(crate) want: String,
    /// `None` if the kernel has no such parameter.
    pub(crate) have: Option<String>,
}

impl SysctlRecord {
    /// Whether the kernel has it as it should be.
    pub(crate) fn ok(&self, key: &SysctlKey) -> bool {
        let have = self.have.as_ref();
        have.is_some_and(|have| key.is_satisfied(have, &self.want))
    }
}

/// A time-out of the table, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeoutRecord {
    /// `None` if it is left as it is.
    pub(crate) want: Option<u32>,
    pub(crate) have: u32,
}

#[cfg(test)]
pub(crate) mod fixture;
