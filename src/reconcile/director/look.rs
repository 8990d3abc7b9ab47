//! What is looked at every second, for somebody waits for its connections to end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::DirectorLoop;
use crate::clock;
use crate::config::DirectorRemoval;
use crate::health::ends_by_itself;
use crate::kernel::Ipvs;
use crate::leaving::{self, Leaver};
use crate::model::{Connections, RealServerKey, ServiceKey, Weight};
use crate::plan::State;
use crate::reconcile::{Difference, LINES_AT_ONCE, Reconciler, Writing};
use crate::snapshot::{LeavingRecord, Snapshot};

/// What is leaving.
pub(super) type Departures = BTreeMap<(ServiceKey, RealServerKey), Departure>;

#[derive(Debug, Clone, Copy)]
pub(super) struct Departure {
    /// When it is removed whatever is left.
    until: Instant,
    /// As of the last look.
    connections: Connections,
}

impl<T: Ipvs> Reconciler<T> {
    /// Decides what becomes of what the table has and is not configured.
    /// `before` has the names that it had; what it does not name is called as
    /// the kernel knows it.
    pub(in crate::reconcile) fn note_leaving(
        &mut self,
        on_removal: DirectorRemoval,
        configured: &State,
        observed: &State,
        before: &Snapshot,
    ) {
        let leaving = &mut self.owned.leaving;
        let DirectorRemoval::Drain { deadline } = on_removal else {
            leaving.clear();
            return;
        };
        let deadline = clock::wall() + deadline;
        let services = before.services.iter();
        let services = services.map(|service| (service.key, &*service.name));
        let services: BTreeMap<_, _> = services.collect();
        let real_servers = before.services.iter().flat_map(|service| {
            let records = service.records();
            records.map(|record| ((service.key, record.key), &*record.name))
        });
        let real_servers: BTreeMap<_, _> = real_servers.collect();
        leaving::note(leaving, configured, observed, |service, real_server| {
            let name = real_servers.get(&(*service, *real_server));
            Leaver {
                service: services
                    .get(service)
                    .map_or_else(|| service.to_string(), |name| (*name).to_owned()),
                real_server: name
                    .map_or_else(|| real_server.to_string(), |name| (*name).to_owned()),
                deadline,
            }
        });
        // Nobody but the agent has connections by the marks of probes.
        let board = &self.board;
        leaving.retain(|(service, _), _| !board.owns(service));
    }
}

impl<T: Ipvs> DirectorLoop<T> {
    /// Reads the connections of what is being drained, which an operator waits for.
    pub(super) async fn look_at_draining(&mut self) {
        let snapshot = Arc::clone(&self.reconciler.snapshot);
        let draining = snapshot.draining.lock().clone();
        let services: BTreeSet<_> = draining.iter().map(|id| id.service_index()).collect();
        for service in services
            .into_iter()
            .filter_map(|place| snapshot.services.get(place))
        {
            // One that cannot be read is read again in a second, or at the resync.
            let destinations = self.reconciler.kernel.ipvs.destinations(&service.key).await;
            let Ok(destinations) = destinations else {
                continue;
            };
            for record in &service.real_servers {
                if let Some(observed) = destinations.get(&record.key) {
                    let mut live = record.live.lock();
                    live.kernel = Some(observed.destination.weight);
                    live.connections = observed.connections;
                    live.statistics = observed.statistics;
                    live.connections_known = true;
                }
            }
        }
    }

    /// Keeps a watch on all that is leaving, and on nothing else. A deadline
    /// that an earlier process set is as far away as the wall clock says, but
    /// no further than a new one.
    pub(super) fn watch_leaving(&mut self) {
        let leaving = &self.reconciler.owned.leaving;
        self.departures.retain(|key, _| leaving.contains_key(key));
        let longest = match self.on_removal {
            DirectorRemoval::Remove => Duration::ZERO,
            DirectorRemoval::Drain { deadline } => deadline,
        };
        for (key, leaver) in leaving {
            self.departures.entry(*key).or_insert_with(|| {
                let left = leaver.deadline.duration_since(clock::wall());
                Departure {
                    until: clock::monotonic() + left.unwrap_or_default().min(longest),
                    connections: Connections::default(),
                }
            });
        }
        self.show_leaving();
    }

    /// Reads the connections of what is leaving, and removes what has none
    /// left, or whose time is up.
    pub(super) async fn look_at_leaving(&mut self) {
        if self.departures.is_empty() || self.reconciler.writing == Writing::DryRun {
            return;
        }
        let mut over = BTreeMap::new();
        let mut seen = None;
        let mut table = None;
        for (key, departure) in &mut self.departures {
            let (service, real_server) = key;
            if seen != Some(*service) {
                seen = Some(*service);
                // What cannot be read is read again in a second; its time may be up by then.
                table = self.reconciler.kernel.ipvs.destinations(service).await.ok();
            }
            let observed = table.as_ref().and_then(|table| table.get(real_server));
            if let Some(observed) = observed {
                departure.connections = observed.connections;
            }
            let quiet = observed.is_some_and(|observed| {
                observed.destination.weight == Weight::ZERO && observed.connections.active == 0
            });
            if clock::monotonic() >= departure.until {
                over.insert(*key, "its time is up");
            } else if quiet && !ends_by_itself(*service) {
                over.insert(*key, "no active connection is left");
            }
        }
        self.show_leaving();
        if over.is_empty() {
            return;
        }
        let one_by_one = over.len() <= LINES_AT_ONCE;
        for (key, reason) in &over {
            if let Some(leaver) = self.reconciler.owned.leaving.remove(key) {
                let active = self.departures.get(key).map(|d| d.connections.active);
                if one_by_one {
                    info!(
                        service = leaver.service,
                        real_server = leaver.real_server,
                        active,
                        "drained, and removed as it is no longer configured: {reason}"
                    );
                }
            }
        }
        if !one_by_one {
            info!(
                number = over.len(),
                "drained, and removed as they are no longer configured"
            );
        }
        // What stands in the way is shown and said by then, and tried again.
        let _ = self.full_pass(Difference::Wanted).await;
    }

    fn show_leaving(&self) {
        let leaving = self.reconciler.owned.leaving.iter();
        let records = leaving.map(|((service, real_server), leaver)| {
            let departure = self.departures.get(&(*service, *real_server));
            LeavingRecord {
                service: leaver.service.clone(),
                service_key: *service,
                real_server: leaver.real_server.clone(),
                key: *real_server,
                connections: departure.map(|d| d.connections).unwrap_or_default(),
                deadline: leaver.deadline,
            }
        });
        *self.reconciler.snapshot.leaving.lock() = records.collect();
    }
}
