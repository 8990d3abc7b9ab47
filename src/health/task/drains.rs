//! What an operator wants of real servers, and when a drain is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tracing::info;

use super::{HealthTask, name};
use crate::health::line_kind::LineKind;
use crate::model::{AdminState, Protocol, RealServerId, RealServerKey, ServiceKey, Weight};
use crate::notify::{Event, EventKind};
use crate::runtime::clock;
use crate::status::Snapshot;

/// When a drain should be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DrainDeadline {
    /// UDP counts as drained then: it has no connections that end.
    pub(crate) until: Instant,
    /// The same on the wall clock, for people.
    pub(crate) at: SystemTime,
}

/// A drain under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    /// When what has no connections that could end counts as drained.
    until: Option<Instant>,
}

impl HealthTask {
    /// Begins with these drained, as they were when the last process ended.
    pub(crate) fn with_drained(
        mut self,
        deadline: impl Fn(&(ServiceKey, RealServerKey)) -> Option<DrainDeadline>,
    ) -> Self {
        let config = Arc::clone(&self.config);
        for (service, configured) in (0..).zip(&config.virtual_services) {
            for (real_server, configured_one) in (0..).zip(&configured.real_servers) {
                if let Some(deadline) = deadline(&(configured.key, configured_one.key)) {
                    let id = RealServerId {
                        service,
                        real_server,
                    };
                    self.set_admin_of(id, AdminState::Draining, deadline);
                }
            }
        }
        self.show_draining();
        self
    }

    pub(super) fn set_admin(
        &mut self,
        ids: &[RealServerId],
        admin: AdminState,
        deadline: DrainDeadline,
    ) {
        for id in ids {
            self.set_admin_of(*id, admin, deadline);
        }
        self.show_draining();
    }

    fn set_admin_of(&mut self, id: RealServerId, admin: AdminState, deadline: DrainDeadline) {
        let snapshot = Arc::clone(&self.snapshot);
        let pool = self.pools.get_mut(id.service_index());
        let (Some((service, record)), Some(pool)) = (snapshot.records(id), pool) else {
            return;
        };
        pool.set_admin(id.real_server_index(), admin);
        {
            let mut live = record.live.lock();
            live.admin = admin;
            live.drain_deadline = (admin == AdminState::Draining).then_some(deadline.at);
        }
        let now = clock::monotonic();
        let subject = || name(service, record);
        let (kind, common) = (LineKind::AdminState, admin.as_str());
        if self.bursts.admit(kind, common, subject, || None, now) {
            info!(
                service = &*service.name,
                real_server = &*record.name,
                "an operator wants it {common}"
            );
        }
        let changes = self.settle(id.service_index(), None, now);
        self.intent.set(changes);
        if admin == AdminState::Draining {
            let until = ends_by_itself(service.key).then_some(deadline.until);
            self.draining.insert(id, Drain { until });
        } else {
            self.draining.remove(&id);
        }
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
            // What is removed while it is down has neither.
            let pool = self.pools.get(id.service_index());
            let removed = pool.is_some_and(|pool| pool.is_removed(id.real_server_index()));
            let quiet = records.is_some_and(|(_, record)| {
                let live = record.live.lock();
                (live.kernel == Some(Weight::ZERO) || removed && live.kernel.is_none())
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
                pool.set_admin(id.real_server_index(), AdminState::Drained);
            }
            if let Some((service, record)) = snapshot.records(*id) {
                {
                    let mut live = record.live.lock();
                    live.admin = AdminState::Drained;
                    live.drain_deadline = None;
                }
                let subject = || name(service, record);
                let kind = LineKind::Drained;
                if self.bursts.admit(kind, "", subject, || None, now) {
                    info!(
                        service = &*service.name,
                        real_server = &*record.name,
                        "real server drained"
                    );
                }
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

    /// What is being drained, by its places in another configuration's snapshot.
    pub(super) fn draining_in(&self, next: &Snapshot) -> BTreeMap<RealServerId, Drain> {
        let known = self.draining.iter().filter_map(|(id, drain)| {
            let (service, record) = self.snapshot.records(*id)?;
            Some(((service.key, record.key), *drain))
        });
        let known: BTreeMap<_, _> = known.collect();
        let mut draining = BTreeMap::new();
        for (service, record) in (0..).zip(&next.services) {
            for (real_server, real) in (0..).zip(&record.real_servers) {
                if let Some(drain) = known.get(&(record.key, real.key)) {
                    let id = RealServerId {
                        service,
                        real_server,
                    };
                    draining.insert(id, *drain);
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
