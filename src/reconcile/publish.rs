//! Publication of an observation in the snapshot.

use super::observe::Observation;
use crate::plan::State;
use crate::status::{Snapshot, SysctlRecord, TimeoutRecord};

/// Publishes the observed state beside the desired state.
pub(crate) fn publish(snapshot: &Snapshot, desired: &State, observed: &Observation) {
    for service in &snapshot.services {
        let wanted = desired.services.get(&service.key);
        let held = observed.state.services.get(&service.key);
        let traffic = observed.traffic.get(&service.key);
        *service.statistics.lock() = traffic.map(|t| t.statistics).unwrap_or_default();
        for real_server in service.real_servers.iter().chain(&service.sorry_server) {
            let key = &real_server.key;
            let mut live = real_server.live.lock();
            if let Some(destination) = wanted.and_then(|state| state.destinations.get(key)) {
                live.desired = destination.weight;
            }
            live.kernel = held
                .and_then(|state| state.destinations.get(key))
                .map(|held| held.weight);
            (live.connections, live.statistics) = traffic
                .and_then(|t| t.real_servers.get(key))
                .copied()
                .unwrap_or_default();
        }
    }
    *snapshot.vips.lock() = desired
        .addresses
        .iter()
        .map(|address| {
            let key = (address.address, address.interface.clone());
            (key, observed.state.addresses.contains(address))
        })
        .collect();
    *snapshot.timeouts.lock() = observed
        .timeouts
        .iter()
        .map(|(timeout, have)| {
            let want = desired.timeouts.get(timeout).copied();
            (*timeout, TimeoutRecord { want, have: *have })
        })
        .collect();
    *snapshot.sysctls.lock() = desired
        .sysctls
        .iter()
        .map(|(key, want)| {
            let have = observed.state.sysctls.get(key).cloned();
            (
                key.clone(),
                SysctlRecord {
                    want: want.clone(),
                    have,
                },
            )
        })
        .collect();
}
