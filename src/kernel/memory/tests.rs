use super::*;
use crate::model::{Forwarding, LocalAddress, Scheduler, Service, ServiceFlags, Weight};

#[tokio::test]
async fn written_state_is_observed() {
    let mut table = MemoryIpvs::default();
    assert_eq!(
        causes(&mut table, &[add_service(), add_destination(3)]).await,
        [None, None]
    );
    let services = table.services().await.unwrap();
    assert_eq!(services[&service()].service, properties());
    let destinations = table.destinations(&service()).await.unwrap();
    assert_eq!(destinations[&real_server()].destination, destination(3));

    let change = Step::SetDestination {
        service: service(),
        key: real_server(),
        from: destination(3),
        to: destination(0),
    };
    assert_eq!(causes(&mut table, &[change]).await, [None]);
    let destinations = table.destinations(&service()).await.unwrap();
    assert_eq!(destinations[&real_server()].destination, destination(0));
}

#[tokio::test]
async fn refusals_are_the_kernels_and_do_not_stop_the_rest() {
    let mut table = MemoryIpvs::default();
    let writes = [
        add_destination(1),
        remove_service(),
        remove_destination(),
        add_service(),
        add_service(),
        remove_destination(),
        add_destination(1),
        add_destination(1),
        Step::SetDestination {
            service: service(),
            key: real_server(),
            from: destination(1),
            to: Destination {
                lower_threshold: 5,
                ..destination(1)
            },
        },
    ];
    assert_eq!(
        causes(&mut table, &writes).await,
        [
            Some(Cause::Missing),
            Some(Cause::Missing),
            Some(Cause::Missing),
            None,
            Some(Cause::Exists),
            Some(Cause::Missing),
            None,
            Some(Cause::Exists),
            Some(Cause::Errno(Errno::RANGE.raw_os_error())),
        ]
    );
}

#[tokio::test]
async fn removing_a_service_drops_its_real_servers() {
    let mut table = MemoryIpvs::default();
    let writes = [
        add_service(),
        add_destination(1),
        remove_service(),
        add_service(),
    ];
    assert_eq!(causes(&mut table, &writes).await, [None, None, None, None]);
    assert!(table.destinations(&service()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_missing_service_has_no_real_servers_and_that_is_no_error() {
    let mut table = MemoryIpvs::default();
    assert!(table.destinations(&service()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_clone_is_another_hand_on_the_same_table() {
    let mut table = MemoryIpvs::default();
    let mut other = table.clone();
    causes(&mut table, &[add_service(), add_destination(1)]).await;
    causes(&mut other, &[remove_destination()]).await;
    assert!(table.destinations(&service()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_error_names_the_operation() {
    let mut table = MemoryIpvs::default();
    let results = table.write(&[remove_destination()]).await;
    assert_eq!(
        results[0].as_ref().unwrap_err().to_string(),
        "cannot remove real server 192.168.11.21:80 of tcp 192.168.11.200:80"
    );
}

#[test]
fn address_is_on_its_own_interface_alone() {
    let address = LocalAddress {
        interface: "eth0".to_owned(),
        address: "192.0.2.1".parse().unwrap(),
    };
    let mut addresses = MemoryAddresses::default();
    addresses.add(&address).unwrap();
    assert_eq!(addresses.list("eth0").len(), 1);
    assert_eq!(addresses.list("eth1").len(), 0);
    let again = addresses.add(&address).unwrap_err();
    assert_eq!(again.cause, Cause::Exists);
    addresses.remove(&address).unwrap();
    assert_eq!(addresses.local(), [].into());
}

async fn causes(table: &mut MemoryIpvs, writes: &[Step]) -> Vec<Option<Cause>> {
    let results = table.write(writes).await;
    results
        .into_iter()
        .map(|result| result.err().map(|error| error.cause))
        .collect()
}

fn service() -> ServiceKey {
    "tcp 192.168.11.200:80".parse().unwrap()
}

fn real_server() -> RealServerKey {
    "192.168.11.21:80".parse().unwrap()
}

fn properties() -> Service {
    Service {
        scheduler: Scheduler::default(),
        flags: ServiceFlags::default(),
        persistence: None,
    }
}

fn destination(weight: u32) -> Destination {
    Destination {
        forwarding: Forwarding::Direct,
        weight: Weight::new(weight).unwrap(),
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn add_service() -> Step {
    Step::AddService {
        key: service(),
        service: properties(),
    }
}

fn remove_service() -> Step {
    Step::RemoveService { key: service() }
}

fn add_destination(weight: u32) -> Step {
    Step::AddDestination {
        service: service(),
        key: real_server(),
        destination: destination(weight),
    }
}

fn remove_destination() -> Step {
    Step::RemoveDestination {
        service: service(),
        key: real_server(),
    }
}
