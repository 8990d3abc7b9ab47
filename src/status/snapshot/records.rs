//! The records of a configuration, and what they take over from those of the one before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::config::{ServiceMember, SorryServer, VirtualService};
use crate::model::{PoolStatus, Weight, Weights};
use crate::plan::desired;
use crate::runtime::shared::Shared;
use crate::status::{PoolRecord, RealServerLive, RealServerRecord, ServiceRecord};

/// What is shown of a virtual service of which nothing is known yet.
pub(super) fn service_record(service: &VirtualService, loaded_at: SystemTime) -> ServiceRecord {
    ServiceRecord {
        name: Arc::clone(&service.name),
        key: service.key,
        scheduler: service.scheduler.clone(),
        refuses_clients: desired::refuses_clients(service),
        forwarding: service.forwarding,
        check_interval: check_interval(service),
        is_persistent: service.persistence.is_some(),
        statistics: Shared::default(),
        pool: Shared::new(PoolRecord {
            quorum: service.pool.quorum,
            hysteresis: service.pool.hysteresis,
            status: PoolStatus::WELL,
        }),
        sorry_server: service.sorry_member().map(|sorry_server| {
            let name = SorryServer::NAME.into();
            Box::new(record(sorry_server, name, Weight::ONE, loaded_at))
        }),
        real_servers: service
            .real_servers
            .iter()
            .map(|real_server| {
                let member = service.member(real_server);
                let name = Arc::clone(&real_server.name);
                record(member, name, real_server.weight, loaded_at)
            })
            .collect(),
    }
}

/// Gives a record what was counted of the same virtual service.
pub(super) fn take_over_statistics(record: &ServiceRecord, before: &ServiceRecord) {
    let before = before.statistics.lock();
    record.statistics.lock().clone_from(&before);
}

/// Gives the real servers of a record what was known of them. Those that are new have the weights
/// that they were found with.
pub(super) fn take_over_real_servers(
    service: &ServiceRecord,
    before: Option<&Arc<ServiceRecord>>,
    found: &Weights,
    loaded_at: SystemTime,
) {
    let known: BTreeMap<_, _> = before
        .into_iter()
        .flat_map(|before| before.records())
        .map(|record| (record.key, record))
        .collect();
    for record in service.records() {
        if let Some(before) = known.get(&record.key) {
            let before = RealServerLive {
                watching: None,
                ..before.live.lock().clone()
            };
            *record.live.lock() = if record.is_checked {
                before
            } else {
                before.no_longer_checked(loaded_at)
            };
        } else if let Some(weight) = found.get(&(service.key, record.key)) {
            record.live.lock().desired = *weight;
        }
    }
}

/// What is shown of a real server or sorry server of which nothing is known yet.
fn record(
    member: ServiceMember<'_>,
    name: Arc<str>,
    configured: Weight,
    loaded_at: SystemTime,
) -> RealServerRecord {
    let check = &member.check.kind;
    let is_checked = check.asks();
    let live = if is_checked {
        RealServerLive::unknown(loaded_at)
    } else {
        RealServerLive::up(loaded_at)
    };
    RealServerRecord {
        name,
        key: member.key,
        configured,
        forwarding: member.forwarding,
        is_checked,
        checked_port: check.clients_port(member.key.0.port()),
        live: Shared::new(live),
    }
}

/// The longest interval of the checks of the real servers of a service; `None` where none of them
/// is checked.
fn check_interval(service: &VirtualService) -> Option<Duration> {
    let real_servers = service.real_servers.iter();
    let checks = real_servers.map(|real_server| service.member(real_server).check);
    let asking = checks.filter(|check| check.kind.asks());
    asking.map(|check| check.interval).max()
}
