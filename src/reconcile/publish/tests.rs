use std::collections::BTreeMap;

use super::*;
use crate::model::{Connections, Statistics, SyncDaemon, SyncState, TableStatus};
use crate::reconcile::observe::ServiceTraffic;
use crate::status::fixture;

/// What the kernel has counted for `web`, and for its first real server if that is there.
fn observed(snapshot: &Snapshot, service: u64, real_server: Option<u64>) -> KernelObservation {
    let counted = |connections| Statistics {
        connections,
        ..Statistics::default()
    };
    let web = &snapshot.services[0];
    let connections = Connections {
        active: 2,
        ..Connections::default()
    };
    let real_servers = real_server.map(|count| {
        let key = web.real_servers[0].key;
        (key, (connections, counted(count)))
    });
    let traffic = ServiceTraffic {
        statistics: counted(service),
        real_servers: real_servers.into_iter().collect(),
    };
    KernelObservation {
        traffic: BTreeMap::from([(web.key, traffic)]),
        ..KernelObservation::default()
    }
}

#[test]
fn counters_of_a_real_server_that_was_gone_go_on() {
    let config = fixture::config();
    let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
    let desired = State::default();
    let web = &snapshot.services[0];
    let shown = || {
        let live = web.real_servers[0].live.lock();
        let service = web.statistics.lock().total().connections;
        let real_server = live.statistics.total().connections;
        (service, real_server, live.connections.active)
    };
    for (service, real_server, expected) in [
        (42, Some(42), (42, 42, 2)),
        (42, None, (42, 42, 0)),
        (42, Some(0), (42, 42, 2)),
        (47, Some(5), (47, 47, 2)),
        // `ipvsadm -Z`
        (0, Some(0), (47, 47, 2)),
        (1, Some(1), (48, 48, 2)),
    ] {
        publish(
            &snapshot,
            &desired,
            &observed(&snapshot, service, real_server),
        );
        assert_eq!(shown(), expected);
    }
    // The whole service is gone.
    publish(&snapshot, &desired, &KernelObservation::default());
    assert_eq!(shown(), (48, 48, 0));
    publish(&snapshot, &desired, &observed(&snapshot, 0, Some(0)));
    assert_eq!(shown(), (48, 48, 2));

    // A reload keeps what was counted.
    let next = snapshot.director_again(&config, fixture::start(), &BTreeMap::new());
    publish(&next, &desired, &observed(&next, 2, Some(2)));
    assert_eq!(next.services[0].statistics.lock().total().connections, 50);
}

#[test]
fn totals_of_the_table_stay_while_they_cannot_be_read() {
    let snapshot = Snapshot::director(&fixture::config(), "c".into(), fixture::start());
    let daemon = SyncDaemon {
        state: SyncState::Master,
        interface: "eth0".to_owned(),
        sync_id: 1,
    };
    let observed = KernelObservation {
        table: Some(TableStatus {
            statistics: Statistics {
                incoming_bytes: 9,
                ..Statistics::default()
            },
            sync_daemons: [daemon].into(),
        }),
        ..KernelObservation::default()
    };
    publish(&snapshot, &State::default(), &observed);
    publish(&snapshot, &State::default(), &KernelObservation::default());
    let table = snapshot.table.lock();
    assert_eq!(table.statistics.total().incoming_bytes, 9);
    assert_eq!(table.sync_daemons.len(), 1);
}
