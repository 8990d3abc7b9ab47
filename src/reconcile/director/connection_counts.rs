//! The connections of real servers that are being drained, read every second for health.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::DirectorLoop;
use crate::health::Loads;
use crate::kernel::Ipvs;
use crate::model::DestinationLoad;
use crate::runtime::clock;

impl<T: Ipvs> DirectorLoop<T> {
    /// Reads the connections of the real servers whose drain health waits for, and reports the
    /// counts to health.
    pub(super) async fn count_connections(&mut self) {
        let draining = self.weight_updates.draining();
        if draining.is_empty() {
            return;
        }
        let snapshot = Arc::clone(&self.reconciler.snapshot);
        let read_at = clock::monotonic();
        let mut loads = BTreeMap::new();
        let services: BTreeSet<_> = draining.iter().map(|id| id.service_index()).collect();
        for service in services
            .into_iter()
            .filter_map(|index| snapshot.services.get(index))
        {
            // A service that cannot be read is read again after a second.
            let destinations = self.reconciler.kernel.ipvs.destinations(&service.key).await;
            let Ok(destinations) = destinations else {
                continue;
            };
            for record in &service.real_servers {
                let observed = destinations.get(&record.key);
                if let Some(observed) = observed {
                    let mut live = record.live.lock();
                    live.kernel = Some(observed.destination.weight);
                    live.connections = observed.connections;
                    live.statistics.observe(observed.statistics);
                }
                let load = observed.map(|observed| DestinationLoad {
                    weight: observed.destination.weight,
                    active_connections: observed.connections.active,
                });
                loads.insert((service.key, record.key), load);
            }
        }
        self.loads.send_replace(Some(Loads { read_at, loads }));
    }
}
