//! Everything that is shown, of one configuration; a reload hands over what stays true.

mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use self::records::{service_record, take_over_real_servers, take_over_statistics};
use super::{
    ArpRecord, LeavingRecord, LoadedRecord, ProcessRecord, ReadinessRecord, RealServerRecord,
    ReconcileRecord, ReloadRecord, ServiceRecord, SharedConditions, SysctlRecord, TableRecord,
    TimeoutRecord, Transitions,
};
use crate::config::{Config, PerRealServer, RealServerRole};
use crate::model::{
    ConditionType, FreezeReason, MemberKey, RealServerId, Role, SysctlKey, Timeout, Weights,
};
use crate::net::tls::StaleFiles;
use crate::runtime::shared::Shared;

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) role: Role,
    pub(crate) process: ProcessRecord,
    pub(crate) config_path: PathBuf,
    /// The configuration that is in force.
    pub(crate) loaded: Shared<LoadedRecord>,
    /// How the last reload of the configuration went.
    pub(crate) reload: Shared<ReloadRecord>,
    /// In the configuration's order; empty on a real server. A virtual service of which a reload
    /// changes nothing that is shown has the same record in both snapshots.
    pub(crate) services: Vec<Arc<ServiceRecord>>,
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
        self.frozen.lock().iter().any(FreezeReason::freezes_all)
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
        self.role == Role::RealServer
    }

    /// A director that has just read its configuration: nothing is known yet
    /// of the real servers or of the kernel, and no weight is wanted.
    pub(crate) fn director(config: &Config, config_path: PathBuf, loaded_at: SystemTime) -> Self {
        let services = config.virtual_services.iter();
        let services = services.map(|service| Arc::new(service_record(service, loaded_at)));
        Self::of_services(services.collect(), config, config_path, loaded_at)
    }

    fn of_services(
        services: Vec<Arc<ServiceRecord>>,
        config: &Config,
        config_path: PathBuf,
        loaded_at: SystemTime,
    ) -> Self {
        let vips = config.director.interface.iter().flat_map(|interface| {
            let vips = config
                .virtual_services
                .iter()
                .filter_map(|service| service.key.vip());
            vips.map(|vip| ((vip, interface.clone()), false))
        });
        Self {
            services,
            vips: Shared::new(vips.collect()),
            per_real_server: config.metrics.per_real_server,
            loaded: Shared::new(LoadedRecord::of(config, Role::Director, loaded_at)),
            ..Self::empty(Role::Director, config_path, loaded_at)
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
        let known: BTreeMap<_, _> = self
            .services
            .iter()
            .map(|service| (service.key, service))
            .collect();
        let services = config.virtual_services.iter().map(|service| {
            let record = service_record(service, loaded_at);
            match known.get(&service.key) {
                Some(before) if before.is_configured_as(&record) => Arc::clone(before),
                Some(before) => {
                    take_over_statistics(&record, before);
                    take_over_real_servers(&record, Some(before), found, loaded_at);
                    Arc::new(record)
                }
                None => {
                    take_over_real_servers(&record, None, found, loaded_at);
                    Arc::new(record)
                }
            }
        });
        let path = self.config_path.clone();
        let next = Self {
            arp: Arc::clone(&self.arp),
            transitions: Arc::clone(&self.transitions),
            process: self.process.clone(),
            conditions: Arc::clone(&self.conditions),
            tls_not_read: Arc::clone(&self.tls_not_read),
            ..Self::of_services(services.collect(), config, path, loaded_at)
        };
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
            ..Self::empty(Role::RealServer, config_path, loaded_at)
        }
    }

    /// What the kernel knows each real server and sorry server by, with its place.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (MemberKey, RealServerId)> {
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
            None if index == service.real_servers.len() => service.sorry_server.as_deref(),
            real_server => real_server,
        };
        Some((service, real_server?))
    }

    /// Of no service.
    pub(crate) fn empty(role: Role, config_path: PathBuf, loaded_at: SystemTime) -> Self {
        Self {
            role,
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

#[cfg(test)]
mod tests;
