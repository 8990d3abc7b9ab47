use std::collections::BTreeSet;
use std::time::Duration;

use super::super::{MarkRegistry, Ports};
use super::*;
use crate::config::ProbeMark;
use crate::kernel::TableKind;
use crate::plan::probe_marks::Marks;
use crate::plan::{State, Step};
use crate::status::fixture::{config_through_vip, path};

/// Paths without a kernel, and the table as it should be.
fn paths() -> (Arc<VipPaths>, State) {
    let marks = Marks::assign(&config_through_vip(), &Marks::default(), &BTreeSet::new());
    let table = State {
        services: marks.services(),
        ..State::default()
    };
    let registry = MarkRegistry::default();
    registry.assign(marks);
    let ports = Ports::new(40_000..=40_000, Duration::from_mins(15), 0);
    let paths = VipPaths::new(Arc::new(registry), ports, TableKind::Memory);
    (Arc::new(paths), table)
}

#[test]
fn no_connection_opens_before_the_canary_and_the_table_allow_it() {
    let (paths, table) = paths();
    let why = || VipConnection::new(&paths, path(21)).err();
    assert_eq!(why(), Some(Unverified::NoCanary));
    paths.registry.confirm(&table);
    assert_eq!(why(), Some(Unverified::NoCanary));
    paths
        .interception
        .note(Family::Ipv4, Ok(()), clock::monotonic());
    assert_eq!(why(), None);
    paths.registry.confirm(&State::default());
    assert_eq!(why(), Some(Unverified::NoMark));

    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x2000, 1).unwrap();
    let marks = Marks::assign(&config, &Marks::default(), &BTreeSet::new());
    paths.registry.assign(marks);
    assert_eq!(why(), Some(Unverified::NoMark));
    let why = VipConnection::new(&paths, path(22)).err();
    assert_eq!(why, Some(Unverified::NoneLeft));
}

#[test]
fn no_result_counts_after_a_service_was_made_anew_or_interception_failed() {
    let (paths, table) = paths();
    paths.registry.confirm(&table);
    let note = |found| {
        paths
            .interception
            .note(Family::Ipv4, found, clock::monotonic());
    };
    note(Ok(()));
    let connection = VipConnection::new(&paths, path(21)).unwrap();
    assert_eq!(connection.verify_pass(), Ok(()));

    note(Err(Unverified::Backup));
    assert_eq!(connection.verify_pass(), Err(Unverified::Backup));
    note(Ok(()));
    assert_eq!(connection.verify_pass(), Ok(()));

    paths.registry.invalidate(&[Step::RemoveService {
        key: connection.confirmed.service,
    }]);
    assert_eq!(connection.verify_pass(), Err(Unverified::NoMark));
    paths.registry.confirm(&table);
    assert_eq!(connection.verify_pass(), Err(Unverified::NoMark));
    assert!(
        VipConnection::new(&paths, path(21))
            .unwrap()
            .verify_pass()
            .is_ok()
    );
}

#[test]
fn port_rests_for_as_long_as_the_end_of_its_connection_requires() {
    let target: SocketAddr = "192.168.11.200:80".parse().unwrap();
    for (ending, again) in [(Ending::Reset, Some(40_000)), (Ending::Unanswered, None)] {
        let (paths, table) = paths();
        paths.registry.confirm(&table);
        paths
            .interception
            .note(Family::Ipv4, Ok(()), clock::monotonic());
        let port = || {
            VipConnection::new(&paths, path(21))
                .unwrap()
                .next_port(target)
        };
        let connection = VipConnection::new(&paths, path(21)).unwrap();
        assert_eq!(connection.next_port(target), Some(40_000));
        assert_eq!(port(), None, "it is in use");
        connection.held.lock().ending = ending;
        drop(connection);
        assert_eq!(port(), again, "{ending:?}");
    }
}
