//! One virtual service, as it is shown.

use std::sync::Arc;
use std::time::Duration;

use super::RealServerRecord;
use crate::diagnosis::DiagnosisSubject;
use crate::model::{
    Candidate, ContinuousStatistics, Forwarding, PoolStatus, Scheduler, ServiceKey,
};
use crate::runtime::shared::Shared;

/// One virtual service.
#[derive(Debug)]
pub(crate) struct ServiceRecord {
    pub(crate) name: Arc<str>,
    pub(crate) key: ServiceKey,
    pub(crate) scheduler: Scheduler,
    /// Whether the scheduler refuses the clients of a real server with weight 0.
    pub(crate) refuses_clients: bool,
    pub(crate) forwarding: Forwarding,
    /// From the start of one probe to the start of the next, as configured: the longest of its
    /// real servers' checks; `None` where none of them is checked.
    pub(crate) check_interval: Option<Duration>,
    /// Whether clients are kept on their real server.
    pub(crate) is_persistent: bool,
    /// As of the last resync.
    pub(crate) statistics: Shared<ContinuousStatistics>,
    pub(crate) pool: Shared<PoolRecord>,
    /// In the configuration's order.
    pub(crate) real_servers: Vec<RealServerRecord>,
    /// Boxed, since most services have none.
    pub(crate) sorry_server: Option<Box<RealServerRecord>>,
}

impl ServiceRecord {
    /// Whether both have the same configuration, as far as it is shown.
    pub(super) fn is_configured_as(&self, other: &Self) -> bool {
        let Self {
            name,
            key,
            scheduler,
            refuses_clients,
            forwarding,
            check_interval,
            is_persistent,
            statistics: _,
            pool,
            real_servers,
            sorry_server,
        } = self;
        let pool = *pool.lock();
        let other_pool = *other.pool.lock();
        let is_same = |(one, other): (&RealServerRecord, _)| one.is_configured_as(other);
        (name, key, scheduler) == (&other.name, &other.key, &other.scheduler)
            && (refuses_clients, forwarding) == (&other.refuses_clients, &other.forwarding)
            && (check_interval, is_persistent) == (&other.check_interval, &other.is_persistent)
            && (pool.quorum, pool.hysteresis) == (other_pool.quorum, other_pool.hysteresis)
            && real_servers.len() == other.real_servers.len()
            && sorry_server.is_some() == other.sorry_server.is_some()
            && self.records().zip(other.records()).all(is_same)
    }

    /// How long a check may have no verdict before something is wrong with it: some intervals,
    /// and the time in which an agent starts.
    pub(crate) fn verdict_patience(&self) -> Duration {
        const INTERVALS: u32 = 3;
        const START: Duration = Duration::from_secs(10);
        let interval = self.check_interval.unwrap_or_default();
        START.max(interval.saturating_mul(INTERVALS))
    }

    /// The real servers, then the sorry server.
    pub(crate) fn records(&self) -> impl Iterator<Item = &RealServerRecord> + Clone {
        let sorry_server = self.sorry_server.as_deref();
        self.real_servers.iter().chain(sorry_server)
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
            forwarding: record.forwarding,
            real_server: record.key.0.ip(),
            port: match record.checked_port {
                0 => record.key.0.port(),
                port => port,
            },
        }
    }
}

/// How a virtual service stands as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolRecord {
    /// As configured.
    pub(crate) quorum: u32,
    /// As configured.
    pub(crate) hysteresis: u32,
    pub(crate) status: PoolStatus,
}
