use super::*;
use crate::config::{Config, VirtualService};
use crate::model::LocalAddress;
use crate::plan::desired;
use crate::plan::probe_marks::Marks;
use crate::status::fixture;

fn state(config: &Config) -> State {
    desired::director(config, &Marks::default(), |_, _, weight| weight)
}

fn hashed(service: &mut VirtualService) {
    service.scheduler = "sh".parse().unwrap();
}

fn removal() -> PendingRemoval {
    PendingRemoval {
        service: "web".to_owned(),
        real_server: "rs".to_owned(),
        deadline: fixture::start(),
        has_weight: true,
    }
}

fn addresses(state: &State) -> Vec<String> {
    state.addresses.iter().map(ToString::to_string).collect()
}

/// What the kernel holds of `before`, what of it is leaving with `after`, and
/// what is desired then.
fn left(before: &Config, after: &Config) -> (State, PendingRemovals, State) {
    let (observed, configured) = (state(before), state(after));
    let mut leaving = PendingRemovals::new();
    note(&mut leaving, &configured, &observed, |_, _| removal());
    let desired = kept(&leaving, &Unreplaced::new(), &configured, &observed).into_owned();
    (observed, leaving, desired)
}

#[test]
fn nothing_that_is_configured_leaves() {
    let config = fixture::config();
    let (_, leaving, desired) = left(&config, &config);
    assert_eq!(leaving, PendingRemovals::new());
    assert_eq!(desired, state(&config));
}

#[test]
fn a_real_server_stays_as_it_was_but_for_its_weight() {
    let before = fixture::config();
    let mut after = before.clone();
    after.virtual_services[0].real_servers.remove(1);
    after.virtual_services[0].scheduler = "rr".parse().unwrap();
    let (observed, leaving, desired) = left(&before, &after);
    let key = (
        "tcp 192.168.11.200:80".parse().unwrap(),
        "192.168.11.22:80".parse().unwrap(),
    );
    assert_eq!(leaving.keys().collect::<Vec<_>>(), [&key]);
    let web = &desired.services[&key.0];
    let held = observed.services[&key.0].destinations[&key.1];
    let weight = Weight::ZERO;
    assert_eq!(web.destinations[&key.1], Destination { weight, ..held });
    assert_eq!(
        web.service.scheduler.as_str(),
        "rr",
        "the service is the new one"
    );
    assert_eq!(web.service.flags, ServiceFlags::default());

    let mut again = leaving;
    note(&mut again, &state(&before), &observed, |_, _| removal());
    assert_eq!(again, PendingRemovals::new(), "it is configured again");
}

#[test]
fn hashing_gives_its_share_to_those_that_serve() {
    let mut before = fixture::config();
    hashed(&mut before.virtual_services[0]);
    let mut after = before.clone();
    after.virtual_services[0].real_servers.remove(1);
    let (_, _, desired) = left(&before, &after);
    let web = &desired.services[&"tcp 192.168.11.200:80".parse().unwrap()];
    assert_eq!(web.service.flags, ServiceFlags::FALLBACK);
}

#[test]
fn a_service_stays_with_its_vip_while_one_of_its_real_servers_does() {
    let before = fixture::config();
    let mut after = before.clone();
    after.virtual_services.remove(0);
    let (observed, mut leaving, desired) = left(&before, &after);
    assert_eq!(leaving.len(), 2);
    assert_eq!(addresses(&desired), ["192.168.11.200/32 on eth0"]);
    let weights = desired
        .services
        .values()
        .next()
        .unwrap()
        .destinations
        .values();
    assert!(
        weights
            .map(|d| d.weight)
            .all(|weight| weight == Weight::ZERO)
    );

    leaving.clear();
    assert_eq!(
        *kept(&leaving, &Unreplaced::new(), &state(&after), &observed),
        state(&after)
    );
}

#[test]
fn a_vip_that_another_service_has_moves_with_that() {
    let mut before = fixture::config();
    let mut other = before.virtual_services[0].clone();
    other.key = "tcp 192.168.11.200:443".parse().unwrap();
    before.virtual_services.push(other);
    let mut after = before.clone();
    after.virtual_services.remove(0);
    after.director.interface = Some("eth1".to_owned());
    let (mut observed, leaving, _) = left(&before, &after);
    observed.addresses.insert(LocalAddress {
        interface: "eth0".to_owned(),
        address: "192.168.11.200".parse().unwrap(),
    });
    let after = state(&after);
    let desired = kept(&leaving, &Unreplaced::new(), &after, &observed);
    assert_eq!(addresses(&desired), ["192.168.11.200/32 on eth1"]);
}
