use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::kernel::MemoryIpvs;
use crate::model::{Destination, Forwarding, Service, ServiceFlags, TableStatus, Timeout, Weight};
use crate::plan::Step;

/// A table whose dumps leave out what the test says, each dump its own.
struct Skipping {
    table: MemoryIpvs,
    services: Vec<BTreeSet<ServiceKey>>,
    destinations: Vec<BTreeSet<RealServerKey>>,
    asked_alone: usize,
    dumps: usize,
}

impl Ipvs for Skipping {
    async fn services(&mut self) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        let mut found = self.table.services().await?;
        let skipped = self.services.pop().unwrap_or_default();
        found.retain(|key, _| !skipped.contains(key));
        Ok(found)
    }

    async fn find(
        &mut self,
        services: &[ServiceKey],
    ) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        self.asked_alone += services.len();
        self.table.find(services).await
    }

    async fn destinations(
        &mut self,
        service: &ServiceKey,
    ) -> Result<BTreeMap<RealServerKey, ObservedDestination>, KernelError> {
        self.dumps += 1;
        let mut found = self.table.destinations(service).await?;
        let skipped = self.destinations.pop().unwrap_or_default();
        found.retain(|key, _| !skipped.contains(key));
        Ok(found)
    }

    async fn timeouts(&mut self) -> Result<BTreeMap<Timeout, u32>, KernelError> {
        self.table.timeouts().await
    }

    async fn status(&mut self) -> Result<TableStatus, KernelError> {
        self.table.status().await
    }

    async fn write(&mut self, writes: &[Step]) -> Vec<Result<(), KernelError>> {
        self.table.write(writes).await
    }
}

fn service(number: usize) -> ServiceKey {
    format!("tcp 192.168.11.200:{}", 8000 + number)
        .parse()
        .unwrap()
}

fn real_server(number: usize) -> RealServerKey {
    format!("192.168.11.21:{}", 8000 + number).parse().unwrap()
}

/// The first `services` services; the first of them has as many real servers.
async fn skipping(services: usize, real_servers: usize) -> Skipping {
    let mut table = MemoryIpvs::default();
    let mut writes: Vec<_> = (0..services)
        .map(|number| Step::AddService {
            key: service(number),
            service: Service {
                scheduler: "wlc".parse().unwrap(),
                flags: ServiceFlags::default(),
                persistence: None,
            },
        })
        .collect();
    writes.extend((0..real_servers).map(|number| Step::AddDestination {
        service: service(0),
        key: real_server(number),
        destination: Destination {
            forwarding: Forwarding::Direct,
            weight: Weight::ONE,
            upper_threshold: 0,
            lower_threshold: 0,
        },
    }));
    for result in table.write(&writes).await {
        result.unwrap();
    }
    Skipping {
        table,
        services: Vec::new(),
        destinations: Vec::new(),
        asked_alone: 0,
        dumps: 0,
    }
}

#[tokio::test]
async fn service_that_dump_leaves_out_is_found_and_missing_one_is_not() {
    let mut table = skipping(3, 0).await;
    table.services = vec![[service(1)].into()];
    let wanted = [service(0), service(1), service(7)];
    let found = services(&mut table, wanted.into_iter()).await.unwrap();
    let expected: Vec<_> = (0..3).map(service).collect();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(table.asked_alone, 2, "only what the dump lacks");
}

#[tokio::test]
async fn empty_table_costs_no_further_question() {
    let mut table = skipping(0, 0).await;
    let found = services(&mut table, (0..1000).map(service)).await.unwrap();
    assert!(found.is_empty());
    assert_eq!(table.asked_alone, 0);
}

#[tokio::test]
async fn real_server_that_dump_leaves_out_is_found_by_the_next() {
    let mut table = skipping(1, 3).await;
    table.destinations = vec![[real_server(2)].into()];
    let has_all = |found: &BTreeMap<_, _>| (0..3).all(|n| found.contains_key(&real_server(n)));
    let found = destinations(&mut table, &service(0), has_all)
        .await
        .unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(table.dumps, 2);
}

#[tokio::test]
async fn real_server_is_absent_when_two_dumps_in_a_row_agree() {
    let mut table = skipping(1, 3).await;
    let has_all = |found: &BTreeMap<_, _>| found.contains_key(&real_server(9));
    let found = destinations(&mut table, &service(0), has_all)
        .await
        .unwrap();
    assert_eq!((found.len(), table.dumps), (3, 2));
}

#[tokio::test]
async fn real_servers_that_never_agree_are_no_answer() {
    let mut table = skipping(1, 3).await;
    let skipped = |n: usize| BTreeSet::from([real_server(n % 2)]);
    table.destinations = (0..64).map(skipped).collect();
    let has_all = |found: &BTreeMap<_, _>| (0..3).all(|n| found.contains_key(&real_server(n)));
    let error = destinations(&mut table, &service(0), has_all).await;
    assert!(matches!(error.unwrap_err().cause, Cause::Truncated(_)));
}

proptest! {
    #[test]
    fn nothing_wanted_is_missed_whatever_a_dump_leaves_out(
        skipped in proptest::collection::btree_set(0..20_usize, 0..19),
        wanted in proptest::collection::btree_set(0..30_usize, 0..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let missed: Vec<usize> = runtime.block_on(async {
            let mut table = skipping(20, 0).await;
            table.services = vec![skipped.iter().map(|n| service(*n)).collect()];
            let found = services(&mut table, wanted.iter().map(|n| service(*n))).await.unwrap();
            let there = wanted.iter().filter(|n| **n < 20);
            there.filter(|n| !found.contains_key(&service(**n))).copied().collect()
        });
        prop_assert_eq!(missed, Vec::<usize>::new());
    }
}
