use std::time::{Duration, SystemTime};

use super::*;
use crate::model::RealServerKey;
use crate::runtime::clock;

#[test]
fn next_deadline_is_that_of_the_first_drain_that_ends_by_its_deadline() {
    let now = clock::monotonic();
    let after = |seconds| now + Duration::from_secs(seconds);
    let ids = [0, 1, 2].map(|real_server| RealServerId {
        service: 0,
        real_server,
    });
    let key = |service: &str| {
        (
            service.parse().unwrap(),
            "192.0.2.11:53".parse::<RealServerKey>().unwrap(),
        )
    };
    let mut drains = DrainTracker::default();
    let begin = |drains: &mut DrainTracker, id: usize, service, seconds| {
        let deadline = DrainDeadline {
            until: after(seconds),
            at: SystemTime::UNIX_EPOCH,
        };
        let decision = Decision {
            by: Some(format!("operator {id}").into()),
            ..Decision::default()
        };
        drains.begin(ids[id], key(service), deadline, decision, now);
        drains.next_deadline()
    };
    let udp = "udp 192.0.2.1:53";
    assert_eq!(begin(&mut drains, 0, "tcp 192.0.2.1:80", 1), None);
    assert_eq!(begin(&mut drains, 1, udp, 5), Some(after(5)));
    assert_eq!(begin(&mut drains, 2, udp, 7), Some(after(5)));
    assert_eq!(begin(&mut drains, 1, udp, 9), Some(after(7)), "once more");
    assert_eq!(drains.take_overdue(after(6)), []);
    let ended = drains.take_overdue(after(7));
    let ended: Vec<_> = ended
        .iter()
        .map(|(id, one)| (*id, one.by.as_deref()))
        .collect();
    assert_eq!(ended, [(ids[2], Some("operator 2"))]);
    assert_eq!(drains.next_deadline(), Some(after(9)));
    drains.cancel(ids[1]);
    assert_eq!(drains.next_deadline(), None);
    assert_eq!(
        drains.take_overdue(after(99)),
        [],
        "only a deadline ends it"
    );
}
