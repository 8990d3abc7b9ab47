//! Publication of an observation in the snapshot.

use super::observe::KernelObservation;
use crate::plan::State;
use crate::status::{Snapshot, SysctlRecord, TimeoutRecord};

/// Publishes the observed state beside the desired state.
pub(crate) fn publish(snapshot: &Snapshot, desired: &State, observed: &KernelObservation) {
    for service in &snapshot.services {
        let wanted = desired.services.get(&service.key);
        let held = observed.state.services.get(&service.key);
        let traffic = observed.traffic.get(&service.key);
        if let Some(traffic) = traffic {
            service.statistics.lock().observe(traffic.statistics);
        }
        for real_server in service.records() {
            let key = &real_server.key;
            let mut live = real_server.live.lock();
            if let Some(destination) = wanted.and_then(|state| state.destinations.get(key)) {
                live.desired = destination.weight;
            }
            live.kernel = held
                .and_then(|state| state.destinations.get(key))
                .map(|held| held.weight);
            let traffic = traffic.and_then(|t| t.real_servers.get(key)).copied();
            live.connections = traffic
                .map(|(connections, _)| connections)
                .unwrap_or_default();
            if let Some((_, statistics)) = traffic {
                live.statistics.observe(statistics);
            }
        }
    }
    if let Some(status) = &observed.table {
        snapshot.table.lock().observe(status);
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

#[cfg(test)]
mod tests;
