use super::*;
use crate::config::VirtualService;
use crate::model::{Forwarding, Weight};
use crate::status::fixture;

#[test]
fn reload_makes_another_record_only_of_a_service_that_changes() {
    let before = fixture::director();
    let mut config = fixture::config();
    config.virtual_services[0].real_servers[0].weight = Weight::MAX;
    let after = before.director_again(&config, fixture::start(), &Weights::new());
    assert!(Arc::ptr_eq(&before.services[1], &after.services[1]));
    assert!(!Arc::ptr_eq(&before.services[0], &after.services[0]));
    let known = |snapshot: &Snapshot| {
        let service = &snapshot.services[0];
        let live = service.real_servers[0].live.lock().clone();
        (live.health, live.desired, live.counters)
    };
    assert_eq!(known(&after), known(&before));
    assert_eq!(after.services[0].real_servers[0].configured, Weight::MAX);
}

#[test]
fn each_change_that_is_shown_makes_another_record() {
    let before = fixture::director();
    let changes: [fn(&mut VirtualService); 9] = [
        |service| service.name = "other".into(),
        |service| service.scheduler = "sh".parse().unwrap(),
        |service| service.forwarding = Forwarding::Masquerade,
        |service| Arc::make_mut(&mut service.check).interval *= 2,
        |service| service.pool.quorum += 1,
        |service| service.pool.hysteresis += 1,
        |service| service.real_servers[0].name = "other".into(),
        |service| service.real_servers.truncate(1),
        |service| service.real_servers.reverse(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut config = fixture::config();
        change(&mut config.virtual_services[0]);
        let after = before.director_again(&config, fixture::start(), &Weights::new());
        let is_same = Arc::ptr_eq(&before.services[0], &after.services[0]);
        assert!(!is_same, "change {number}");
    }
}

#[test]
fn record_of_a_real_server_takes_little_memory() {
    let size = size_of::<RealServerRecord>();
    assert!(
        size <= 336,
        "{size} bytes, and there may be tens of thousands"
    );
}
