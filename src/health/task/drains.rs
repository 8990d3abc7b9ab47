//! What an operator wants of real servers, and when a drain is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::HealthTask;
use crate::drain::Drained;
use crate::health::Admin;
use crate::model::{Protocol, RealServerId, ServiceKey, Weight};
use crate::notify::{Event, EventKind};

/// The deadline of a drain that goes on after a restart or a reload.
const DRAIN_AGAIN: Duration = Duration::from_mins(5);

/// A drain under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    /// When what has no connections that could end counts as drained.
    until: Option<Instant>,
}

impl HealthTask {
    /// Begins with these drained, as they were when the last process ended.
    pub(crate) fn with_drained(mut self, drained: &Drained, now: Instant) -> Self {
        let mut ids = Vec::new();
        for (service, configured) in (0..).zip(&self.config.virtual_services) {
            for (real_server, (key, _)) in (0..).zip(configured.checked()) {
                if drained.contains(&(configured.key, key)) {
                    ids.push(RealServerId {
                        service,
                        real_server,
                    });
                }
            }
        }
        self.set_admin(&ids, Admin::Draining, DRAIN_AGAIN, now);
        self
    }

    pub(super) fn set_admin(
        &mut self,
        ids: &[RealServerId],
        admin: Admin,
        deadline: Duration,
        now: Instant,
    ) {
        let snapshot = Arc::clone(&self.snapshot);
        for id in ids {
            let Some((service, record)) = snapshot.records(*id) else {
                continue;
            };
            let Some(pool) = self.pools.get_mut(id.service_index()) else {
                continue;
            };
            pool.set_admin(id.real_server_index(), admin);
            record.live.lock().admin = admin;
            info!(
                service = &*service.name,
                real_server = &*record.name,
                "an operator wants it {}",
                admin.as_str()
            );
            let changes = self.settle(id.service_index(), None, now);
            self.intent.set(changes);
            if admin == Admin::Draining {
                let until = ends_by_itself(service.key).then_some(now + deadline);
                self.draining.insert(*id, Drain { until });
            } else {
                self.draining.remove(id);
            }
        }
        self.show_draining();
    }

    pub(super) fn show_draining(&self) {
        *self.snapshot.draining.lock() = self.draining.keys().copied().collect();
    }

    /// What is drained by now. A real server without connections may get one
    /// more as long as the kernel does not have its weight of 0.
    pub(super) fn check_drains(&mut self, now: Instant) {
        let snapshot = Arc::clone(&self.snapshot);
        let drained = self.draining.iter().filter(|(id, drain)| {
            let records = snapshot.records(**id);
            let quiet = records.is_some_and(|(_, record)| {
                let live = record.live.lock();
                live.kernel == Some(Weight::ZERO)
                    && live.connections_known
                    && live.connections.active == 0
            });
            match drain.until {
                Some(until) => now >= until,
                None => quiet,
            }
        });
        let drained: Vec<_> = drained.map(|(id, _)| *id).collect();
        for id in &drained {
            self.draining.remove(id);
            if let Some(pool) = self.pools.get_mut(id.service_index()) {
                pool.set_admin(id.real_server_index(), Admin::Drained);
            }
            if let Some((service, record)) = snapshot.records(*id) {
                record.live.lock().admin = Admin::Drained;
                info!(
                    service = &*service.name,
                    real_server = &*record.name,
                    "real server drained"
                );
                let detail = "no active connection is left";
                let event =
                    Event::of_real_server(EventKind::RealServerDrained, service, record, detail);
                self.events.emit(event);
            }
        }
        if !drained.is_empty() {
            self.show_draining();
        }
    }

    /// What is being drained, by its places in a new configuration.
    pub(super) fn draining_again(&self, now: Instant) -> BTreeMap<RealServerId, Drain> {
        let mut draining = BTreeMap::new();
        for (service, record) in (0..).zip(&self.snapshot.services) {
            for (real_server, real) in (0..).zip(&record.real_servers) {
                if real.live.lock().admin == Admin::Draining {
                    let until = ends_by_itself(record.key).then_some(now + DRAIN_AGAIN);
                    draining.insert(
                        RealServerId {
                            service,
                            real_server,
                        },
                        Drain { until },
                    );
                }
            }
        }
        draining
    }
}

/// Whether a drain ends with its deadline: what is not TCP or SCTP has no
/// connections that end, only entries that time out.
pub(crate) fn ends_by_itself(service: ServiceKey) -> bool {
    matches!(
        service,
        ServiceKey::Address {
            protocol: Protocol::Udp,
            ..
        }
    )
}
